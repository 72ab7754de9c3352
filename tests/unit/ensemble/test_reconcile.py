"""The reconciler whole, in memory: what it writes, how often, and in which order."""

from typing import Any

import pytest

from tests.support.fakes.kube import Operation, unavailable
from tests.support.models.ensemble_simulation import BETTER, NAMES
from tests.support.worlds.ensemble import KEY, Peeking, Stage, stage
from zkoperator.ensemble.model.names import MEMBERSHIP
from zkoperator.ensemble.plan.plan import IDLE_S
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
    play = stage(3)
    await play.rest()
    status = (play.cluster() or {})["status"]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Available": "True",
        "Degraded": "False",
        "Progressing": "False",
        "Ready": "True",
    }
    assert (status["replicas"], status["readyReplicas"], status["leader"]) == (3, 3, "main-zk-2")
    assert status["bootstrap"] == {"members": 3, "complete": True}
    assert status["hosts"].startswith("main-zk-0.main-zk-members.demo.svc.cluster.local:2181,")
    assert sorted(member["role"] for member in status["members"]) == ["follower", "follower", "leader"]


async def test_a_pass_with_nothing_to_do_asks_the_api_for_nothing() -> None:
    play = stage(3)
    await play.rest()
    before = len(play.api.operations)
    for _ in range(20):
        await play.turn()
    asked = play.api.operations[before:]
    assert {op.subresource for op in asked} <= {"status"}, "only transaction ids may be written"
    assert len(asked) <= 2, "and that once in ten seconds"


async def test_the_more_clusters_are_at_rest_the_less_often_each_is_looked_at() -> None:
    play = stage(1)
    await play.rest()
    alone = await play.operator.reconcile(KEY)
    for number in range(599):
        play.operator._states.of(Key("others", str(number))).is_settled = True
    among_many = await play.operator.reconcile(KEY)
    assert (alone.after_s, among_many.after_s) == (IDLE_S, 10.0)


async def test_the_permission_is_on_record_before_anything_could_start() -> None:
    play = stage(3)
    await play.turn()
    first = next(op for op in play.api.operations if op.is_write)
    assert (first.resource, first.subresource) == (ZOOKEEPER_CLUSTERS, "status")
    assert (play.cluster() or {})["status"]["bootstrap"] == {"members": 3, "complete": False}
    await play.rest()
    config = play.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {}
    assert config["data"]["bootstrap"] == ""


async def test_the_superusers_secret_is_made_once_and_its_password_is_nowhere_else() -> None:
    play = stage(3)
    await play.rest()
    made = play.api.peek(SECRETS, "demo", NAMES.secret) or {}
    play.ask_for(replicas=5)
    await play.rest()
    assert play.api.peek(SECRETS, "demo", NAMES.secret) == made
    resources = (CONFIG_MAPS, SERVICES, STATEFUL_SETS, PODS, EVENTS, ZOOKEEPER_CLUSTERS)
    everything = str([play.api.every(resource) for resource in resources])
    assert made["data"]["password"] not in everything
    assert made["data"]["digest"] not in everything


async def test_a_lost_secret_is_made_anew_and_the_members_are_rolled_to_learn_it() -> None:
    play = stage(3)
    await play.rest()
    before = {pod["metadata"]["uid"] for pod in play.api.every(PODS)}
    play.api.remove(SECRETS, "demo", NAMES.secret)
    play.clock.seconds += 120
    await play.rest()
    assert not before & {pod["metadata"]["uid"] for pod in play.api.every(PODS)}


async def test_claims_are_marked_when_their_members_join_and_leave() -> None:
    play = stage(3)
    await play.rest()

    def marks() -> dict[str, str]:
        claims = play.api.every(PERSISTENT_VOLUME_CLAIMS)
        return {c["metadata"]["name"][-1]: (c["metadata"].get("annotations") or {}).get(MEMBERSHIP, "") for c in claims}

    assert marks() == dict.fromkeys("012", "member")
    play.ask_for(replicas=1)
    await play.rest()
    assert marks() == {"0": "member", "1": "left", "2": "left"}


async def test_an_object_made_again_on_kept_claims_founds_nothing() -> None:
    play = stage(3)
    await play.rest()
    acknowledged, founder = play.acknowledged, (play.cluster() or {})["metadata"]["uid"]
    for _ in range(2):
        play.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
        play.api.collect_garbage()
        again = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **play.raw}
        play.api.put(ZOOKEEPER_CLUSTERS, again)
        play.start_operator()
        await play.rest()
        assert play.founded == 1
        assert play.acknowledged > acknowledged
        recorded = (play.cluster() or {})["status"]["bootstrap"]
        assert recorded == {"members": 3, "complete": True, "ensemble": founder}, "the volumes are marked with it"
        assert (play.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {})["data"]["ensemble"] == founder


async def test_claims_that_are_to_be_kept_outlive_a_cluster_whose_members_all_went_silent() -> None:
    play = stage(3, storage={"retention": {"whenDeleted": "Delete"}})
    await play.rest()
    play.dark = frozenset({1, 2, 3})
    play.ask_for(storage={"retention": {"whenDeleted": "Retain"}})
    for _ in range(3):
        await play.turn()
    play.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    play.api.collect_garbage()
    assert play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) is None
    assert len(play.api.every(PERSISTENT_VOLUME_CLAIMS)) == 3


async def test_claims_of_former_members_alone_forbid_a_new_ensemble() -> None:
    play = stage(1)
    claim = {"name": NAMES.claim(4), "namespace": "demo", "annotations": {MEMBERSHIP: "left"}}
    play.api.put(PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim})
    for _ in range(5):
        await play.turn()
    assert play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) is None
    assert NAMES.claim(4) in play.condition("Progressing")["message"]
    play.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(4))
    await play.rest()


@pytest.mark.parametrize(
    ("resource", "name"),
    [(CONFIG_MAPS, NAMES.config_map), (SERVICES, NAMES.client_service), (STATEFUL_SETS, NAMES.stateful_set)],
)
async def test_a_foreign_object_is_never_touched(resource: Any, name: str) -> None:
    play = stage(3)
    body: Manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": {"replicas": 0, "a": "b"}}
    play.api.put(resource, {**body, "metadata": {"name": name, "namespace": "demo"}})
    before = play.api.peek(resource, "demo", name)
    for _ in range(5):
        await play.turn()
    assert play.api.peek(resource, "demo", name) == before
    assert (play.condition("Degraded")["status"], play.condition("Degraded")["reason"]) == ("True", "ForeignObject")
    assert name in play.condition("Degraded")["message"]
    play.api.remove(resource, "demo", name)
    await play.rest()


async def test_a_paused_cluster_is_watched_and_nothing_is_written_but_its_status() -> None:
    play = stage(3)
    await play.rest()
    play.ask_for(paused=True, replicas=5, image=BETTER)
    before = len(play.api.operations)
    for _ in range(5):
        await play.turn()
    writes = {(op.resource, op.subresource) for op in play.api.operations[before:] if op.is_write}
    assert writes <= {(ZOOKEEPER_CLUSTERS, "status"), (EVENTS, "")}
    assert play.condition("Progressing")["reason"] == "Paused"
    assert play.condition("Ready")["status"] == "False"
    play.ask_for(paused=False)
    await play.rest()


async def test_what_others_added_to_a_child_is_taken_away_when_it_matters() -> None:
    play = stage(3)
    await play.rest()
    play.api.edit(SERVICES, "demo", NAMES.client_service, {"spec": {"selector": {"stray": "label"}}})
    play.api.edit(CONFIG_MAPS, "demo", NAMES.config_map, {"data": {"zoo.cfg": "skipACL=yes", "more": "x"}})
    await play.rest()
    service = play.api.peek(SERVICES, "demo", NAMES.client_service) or {}
    config = play.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) or {}
    assert service["spec"]["selector"] == NAMES.selector
    assert "skipACL" not in config["data"]["zoo.cfg"]
    assert "more" not in config["data"]


@pytest.mark.parametrize("added", [{"hostNetwork": True}, {"hostPID": True}, {"initContainers": [{"name": "x"}]}])
async def test_what_gives_pods_more_power_is_taken_out_of_the_template(added: Manifest) -> None:
    play = stage(3)
    await play.rest()
    before = play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    play.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": {"spec": added}}})
    await play.rest()
    after = play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert after["spec"] == before["spec"]


async def test_a_container_beside_ours_is_taken_out_of_the_template() -> None:
    play = stage(1)
    await play.rest()
    before = play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    more = [*before["spec"]["template"]["spec"]["containers"], {"name": "x", "image": "x"}]
    play.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, {"spec": {"template": {"spec": {"containers": more}}}})
    await play.rest()
    after = play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) or {}
    assert after["spec"] == before["spec"]


async def test_an_outage_of_the_api_changes_nothing_and_leaves_nothing_to_clean_up() -> None:
    play = stage(3)
    await play.rest()
    play.ask_for(image=BETTER)
    await play.turn()
    hook, play.api.before = play.api.before, unavailable
    restarts = len(play.restarts)
    for _ in range(20):
        await play.turn()
    assert len(play.restarts) == restarts
    play.api.before = hook
    await play.rest()


async def test_an_invalid_edit_is_reported_with_its_path_and_the_ensemble_is_left_alone() -> None:
    play = stage(3)
    await play.rest()
    before = {pod["metadata"]["uid"] for pod in play.api.every(PODS)}
    play.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"replicas": 77, "config": {"skipACL": "yes"}}})
    for _ in range(3):
        await play.turn()
    message = play.condition("Degraded")["message"]
    assert "spec.replicas" in message
    assert "spec.config" in message
    assert {pod["metadata"]["uid"] for pod in play.api.every(PODS)} == before


def _break_spec(play: Stage) -> None:
    limits = {"requests": {"cpu": "2"}, "limits": {"cpu": "1", "memory": "8Mi"}}
    play.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": {"replicas": 77, "resources": limits}})


async def test_while_the_spec_is_invalid_the_status_goes_on_telling_who_leads_and_whether_a_quorum_serves() -> None:
    play = stage(3)
    await play.rest()
    _break_spec(play)
    await play.turn()
    first = (play.cluster() or {})["status"]["leader"]
    assert first == NAMES.pod(play.leader or 0)
    assert play.condition("Available")["status"] == "True"
    play.stuck = frozenset({play.leader or 0})
    play.crash(play.leader or 0)
    await play.turn()
    status = (play.cluster() or {})["status"]
    assert status["leader"] == NAMES.pod(play.leader or 0) != first
    play.stuck = frozenset({1, 2, 3})
    for member in (1, 2, 3):
        play.crash(member)
    for _ in range(10):
        await play.turn()
    status = (play.cluster() or {})["status"]
    assert (status["leader"], status["readyReplicas"], status["replicas"]) == ("", 0, 3)
    assert (play.condition("Available")["status"], play.condition("Available")["reason"]) == ("False", "QuorumLost")
    play.stuck = frozenset()
    for _ in range(10):
        await play.turn()
    assert play.condition("Available")["status"] == "True"


async def test_while_the_spec_is_invalid_all_errors_are_told_and_nothing_but_the_status_is_written() -> None:
    play = stage(3)
    await play.rest()
    _break_spec(play)
    play.api.edit(CONFIG_MAPS, "demo", NAMES.config_map, {"data": {"zoo.cfg": "drift"}})
    before = len(play.api.operations)
    for _ in range(5):
        await play.turn()
    writes = {(op.resource, op.subresource) for op in play.api.operations[before:] if op.is_write}
    assert writes <= {(ZOOKEEPER_CLUSTERS, "status"), (EVENTS, "")}
    for kind, truth in (("Ready", "False"), ("Degraded", "True")):
        condition = play.condition(kind)
        assert (condition["status"], condition["reason"]) == (truth, "InvalidSpec")
        assert "spec.replicas" in condition["message"]
    assert (play.cluster() or {})["status"]["observedGeneration"] == (play.cluster() or {})["metadata"]["generation"]
    play.ask_for(replicas=3, resources=None)
    await play.rest()


async def test_an_invalid_object_that_never_ran_is_told_its_errors() -> None:
    play = stage(77)
    for _ in range(3):
        await play.turn()
    assert "spec.replicas" in play.condition("Ready")["message"]
    assert play.api.every(STATEFUL_SETS) == ()


class WithoutUnlabelled(Peeking):
    """Shows what informers show of claims: those that bear labels."""

    async def fetch(self, resource: Any, namespace: str, name: str) -> Manifest | None:
        found = await super().fetch(resource, namespace, name)
        hidden = resource is PERSISTENT_VOLUME_CLAIMS and found is not None and not found["metadata"].get("labels")
        return None if hidden else found


async def test_a_claim_that_somebody_else_made_is_not_taken_over() -> None:
    play = stage(3)
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}}
    play.api.put(PERSISTENT_VOLUME_CLAIMS, claim | {"metadata": {"name": NAMES.claim(2), "namespace": "demo"}})
    play.store = WithoutUnlabelled(play.api)
    play.start_operator()
    for _ in range(3):
        await play.turn()
    assert play.condition("Degraded")["reason"] == "ForeignObject"
    assert NAMES.claim(2) in play.condition("Degraded")["message"]
    assert play.api.every(STATEFUL_SETS) == ()
    labels = {"metadata": {"labels": NAMES.selector}}
    play.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2), labels)
    await play.rest()
    assert play.founded == 1


async def test_kept_claims_that_lost_their_labels_are_told_instead_of_an_endless_silence() -> None:
    play = stage(3)
    await play.rest()
    play.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    play.api.collect_garbage()
    for claim in play.api.every(PERSISTENT_VOLUME_CLAIMS):
        play.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], {"metadata": {"labels": None}})
    play.api.put(ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **play.raw})
    play.store = WithoutUnlabelled(play.api)
    play.start_operator()
    for _ in range(3):
        await play.turn()
    assert play.condition("Progressing")["reason"] == "Blocked"
    assert NAMES.claim(1) in play.condition("Progressing")["message"]
    assert play.api.every(STATEFUL_SETS) == ()
    for claim in play.api.every(PERSISTENT_VOLUME_CLAIMS):
        labels = {"metadata": {"labels": NAMES.selector}}
        play.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", claim["metadata"]["name"], labels)
    await play.rest()
    assert play.founded == 1


async def test_a_repair_that_somebody_undoes_each_time_is_told_and_no_more_made_at_once() -> None:
    play = stage(3)
    await play.rest()
    hook, repairs = play.api.after, 0

    def undo(operation: Operation) -> None:
        nonlocal repairs
        hook(operation)
        if operation.is_write and operation.resource is STATEFUL_SETS and operation.verb == "patch":
            repairs += 1
            spoil()

    def spoil() -> None:
        added = {"spec": {"template": {"spec": {"hostNetwork": True}}}}
        play.api.edit(STATEFUL_SETS, "demo", NAMES.stateful_set, added)

    play.api.after = undo
    spoil()
    for _ in range(50):
        await play.turn()
    first = repairs
    assert 5 < first <= 10
    assert play.condition("Progressing")["reason"] == "Blocked"
    assert "statefulset main-zk was put right 10 times" in play.condition("Progressing")["message"]
    for _ in range(120):
        await play.turn()
    assert first < repairs <= first + 3
    play.api.after = hook
    await play.rest()


async def test_a_conflict_that_does_not_end_is_reported_and_one_that_does_is_not() -> None:
    play = stage(3)
    await play.rest()
    hook, told = play.api.before, set[str]()

    def always(operation: Operation) -> None:
        if (operation.verb, operation.resource) == ("apply", SERVICES):
            raise ConflictError("somebody is always faster")
        hook(operation)

    play.api.before = always
    play.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"labels": None}})
    for _ in range(5):
        await play.turn()
        told.add(play.condition("Progressing")["reason"])
    assert "Blocked" not in told
    for _ in range(15):
        await play.turn()
    assert play.condition("Progressing")["reason"] == "Blocked"
    assert "somebody is always faster" in play.condition("Progressing")["message"]
    play.api.before = hook
    await play.rest()
    play.api.before = always
    play.api.edit(SERVICES, "demo", NAMES.client_service, {"metadata": {"labels": None}})
    for _ in range(5):
        await play.turn()
    assert play.condition("Progressing")["reason"] != "Blocked", "the count goes on from the last time"
