"""The reconciler whole, in memory: what it writes, how often, and in which order."""

from typing import Any

import pytest

from tests.support.fakes.kube import Operation, unavailable
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.models.seeds import Seed, no_check, replaced
from tests.support.worlds.ensemble import KEY, EnsembleWorld, Peeking, ensemble_world
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.model.names import MEMBERSHIP
from zkoperator.ensemble.plan.plan import IDLE_S, REST_S
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
)
from zkoperator.runtime.keys import Key


async def test_a_new_cluster_comes_to_rest_ready_and_says_so() -> None:
    world = ensemble_world(3)
    await world.rest()
    status = (world.cluster() or {})["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Available": "True",
        "Degraded": "False",
        "Progressing": "False",
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
    }
    assert (status["replicas"], status["readyReplicas"], status["leader"]) == (3, 3, "main-zk-2")
    founder = (world.cluster() or {})["metadata"]["uid"]
    assert status["bootstrap"] == {"members": 3, "complete": True, "ensemble": founder}
    assert status["hosts"].startswith("main-zk-0.main-zk-members.demo.svc.cluster.local:2181,")
    assert sorted(member["role"] for member in status["members"]) == ["follower", "follower", "leader"]


async def test_a_pass_with_nothing_to_do_asks_the_api_for_nothing() -> None:
    world = ensemble_world(3)
    await world.rest()
    before = len(world.api.operations)
    for _ in range(20):
        await world.turn()
    asked = world.api.operations[before:]
    assert {op.subresource for op in asked} <= {"status"}, "only transaction ids may be written"
    assert len(asked) <= 2, "and that once in ten seconds"


async def test_a_settled_cluster_is_looked_at_more_often_while_a_voter_does_not_serve() -> None:
    world = ensemble_world(3)
    await world.rest()
    assert (await world.operator.reconcile(KEY)).after_s == REST_S
    world.stuck = frozenset({1})
    world.crash(1)
    assert (await world.operator.reconcile(KEY)).after_s <= IDLE_S


async def test_the_more_clusters_are_at_rest_the_less_often_each_is_looked_at() -> None:
    world = ensemble_world(1)
    await world.rest()
    alone = await world.operator.reconcile(KEY)
    for number in range(599):
        world.operator._states.of(Key("others", str(number))).is_settled = True
    among_many = await world.operator.reconcile(KEY)
    assert (alone.after_s, among_many.after_s) == (REST_S, 10.0)


async def test_the_permission_is_on_record_before_anything_could_start() -> None:
    world = ensemble_world(3)
    await world.turn()
    first = next(op for op in world.api.operations if op.is_write)
    assert (first.resource, first.subresource) == (ZOOKEEPER_CLUSTERS, "status")
    cluster = world.cluster() or {}
    founder = cluster["metadata"]["uid"]
    assert cluster["status"]["bootstrap"] == {"members": 3, "complete": False, "ensemble": founder}
    await world.rest()
    config = world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {}
    assert config["data"]["bootstrap"] == ""


async def test_the_superusers_secret_is_made_once_and_its_password_is_nowhere_else() -> None:
    world = ensemble_world(3)
    await world.rest()
    made = world.api.peek(SECRETS, "demo", NAMES.secret) or {}
    world.ask_for(replicas=5)
    await world.rest()
    assert world.api.peek(SECRETS, "demo", NAMES.secret) == made
    resources = (CONFIG_MAPS, SERVICES, STATEFUL_SETS, PODS, EVENTS, ZOOKEEPER_CLUSTERS)
    everything = str([world.api.every(resource) for resource in resources])
    assert made["data"]["password"] not in everything
    assert made["data"]["digest"] not in everything


async def test_a_lost_secret_is_made_anew_and_the_members_are_rolled_to_learn_it() -> None:
    world = ensemble_world(3)
    await world.rest()
    before = {pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    world.api.remove(SECRETS, "demo", NAMES.secret)
    world.clock.seconds += 120
    await world.rest()
    assert not before & {pod["metadata"]["uid"] for pod in world.api.every(PODS)}


async def test_claims_are_marked_when_their_members_join_and_leave() -> None:
    world = ensemble_world(3)
    await world.rest()

    def marks() -> dict[str, str]:
        claims = world.api.every(PERSISTENT_VOLUME_CLAIMS)
        return {c["metadata"]["name"][-1]: (c["metadata"].get("annotations") or {}).get(MEMBERSHIP, "") for c in claims}

    assert marks() == dict.fromkeys("012", "member")
    world.ask_for(replicas=1)
    await world.rest()
    assert marks() == {"0": "member", "1": "left", "2": "left"}


async def test_an_object_made_again_on_kept_claims_founds_nothing() -> None:
    world = ensemble_world(3)
    await world.rest()
    acknowledged, founder = world.acknowledged, (world.cluster() or {})["metadata"]["uid"]
    for _ in range(2):
        world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
        world.api.collect_garbage()
        again = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
        world.api.put(ZOOKEEPER_CLUSTERS, again)
        world.start_operator()
        await world.rest()
        assert world.founded == 1
        assert world.acknowledged > acknowledged
        recorded = (world.cluster() or {})["status"]["bootstrap"]
        assert recorded == {"members": 3, "complete": True, "ensemble": founder}, "the volumes are marked with it"
        assert (world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {})["data"]["ensemble"] == founder


async def test_claims_that_are_to_be_kept_outlive_a_cluster_whose_members_all_went_silent() -> None:
    world = ensemble_world(3, storage={"retention": {"whenDeleted": "Delete"}})
    await world.rest()
    world.dark = frozenset({1, 2, 3})
    world.ask_for(storage={"retention": {"whenDeleted": "Retain"}})
    for _ in range(3):
        await world.turn()
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    assert world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) is None
    assert len(world.api.every(PERSISTENT_VOLUME_CLAIMS)) == 3


async def test_claims_of_former_members_alone_forbid_a_new_ensemble() -> None:
    world = ensemble_world(1)
    claim = {"name": NAMES.claim(4), "namespace": "demo", "annotations": {MEMBERSHIP: "left"}}
    world.api.put(PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim})
    for _ in range(5):
        await world.turn()
    assert world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) is None
    assert NAMES.claim(4) in world.condition("Progressing")["message"]
    world.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(4))
    await world.rest()


@pytest.mark.parametrize(
    ("resource", "name"),
    [(CONFIG_MAPS, NAMES.config_map), (SERVICES, NAMES.client_service), (STATEFUL_SETS, NAMES.stateful_set)],
)
async def test_a_foreign_object_is_never_touched(resource: Any, name: str) -> None:
    world = ensemble_world(3)
    body: Manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": {"replicas": 0, "a": "b"}}
    world.api.put(resource, {**body, "metadata": {"name": name, "namespace": "demo"}})
    before = world.api.peek(resource, "demo", name)
    for _ in range(5):
        await world.turn()
    assert world.api.peek(resource, "demo", name) == before
    assert (world.condition("Degraded")["status"], world.condition("Degraded")["reason"]) == ("True", "ForeignObject")
    assert name in world.condition("Degraded")["message"]
    world.api.remove(resource, "demo", name)
    await world.rest()


async def test_a_paused_cluster_is_watched_and_nothing_is_written_but_its_status() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(paused=True, replicas=5, image=BETTER)
    before = len(world.api.operations)
    for _ in range(5):
        await world.turn()
    writes = {(op.resource, op.subresource) for op in world.api.operations[before:] if op.is_write}
    assert writes <= {(ZOOKEEPER_CLUSTERS, "status"), (EVENTS, "")}
    assert world.condition("Progressing")["reason"] == "Paused"
    assert world.condition("Ready")["status"] == "False"
    world.ask_for(paused=False)
    await world.rest()


async def test_what_others_added_to_a_child_is_taken_away_when_it_matters() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"spec": {"selector": {"stray": "label"}}})
    world.api.edit(CONFIG_MAPS, "demo", NAMES.config_map, {"data": {"zoo.cfg": "skipACL=yes", "more": "x"}})
    await world.rest()
    service = world.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    config = world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {}
    assert service["spec"]["selector"] == NAMES.selector
    assert "skipACL" not in config["data"]["zoo.cfg"]
    assert "more" not in config["data"]


@pytest.mark.parametrize("added", [{"hostNetwork": True}, {"hostPID": True}, {"initContainers": [{"name": "x"}]}])
async def test_what_gives_pods_more_power_is_taken_out_of_the_template(added: Manifest) -> None:
    world = ensemble_world(3)
    await world.rest()
    before = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": {"spec": added}}})
    await world.rest()
    after = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert after["spec"] == before["spec"]


async def test_a_container_beside_ours_is_taken_out_of_the_template() -> None:
    world = ensemble_world(1)
    await world.rest()
    before = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    more = [*before["spec"]["template"]["spec"]["containers"], {"name": "x", "image": "x"}]
    world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": {"spec": {"containers": more}}}})
    await world.rest()
    after = world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert after["spec"] == before["spec"]


async def test_an_outage_of_the_api_changes_nothing_and_leaves_nothing_to_clean_up() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.ask_for(image=BETTER)
    await world.turn()
    hook, world.api.before = world.api.before, unavailable
    restarts = len(world.restarts)
    for _ in range(20):
        await world.turn()
    assert len(world.restarts) == restarts
    world.api.before = hook
    await world.rest()


async def test_an_invalid_edit_is_reported_with_its_path_and_the_ensemble_is_left_alone() -> None:
    world = ensemble_world(3)
    await world.rest()
    before = {pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"replicas": 77, "config": {"skipACL": "yes"}}})
    for _ in range(3):
        await world.turn()
    message = world.condition("Degraded")["message"]
    assert "spec.replicas" in message
    assert "spec.config" in message
    assert {pod["metadata"]["uid"] for pod in world.api.every(PODS)} == before


def _break_spec(world: EnsembleWorld) -> None:
    limits = {"requests": {"cpu": "2"}, "limits": {"cpu": "1", "memory": "8Mi"}}
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"replicas": 77, "resources": limits}})


async def test_while_the_spec_is_invalid_the_status_goes_on_telling_who_leads_and_whether_a_quorum_serves() -> None:
    world = ensemble_world(3)
    await world.rest()
    _break_spec(world)
    await world.turn()
    first = (world.cluster() or {})["status"]["leader"]
    assert first == NAMES.pod(world.leader or 0)
    assert world.condition("Available")["status"] == "True"
    world.stuck = frozenset({world.leader or 0})
    world.crash(world.leader or 0)
    await world.turn()
    status = (world.cluster() or {})["status"]
    assert status["leader"] == NAMES.pod(world.leader or 0) != first
    world.stuck = frozenset({1, 2, 3})
    for member in (1, 2, 3):
        world.crash(member)
    for _ in range(10):
        await world.turn()
    status = (world.cluster() or {})["status"]
    assert (status["leader"], status["readyReplicas"], status["replicas"]) == ("", 0, 3)
    assert (world.condition("Available")["status"], world.condition("Available")["reason"]) == ("False", "QuorumLost")
    world.stuck = frozenset()
    for _ in range(10):
        await world.turn()
    assert world.condition("Available")["status"] == "True"


async def test_while_the_spec_is_invalid_all_errors_are_told_and_nothing_but_the_status_is_written() -> None:
    world = ensemble_world(3)
    await world.rest()
    _break_spec(world)
    world.api.edit(CONFIG_MAPS, "demo", NAMES.config_map, {"data": {"zoo.cfg": "drift"}})
    before = len(world.api.operations)
    for _ in range(5):
        await world.turn()
    writes = {(op.resource, op.subresource) for op in world.api.operations[before:] if op.is_write}
    assert writes <= {(ZOOKEEPER_CLUSTERS, "status"), (EVENTS, "")}
    for kind, truth in (("Ready", "False"), ("Degraded", "True")):
        condition = world.condition(kind)
        assert (condition["status"], condition["reason"]) == (truth, "InvalidSpec")
        assert "spec.replicas" in condition["message"]
    assert (world.cluster() or {})["status"]["observedGeneration"] == (world.cluster() or {})["metadata"]["generation"]
    world.ask_for(replicas=3, resources=None)
    await world.rest()


async def test_an_invalid_object_that_never_ran_is_told_its_errors() -> None:
    world = ensemble_world(77)
    for _ in range(3):
        await world.turn()
    assert "spec.replicas" in world.condition("Ready")["message"]
    assert world.api.every(STATEFUL_SETS) == ()


class WithoutUnlabelled(Peeking):
    """Shows what informers show of claims: those that bear labels."""

    async def fetch(self, resource: Any, namespace: str, name: str) -> Manifest | None:
        found = await super().fetch(resource, namespace, name)
        hidden = resource is PERSISTENT_VOLUME_CLAIMS and found is not None and not found["metadata"].get("labels")
        return None if hidden else found


async def test_a_claim_that_somebody_else_made_is_not_taken_over() -> None:
    world = ensemble_world(3)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}}
    world.api.put(PERSISTENT_VOLUME_CLAIMS, claim | {"metadata": {"name": NAMES.claim(2), "namespace": "demo"}})
    world.store = WithoutUnlabelled(world.api)
    world.start_operator()
    for _ in range(3):
        await world.turn()
    assert world.condition("Degraded")["reason"] == "ForeignObject"
    assert NAMES.claim(2) in world.condition("Degraded")["message"]
    assert world.api.every(STATEFUL_SETS) == ()
    labels = {"metadata": {"labels": NAMES.selector}}
    world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2), labels)
    await world.rest()
    assert world.founded == 1


async def test_kept_claims_that_lost_their_labels_are_told_instead_of_an_endless_silence() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    for claim in world.api.every(PERSISTENT_VOLUME_CLAIMS):
        world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], {"metadata": {"labels": None}})
    world.api.put(
        ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
    )
    world.store = WithoutUnlabelled(world.api)
    world.start_operator()
    for _ in range(3):
        await world.turn()
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert NAMES.claim(1) in world.condition("Progressing")["message"]
    assert world.api.every(STATEFUL_SETS) == ()
    for claim in world.api.every(PERSISTENT_VOLUME_CLAIMS):
        labels = {"metadata": {"labels": NAMES.selector}}
        world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], labels)
    await world.rest()
    assert world.founded == 1


async def test_a_repair_that_somebody_undoes_each_time_is_told_and_no_more_made_at_once() -> None:
    world = ensemble_world(3)
    await world.rest()
    hook, repairs = world.api.after, 0

    def undo(operation: Operation) -> None:
        nonlocal repairs
        hook(operation)
        if operation.is_write and operation.resource is STATEFUL_SETS and operation.verb == "patch":
            repairs += 1
            spoil()

    def spoil() -> None:
        added = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
        world.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, added)

    world.api.after = undo
    spoil()
    for _ in range(50):
        await world.turn()
    first = repairs
    assert 5 < first <= 10
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert "statefulset main-zk was put right 10 times" in world.condition("Progressing")["message"]
    for _ in range(120):
        await world.turn()
    assert first < repairs <= first + 3
    world.api.after = hook
    await world.rest()


async def test_a_conflict_that_does_not_end_is_reported_and_one_that_does_is_not() -> None:
    world = ensemble_world(3)
    await world.rest()
    hook, told = world.api.before, set[str]()

    def always(operation: Operation) -> None:
        if (operation.verb, operation.resource) == ("apply", SERVICES):
            raise ConflictError("somebody is always faster")
        hook(operation)

    world.api.before = always
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"labels": None}})
    for _ in range(5):
        await world.turn()
        told.add(world.condition("Progressing")["reason"])
    assert "Blocked" not in told
    for _ in range(15):
        await world.turn()
    assert world.condition("Progressing")["reason"] == "Blocked"
    assert "somebody is always faster" in world.condition("Progressing")["message"]
    world.api.before = hook
    await world.rest()
    world.api.before = always
    world.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"labels": None}})
    for _ in range(5):
        await world.turn()
    assert world.condition("Progressing")["reason"] != "Blocked", "the count goes on from the last time"


SEEDS = (
    Seed(
        "claims without labels are found before the permission",
        replaced(Applier, "_require_no_contradicting_claim", no_check),
        (test_kept_claims_that_lost_their_labels_are_told_instead_of_an_endless_silence,),
    ),
    Seed(
        "a row of conflicts is reported",
        replaced(reconcile, "_MAX_CONFLICTS", 10**9),
        (test_a_conflict_that_does_not_end_is_reported_and_one_that_does_is_not,),
    ),
    Seed(
        "an invalid object is watched",
        replaced(reconcile, "minimal_cluster", lambda *_: None),
        (test_while_the_spec_is_invalid_the_status_goes_on_telling_who_leads_and_whether_a_quorum_serves,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
