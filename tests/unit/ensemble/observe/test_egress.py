"""Members in a namespace that denies egress by default, and members that run and do not find one another."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_guards import at_rest as at_rest_simulation
from tests.support.models.ensemble_guards import planned, told
from tests.support.models.ensemble_simulation import NAMES, UID, Simulation, raw_cluster, valid
from tests.support.models.seeds import Seed, claim_with, replaced, rewritten
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.observe import egress
from zkoperator.ensemble.observe.answers import NotServing
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan import child_steps, meeting, plan
from zkoperator.ensemble.status import conditions
from zkoperator.kube.port import NETWORK_POLICIES, Manifest

INSTANCE = "app.kubernetes.io/instance"
DENIES: dict[str, Manifest] = {
    "all": {"podSelector": {}, "policyTypes": ["Egress"]},
    "all by name": {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "zookeeper"}}, "policyTypes": ["Egress"]},
    "all but one": {"podSelector": {}, "egress": [{"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}]},
    "all of those": {
        "podSelector": {"matchExpressions": [{"key": INSTANCE, "operator": "In", "values": ["main"]}]},
        "policyTypes": ["Ingress", "Egress"],
    },
}
LEAVES: dict[str, Manifest] = {
    "ingress": {"podSelector": {}, "policyTypes": ["Ingress"]},
    "other pods": {"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Egress"]},
    "no labels": {
        "podSelector": {"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "DoesNotExist"}]},
        "policyTypes": ["Egress"],
    },
}


def deny(world: EnsembleWorld, spec: Manifest) -> None:
    metadata = {"name": "default-deny", "namespace": "demo"}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    world.api.put(NETWORK_POLICIES, policy)


def policy(world: EnsembleWorld) -> Manifest:
    found: Manifest = (world.api.peek(NETWORK_POLICIES, "demo", NAMES.network_policy) or {})["spec"]
    return found


async def leaderless(world: EnsembleWorld, turns: int = 12) -> None:
    """Let nobody elect a leader for a while, as happens to members whose packets are dropped."""
    for _ in range(turns):
        for member in (1, 2, 3):
            world.crash(member, ticks=2)
        await world.turn()


async def at_rest() -> EnsembleWorld:
    world = ensemble_world(3)
    await world.rest()
    return world


@pytest.mark.parametrize("kind", DENIES)
async def test_where_egress_is_denied_members_are_granted_one_another_and_the_name_service(kind: str) -> None:
    world = await at_rest()
    deny(world, DENIES[kind])
    await leaderless(world)
    assert policy(world)["policyTypes"] == ["Ingress", "Egress"]
    members, names = policy(world)["egress"]
    assert [port["port"] for port in members["ports"]] == [2888, 3888]
    assert members["to"] == [{"podSelector": {"matchLabels": NAMES.selector}}]
    assert {(port["protocol"], port["port"]) for port in names["ports"]} >= {("UDP", 53), ("TCP", 53)}


@pytest.mark.parametrize("kind", [*LEAVES, "nothing"])
async def test_where_egress_is_free_it_stays_free(kind: str) -> None:
    world = await at_rest()
    if kind in LEAVES:
        deny(world, LEAVES[kind])
    await leaderless(world)
    assert policy(world)["policyTypes"] == ["Ingress"]
    assert "egress" not in policy(world)


async def test_the_grant_ends_with_the_policy_that_made_it_necessary() -> None:
    world = await at_rest()
    deny(world, DENIES["all"])
    await leaderless(world)
    await world.rest()
    world.start_operator()
    for _ in range(5):
        await world.turn()
    assert policy(world)["policyTypes"] == ["Ingress", "Egress"], "it is needed still"
    world.api.remove(NETWORK_POLICIES, "demo", "default-deny")
    for _ in range(70):
        await world.turn()
    assert policy(world)["policyTypes"] == ["Ingress"]
    assert "egress" not in policy(world)


async def test_a_grant_stays_while_nobody_has_looked() -> None:
    world = at_rest_simulation()
    granted = network_policy(valid(world.raw), egress=True)
    live = {**granted, "metadata": {**granted["metadata"], "uid": "u", "resourceVersion": "1"}}
    observed = world.observe()
    children = {**observed.children, Child.NETWORK_POLICY: live}
    assert child_steps.child_steps(valid(world.raw), replace(observed, children=children)) == ()


async def test_nobody_reads_the_policies_of_a_namespace_whose_ensemble_is_well() -> None:
    world = await at_rest()
    before = len(world.api.operations)
    for _ in range(100):
        await world.turn()
    reads = {(each.verb, each.resource) for each in world.api.operations[before:]}
    assert ("list", NETWORK_POLICIES) not in reads


def unmet(leaderless_s: float, idle: int = 3) -> tuple[Simulation, Observed]:
    """Return founders that run, of which so many answer that they serve nobody."""
    world = Simulation(raw_cluster())
    world.dark = frozenset({1, 2, 3})
    for _ in range(4):
        world.tick()
    world.committed = world.leader = None
    world.raw["status"] = {"bootstrap": {"members": 3, "complete": False, "ensemble": UID}}
    observed = world.observe()
    answers: dict[int, Any] = {**observed.answers, **dict.fromkeys(range(1, idle + 1), NotServing())}
    return world, replace(observed, answers=answers, leaderless_s=leaderless_s)


def test_founders_that_run_and_never_meet_are_told_with_causes_and_commands() -> None:
    world, observed = unmet(60.0)
    message = planned(world, observed).message
    assert "find one another" in message
    causes = [message.index(word) for word in ("name service", "NetworkPolicy", "closes these ports")]
    assert causes == sorted(causes)
    host = "main-zk-1.main-zk-members.demo.svc.cluster.local"
    for command in (
        f"kubectl -n demo exec main-zk-0 -- getent hosts {host}",
        "kubectl -n demo get networkpolicy",
        f"kubectl -n demo exec main-zk-0 -- nc -z -w 2 {host} 3888",
        "kubectl -n demo logs main-zk-0",
    ):
        assert command in message
    degraded = told(world, observed)["Degraded"]
    assert (degraded["status"], degraded["reason"]) == ("True", "MemberDown")
    assert "name service" in degraded["message"]


def test_founders_with_tls_are_told_of_that_cause_as_well() -> None:
    world, observed = unmet(60.0)
    assert "TLS" not in meeting.meeting_advice(valid(world.raw), observed)
    world.edit(tls={"quorum": {}})
    assert "'SSL' in kubectl -n demo logs main-zk-0" in meeting.meeting_advice(valid(world.raw), observed)
    assert len(meeting.meeting_advice(valid(world.raw), observed)) < 1024


def test_too_few_copies_to_elect_are_told_with_what_lets_an_empty_member_vote() -> None:
    world, observed = unmet(60.0)
    world.raw["metadata"]["annotations"] = {"zkoperator.dev/take-over": "uid-of-the-original"}
    for message in (planned(world, observed).message, told(world, observed)["Degraded"]["message"]):
        assert "2 of 3 must" in message
        assert "kubectl -n demo exec main-zk-0 -- ls /data/data/version-2" in message
        assert "exec main-zk-1 -- touch /data/recover && kubectl -n demo delete pod main-zk-1" in message
        assert len(message) < 1024
    world.edit(replicas=1)
    assert "and its claims" not in planned(world, observed).message, "one of them is the copy"


@pytest.mark.parametrize(("leaderless_s", "idle"), [(5.0, 3), (60.0, 1)])
def test_an_election_and_members_that_do_not_answer_are_no_failure_to_meet(leaderless_s: float, idle: int) -> None:
    world, observed = unmet(leaderless_s, idle)
    assert "find one another" not in planned(world, observed).message


async def _too_few_copies() -> None:
    test_too_few_copies_to_elect_are_told_with_what_lets_an_empty_member_vote()


SEEDS = (
    Seed(
        "members with TLS may refuse one another's certificates",
        rewritten(meeting, "meeting_advice", "cluster.spec.tls is not None and", "False and"),
        (test_founders_with_tls_are_told_of_that_cause_as_well,),
    ),
    Seed(
        "egress is granted where it is denied",
        replaced(child_steps, "_needs_egress", lambda _: False),
        (claim_with(test_where_egress_is_denied_members_are_granted_one_another_and_the_name_service, "all"),),
    ),
    Seed(
        "egress is not restricted where it is free",
        replaced(child_steps, "_needs_egress", lambda _: True),
        (claim_with(test_where_egress_is_free_it_stays_free, "nothing"),),
    ),
    Seed(
        "a policy for other pods denies members nothing",
        replaced(egress, "_selects", lambda *_: True),
        (claim_with(test_where_egress_is_free_it_stays_free, "other pods"),),
    ),
    Seed(
        "a grant stays while nobody has looked",
        rewritten(child_steps, "_needs_egress", "if observed.egress_policies is None:", "if not observed:"),
        (test_a_grant_stays_while_nobody_has_looked,),
    ),
    Seed(
        "too few copies have another advice",
        replaced(meeting, "_copies_advice", lambda *_: ""),
        (_too_few_copies,),
    ),
    Seed(
        "no claim is deleted that may be the copy",
        rewritten(plan, "_founding", " and not cluster.take_over", ""),
        (_too_few_copies,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)


@pytest.mark.parametrize("module", [plan, conditions])
def test_without_the_advice_it_is_noticed(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "meeting_advice", lambda *_: "")
    with pytest.raises(AssertionError):
        test_founders_that_run_and_never_meet_are_told_with_causes_and_commands()
