"""TLS is turned on and off in a running ensemble by phases: members always understand one another."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from tests.support.models.ensemble_simulation import BETTER, LEAF, Simulation, raw_cluster
from tests.support.models.seeds import Bug, Seed, replaced, rewritten
from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import CLOSED, OPEN
from zkoperator.ensemble.model.tls import NO_CERTIFICATES, NO_TLS, QuorumPhase, TlsState
from zkoperator.ensemble.plan import aging, child_steps, plan, roll, tls
from zkoperator.ensemble.plan.tls import next_phase

OFF, ON = QuorumPhase.PLAINTEXT, QuorumPhase.TLS
BOTH = TlsState(client=True, quorum=ON)
SELF_SIGNED: dict[str, object] = {"certificate": {"selfSigned": {}}}


def client(plaintext: str = "Allowed") -> dict[str, object]:
    return {**SELF_SIGNED, "plaintext": plaintext}


# Every walk of three pods, of the template and of what the controller has seen of it


@dataclass(frozen=True)
class Walk:
    """A moment: what is wanted, the templates from the one that the controller has seen to the newest, and the pods."""

    wanted: QuorumPhase
    templates: tuple[QuorumPhase, ...]
    pods: tuple[QuorumPhase | None, ...]

    @property
    def running(self) -> list[QuorumPhase]:
        return [pod for pod in self.pods if pod is not None]

    @property
    def moved(self) -> "Walk":
        """The moment after the operator has looked."""
        complete = None not in self.pods and len(self.templates) == 1
        step = tls.next_phase(self.wanted, self.templates[-1], self.running, complete=complete)
        return replace(self, templates=(*self.templates, step)) if step != self.templates[-1] else self

    def with_pod(self, number: int, pod: QuorumPhase | None) -> "Walk":
        return replace(self, pods=(*self.pods[:number], pod, *self.pods[number + 1 :]))

    @property
    def made(self) -> Iterator["Walk"]:
        for number, pod in enumerate(self.pods):
            if pod is None:
                phase = self.templates[0]
                assert all(abs(phase - other) <= 1 for other in self.running), f"a member starts in {phase!r}: {self}"
                yield self.with_pod(number, phase)

    @property
    def following(self) -> Iterator["Walk"]:
        """Every moment that can come next."""
        yield replace(self, wanted=ON if self.wanted is OFF else OFF)
        yield self.moved
        if len(self.templates) > 1:
            yield replace(self, templates=self.templates[1:])
        yield from self.made
        for number, pod in enumerate(self.pods):
            if pod is not None:
                yield self.with_pod(number, None)

    @property
    def is_there(self) -> bool:
        return self.templates == (self.wanted,) and set(self.pods) == {self.wanted}

    def quietly(self) -> "Walk":
        """The next moment when nothing happens but what the operator and Kubernetes do."""
        if len(self.templates) > 1:
            return replace(self, templates=self.templates[1:])
        if None in self.pods:
            return next(self.made)
        if self.moved != self:
            return self.moved
        outdated = [number for number, pod in enumerate(self.pods) if pod != self.templates[0]]
        return self.with_pod(outdated[0], None) if outdated else self


def every_walk() -> set[Walk]:
    """Every moment that can be reached; templates that the controller has not seen are at most three."""
    found = {Walk(wanted, (wanted,), (wanted,) * 3) for wanted in (OFF, ON)}
    ahead = deque(found)
    while ahead:
        for walk in ahead.popleft().following:
            if walk not in found and len(walk.templates) <= 4:
                found.add(walk)
                ahead.append(walk)
    return found


def test_no_walk_starts_a_member_that_another_does_not_understand() -> None:
    phases = {phase for walk in every_walk() for phase in walk.running}
    assert phases == set(QuorumPhase), "the walks go through all phases"


async def no_walk_starts_a_stranger() -> None:
    every_walk()


def test_every_walk_ends_where_the_spec_wants_it_once_nobody_changes_his_mind() -> None:
    for walk in every_walk():
        here = walk
        for _ in range(60):
            here = here.quietly()
        assert here.is_there, f"{walk} ends at {here}"


async def every_walk_ends() -> None:
    test_every_walk_ends_where_the_spec_wants_it_once_nobody_changes_his_mind()


# The planner on a simulated ensemble


async def turned_on_and_off() -> Simulation:
    """An ensemble that is turned to TLS, rolled, grown, crashed into, and back; its claims are the simulation's own."""
    world = Simulation(raw_cluster(3))
    world.settle()
    world.edit(tls={"client": client("Refused"), "quorum": {}})
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {BOTH}
    assert world.committed is not None
    assert {server.client for server in world.committed.servers} == {CLOSED}
    world.edit(image=BETTER, replicas=5)
    world.settle()
    world.edit(tls={"client": client("Allowed"), "quorum": None})
    for _ in range(9):
        world.tick()
    world.edit(tls={"quorum": {}, "client": None})
    world.delete_pod(2)
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {TlsState(quorum=ON)}
    assert {server.client for server in world.committed.servers} == {OPEN}
    world.edit(tls=None)
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {NO_TLS}
    return world


async def test_tls_goes_on_and_off_in_a_running_ensemble() -> None:
    world = await turned_on_and_off()
    assert world.founded == 1


async def test_quorum_tls_and_the_tls_port_come_with_three_restarts_of_each_member() -> None:
    world = Simulation(raw_cluster(3))
    world.settle()
    world.edit(tls={"client": client(), "quorum": {}})
    world.settle()
    assert sorted(world.restarts) == [1, 1, 1, 2, 2, 2, 3, 3, 3]


async def test_plaintext_is_closed_and_opened_without_a_restart() -> None:
    world = Simulation(raw_cluster(3, tls={"client": client()}))
    world.settle()
    assert world.committed is not None
    for plaintext, line in (("Refused", CLOSED), ("Allowed", OPEN)):
        before = world.committed.version
        world.edit(tls={"client": client(plaintext)})
        reasons = {world.tick().reason for _ in range(3)}
        assert ClusterReason.CHANGING_TLS in reasons
        world.settle()
        assert {server.client for server in world.committed.servers} == {line}
        assert world.committed.version == before + 256, "one reconfiguration"
    assert world.restarts == []


@pytest.mark.parametrize("replicas", [1, 3])
async def test_a_new_ensemble_starts_in_the_end_state(replicas: int) -> None:
    world = Simulation(raw_cluster(replicas, tls={"client": client("Refused"), "quorum": {}}))
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {BOTH}
    assert world.restarts == []
    assert world.committed is not None
    assert {server.client for server in world.committed.servers} == {CLOSED}


async def test_a_single_member_needs_one_restart_each_way() -> None:
    world = Simulation(raw_cluster(1))
    world.settle()
    world.edit(tls={"quorum": {}})
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {TlsState(quorum=ON)}
    world.edit(tls=None)
    world.settle()
    assert world.restarts == [1, 1]


async def test_a_single_member_that_grows_meanwhile_goes_through_the_phases() -> None:
    world = Simulation(raw_cluster(1))
    world.settle()
    world.edit(tls={"quorum": {}}, replicas=3)
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {TlsState(quorum=ON)}


async def test_nothing_is_made_and_nothing_restarted_before_the_certificates_are_there() -> None:
    world = Simulation(raw_cluster(3, tls={"quorum": {}}), certificates=NO_CERTIFICATES)
    found = [world.tick() for _ in range(5)][-1]
    assert Child.STATEFUL_SET not in world.children
    assert "waiting for the quorum certificate in Secret main-zk-tls" in found.message
    running = Simulation(raw_cluster(3), certificates=NO_CERTIFICATES)
    running.settle()
    running.edit(tls={"client": client(), "quorum": {}})
    found = [running.tick() for _ in range(5)][-1]
    assert running.restarts == []
    assert found.reason is ClusterReason.CHANGING_TLS
    assert "waiting for the client and quorum certificate in Secret main-zk-tls" in found.message


async def test_a_roll_to_tls_that_fails_can_be_taken_back() -> None:
    world = Simulation(raw_cluster(3))
    world.settle()
    world.edit(tls={"quorum": {}})
    while not world.restarts:
        world.tick()
    first = world.restarts[0]
    world.stuck = frozenset({first})
    for _ in range(5):
        world.tick()
    assert world.restarts == [first], "the roll stops at the member that does not come back"
    world.edit(tls=None)
    for _ in range(5):
        world.tick()
    assert world.pods[first].tls == NO_TLS, "it goes back although it does not serve"
    world.stuck = frozenset()
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {NO_TLS}


async def members_with_an_old_certificate_start_anew() -> None:
    world = Simulation(raw_cluster(3, tls={"quorum": {}}))
    day = timedelta(days=1)
    world.certificates = replace(world.certificates, now=LEAF.not_before + 65 * day)
    world.settle()
    renewed = replace(LEAF, not_before=LEAF.not_before + 60 * day, not_after=LEAF.not_after + 60 * day)
    world.certificates = replace(world.certificates, quorum=renewed)
    world.settle()
    assert world.restarts == [], "a renewal needs no restart"
    world.certificates = replace(world.certificates, now=LEAF.not_before + 80 * day)
    world.settle()
    assert sorted(world.restarts) == [1, 2, 3]
    unrenewed = replace(world.certificates, now=renewed.not_after + day)
    world.certificates = unrenewed
    world.settle()
    assert sorted(world.restarts) == [1, 2, 3], "without a better one a restart would mend nothing"


async def test_members_with_an_old_certificate_start_anew_once_there_is_a_better_one() -> None:
    await members_with_an_old_certificate_start_anew()


async def test_plaintext_is_open_again_before_the_tls_port_goes() -> None:
    world = Simulation(raw_cluster(3, tls={"client": client("Refused")}))
    world.settle()
    world.edit(tls=None)
    world.tick()
    world.delete_pod(2)
    world.settle()
    assert {pod.tls for pod in world.pods.values()} == {NO_TLS}


def as_planned(bug: Bug) -> Bug:
    """The bug in the planner, which has the function by its name."""

    def planted(patch: pytest.MonkeyPatch) -> None:
        bug(patch)
        patch.setattr(plan, "tls_now", tls.tls_now)

    return planted


def as_aged(old: str, new: str) -> Bug:
    """The bug in what is known of the age of certificates."""

    def planted(patch: pytest.MonkeyPatch) -> None:
        rewritten(aging, "aging", old, new)(patch)
        patch.setattr(roll, "aging", aging.aging)

    return planted


NEXT = "next_phase"
SEEDS = (
    Seed(
        "a phase is reached from its neighbour alone",
        rewritten(tls, NEXT, "step = QuorumPhase(template + (1 if wanted > template else -1))", "step = wanted"),
        (every_walk_ends, turned_on_and_off),
    ),
    Seed(
        "every pod understands the new phase",
        rewritten(tls, NEXT, "reaches_all and (", "("),
        (no_walk_starts_a_stranger, turned_on_and_off),
    ),
    Seed(
        "a new phase waits for all pods",
        rewritten(tls, NEXT, "(complete or step in running)", "True"),
        (no_walk_starts_a_stranger,),
    ),
    Seed(
        "a change of mind goes back at once",
        rewritten(tls, NEXT, "(complete or step in running)", "complete and len(set(running)) == 1"),
        (test_a_roll_to_tls_that_fails_can_be_taken_back,),
    ),
    Seed(
        "plaintext is closed when all have the TLS port",
        as_planned(rewritten(tls, "tls_now", "or not _may_close(observed, state)", "")),
        (turned_on_and_off,),
    ),
    Seed(
        "the TLS port stays until plaintext is open",
        rewritten(tls, "_client", "template.client and not _is_open(observed)", "False"),
        (test_plaintext_is_open_again_before_the_tls_port_goes,),
    ),
    Seed(
        "no pod is made before its certificates",
        rewritten(child_steps, "_may_exist", " or has_certificates", " or True"),
        (test_nothing_is_made_and_nothing_restarted_before_the_certificates_are_there,),
    ),
    Seed(
        "no phase is begun without a certificate",
        rewritten(tls, "_quorum", "found > template.quorum", "False"),
        (test_nothing_is_made_and_nothing_restarted_before_the_certificates_are_there,),
    ),
    Seed(
        "no TLS port without a certificate",
        rewritten(tls, "_client", "template.client or observed.certificates.client is not None", "True"),
        (test_nothing_is_made_and_nothing_restarted_before_the_certificates_are_there,),
    ),
    Seed(
        "a single member is alone",
        rewritten(tls, "_is_alone", "cluster.spec.replicas == 1 and", "cluster.spec.replicas and"),
        (test_a_single_member_that_grows_meanwhile_goes_through_the_phases,),
    ),
    Seed(
        "a young certificate stays",
        as_aged(" or left * _LAST_PARTS > ends - datetime.fromisoformat(begin)", ""),
        (members_with_an_old_certificate_start_anew,),
    ),
    Seed(
        "a restart is for a better certificate",
        as_aged("datetime.fromisoformat(newest) <= ends or ", ""),
        (members_with_an_old_certificate_start_anew,),
    ),
    Seed(
        "the planner goes by the next state",
        replaced(plan, "tls_now", lambda cluster, _: cluster),
        (turned_on_and_off,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_planner_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)


@pytest.mark.parametrize(
    ("wanted", "running", "phase"),
    [(ON, (), ON), (ON, (OFF, OFF), OFF), (OFF, (ON, QuorumPhase.PLAINTEXT_ACCEPTED), QuorumPhase.PLAINTEXT_ACCEPTED)],
)
def test_a_statefulset_that_is_made_anew_takes_up_the_phase_of_its_pods(
    wanted: QuorumPhase, running: tuple[QuorumPhase, ...], phase: QuorumPhase
) -> None:
    assert next_phase(wanted, None, running, complete=False) is phase
