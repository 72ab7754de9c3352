"""Every guard of the planner is there for a reason: with any of them taken out, the simulated world notices."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.models.ensemble_simulation import BAD, BETTER, GOOD, Simulation, raw_cluster
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan import child_steps as desired
from zkoperator.ensemble.plan import claim_steps as claims
from zkoperator.ensemble.plan import membership, plan, roll
from zkoperator.ensemble.plan.gate import Verdict
from zkoperator.ensemble.validate import ValidatedCluster

OPEN = Verdict(True, "")
Bug = Callable[[pytest.MonkeyPatch], None]


def stories() -> None:
    """Lives that touch every guard."""
    _grow_and_shrink()
    _roll_with_trouble()
    _bad_image()
    _claims_are_deleted()
    _wiped_after_founding()


def _grow_and_shrink() -> None:
    world = Simulation(raw_cluster(1))
    for replicas in (3, 5, 1, 3):
        world.settle()
        world.edit(replicas=replicas)
    world.settle()
    world.dark, world.stuck = frozenset({2}), frozenset({5})
    world.edit(replicas=5)
    for _ in range(10):
        world.tick()
    world.dark = frozenset()
    for _ in range(10):
        world.tick()
    world.stuck = frozenset()
    world.settle()


def _roll_with_trouble() -> None:
    world = Simulation(raw_cluster(5))
    world.settle()
    world.edit(image=BETTER)
    world.crash(2)
    world.tick()
    world.delete_pod(4)
    world.settle()
    world.edit(config={"tickTime": "3000"}, replicas=3)
    world.tick()
    world.children.pop(Child.STATEFUL_SET)
    world.settle()
    assert world.founded == 1


def _bad_image() -> None:
    world = Simulation(raw_cluster(3))
    world.settle()
    world.edit(image=BAD)
    for _ in range(12):
        world.tick()
        assert sum(pod.image == BAD for pod in world.pods.values()) <= 1, "a second member was touched"
    world.edit(image=GOOD)
    world.settle()


def _claims_are_deleted() -> None:
    world = Simulation(raw_cluster(5, storage={"retention": {"whenScaled": "Delete"}}))
    world.settle()
    world.edit(replicas=1)
    world.settle()
    for _ in range(3):
        world.tick()
    assert set(world.claims) == {1}, "claims were forgotten"


def _wiped_after_founding() -> None:
    world = Simulation(raw_cluster(3))
    world.settle()
    for member in (1, 2):
        world.wipe(member)
        world.delete_pod(member)
    for _ in range(10):
        world.tick()
        assert not any(pod.founder for member, pod in world.pods.items() if member != 3), "a second founding"
        assert world.leader is None


def _always_open(patch: pytest.MonkeyPatch) -> None:
    for module in (membership, roll):
        patch.setattr(module, "gate", lambda *_, **__: OPEN)


def _spec_decides_pods(patch: pytest.MonkeyPatch) -> None:
    for module in (desired, membership):
        patch.setattr(module, "wanted_pods", lambda cluster, _: cluster.spec.replicas)
    planned = desired._desired
    patch.setattr(
        desired, "_desired", lambda cluster, observed: replace(planned(cluster, observed), pods=cluster.spec.replicas)
    )


def _joiners_unasked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(membership, "_serves", lambda *_: True)


def _broken_at_will(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(roll, "gate_for_broken_pod", lambda *_, **__: OPEN)
    patch.setattr(roll, "why_replaced", lambda *_: "no reason")


def _leader_first(patch: pytest.MonkeyPatch) -> None:
    rank = roll._rank
    patch.setattr(roll, "_rank", lambda observed, member: (-rank(observed, member)[0], member))


def _permission_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ValidatedCluster, "bootstrap_token", property(lambda cluster: cluster.meta.uid))


def _never_spent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "is_unused", lambda *_: False)


def _always_spent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(claims, "is_unused", lambda *_: True)


def _unknown_is_the_last_known(patch: pytest.MonkeyPatch) -> None:
    def guess(observed: Observed) -> Configuration | None:
        return Configuration(1, observed.recorded) if observed.recorded else None

    patch.setattr(Observed, "committed", property(guess))


def _no_record_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "bootstrap_steps", lambda *_: ())
    patch.setattr(plan, "claim_steps", lambda cluster, observed: desired.child_steps(cluster, observed))


def _pods_before_membership(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(membership, "wanted_pods", lambda cluster, _: cluster.spec.replicas)
    patch.setattr(plan, "change_members", lambda *_: None)


BUGS: tuple[Bug, ...] = (
    _always_open,
    _spec_decides_pods,
    _joiners_unasked,
    _broken_at_will,
    _leader_first,
    _permission_for_ever,
    _never_spent,
    _always_spent,
    _unknown_is_the_last_known,
    _no_record_first,
    _pods_before_membership,
)


def test_the_planner_as_it_is_passes_every_story() -> None:
    stories()


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__.strip("_"))
def test_a_planner_without_this_guard_is_noticed(bug: Bug, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    with pytest.raises(AssertionError):
        stories()


def test_names_are_those_of_the_contract() -> None:
    names = Names("demo", "main")
    assert (names.stateful_set, names.client_service, names.members_service) == (
        "main-zk",
        "main-zk",
        "main-zk-members",
    )
    assert (names.config_map, names.secret, names.pod(1), names.claim(3)) == (
        "main-zk-config",
        "main-zk-admin",
        "main-zk-0",
        "data-main-zk-2",
    )
    assert names.member_of_claim("data-main-zk-2") == 3
    others = ("data-main-zk-x", "data-main-zk-01", "data-other-zk-1", "data-main-zk-", "main-zk-2")
    assert [names.member_of_claim(name) for name in others] == [None] * 5
