"""The reconciler whole, in memory: what it writes, how often, and in which order."""

from tests.support.fakes.kube import unavailable
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.worlds.ensemble import KEY, ensemble_world
from zkoperator.ensemble.model.names import MEMBERSHIP
from zkoperator.ensemble.plan.plan import IDLE_S, REST_S
from zkoperator.kube.port import (
    CONFIG_MAPS,
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    ZOOKEEPER_CLUSTERS,
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
