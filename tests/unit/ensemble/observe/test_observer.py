"""Who is believed: members at their own addresses, our own Secret, and nobody else."""

import base64
from dataclasses import replace

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_edges import cluster_made_again, made_again, seen
from tests.support.models.ensemble_simulation import NAMES
from tests.support.worlds.ensemble import KEY, Stage, stage
from zkoperator.ensemble.build.secret import digest
from zkoperator.ensemble.observe.answers import Silent
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_MAPS, PODS, SECRETS, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, Manifest


def superuser(password: str = "p4ss") -> Manifest:
    """A Secret as it would have to be, made by nobody of us."""
    texts = {"username": "super", "password": password, "digest": digest(password)}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAMES.secret, "namespace": "demo"}, "data": data}


async def test_a_server_that_is_not_the_member_asked_is_not_listened_to() -> None:
    play = stage(3)
    await play.rest()
    play.api.edit(PODS, "demo", NAMES.pod(1), {"status": {"podIP": "10.0.0.3"}}, subresource="status")
    observed = (await seen(play)).observed
    assert observed.answer(1) == Silent("another server answers at its address")
    assert observed.serving(2) is not None


async def test_a_member_of_another_ensemble_is_not_listened_to() -> None:
    play = stage(3)
    await play.rest()
    assert play.committed is not None
    others = tuple(
        replace(server, address=server.address.replace("main", "other")) for server in play.committed.servers
    )
    play.committed = replace(play.committed, servers=others)
    observed = (await seen(play)).observed
    assert {observed.answer(member) for member in (1, 2, 3)} == {Silent("another ensemble answers at its address")}


async def test_a_secret_of_somebody_else_is_never_adopted_however_well_it_is_formed() -> None:
    play = stage(3)
    before = play.api.put(SECRETS, superuser())
    for _ in range(5):
        await play.turn()
    degraded = play.condition("Degraded")
    assert (degraded["reason"], NAMES.secret in degraded["message"]) == ("ForeignObject", True)
    assert play.api.peek(SECRETS, "demo", NAMES.secret) == before
    assert play.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) is None
    play.api.remove(SECRETS, "demo", NAMES.secret)
    await play.rest()


async def _made_again_beside_its_secret(play: Stage) -> None:
    """The cluster is deleted and made again at once; the garbage collector has come to everything but the Secret."""
    secret = play.api.peek(SECRETS, "demo", NAMES.secret)
    play.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    play.api.collect_garbage()
    assert secret is not None
    play.api.put(SECRETS, secret)
    play.api.put(ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **play.raw})


async def test_the_secret_of_a_deleted_cluster_is_waited_out_by_the_next_one_of_its_name() -> None:
    play = stage(1)
    await play.rest()
    await _made_again_beside_its_secret(play)
    first = play.api.peek(SECRETS, "demo", NAMES.secret) or {}
    for _ in range(3):
        await play.operator.reconcile(KEY)
    assert NAMES.secret in play.condition("Progressing")["message"]
    assert play.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) is None
    await play.rest()
    assert (play.api.peek(SECRETS, "demo", NAMES.secret) or {})["data"] != first["data"]


async def test_what_is_believed_of_a_secret_ends_with_its_cluster() -> None:
    play = stage(1)
    await play.rest()
    assert (await seen(play)).observed.secret_id is not None
    cluster_made_again(play)
    assert (await seen(play)).observed.secret_id is None


async def test_the_data_of_a_secret_is_not_kept_with_what_was_seen() -> None:
    play = stage(1)
    await play.rest()
    play.clock.seconds += 120
    secret = made_again(play, SECRETS, NAMES.secret, annotations={"last-applied": "p4ss"})
    observed = (await seen(play)).observed
    assert observed.secret is not None
    assert not [text for text in (*secret["data"].values(), "p4ss") if text in str(observed)]


async def test_a_secret_that_may_not_be_read_is_reported_and_everything_else_is_still_watched() -> None:
    play = stage(3)
    await play.rest()
    hook, leader = play.api.before, (play.cluster() or {})["status"]["leader"]

    def forbid(operation: Operation) -> None:
        if operation.resource is SECRETS:
            raise ForbiddenError("get secrets main-zk-admin: forbidden")
        hook(operation)

    play.api.before = forbid
    play.clock.seconds += 120
    play.stuck = frozenset({play.leader or 0})
    play.crash(play.leader or 0)
    before = {pod["metadata"]["uid"] for pod in play.api.every(PODS)}
    for _ in range(3):
        await play.turn()
    for kind in ("Degraded", "Ready", "Progressing"):
        condition = play.condition(kind)
        assert condition["reason"] == "Forbidden"
        assert "secrets main-zk-admin" in condition["message"]
    assert (play.cluster() or {})["status"]["leader"] not in ("", leader)
    assert {pod["metadata"]["uid"] for pod in play.api.every(PODS)} == before
    play.api.before, play.stuck = hook, frozenset()
    await play.rest()


@pytest.mark.parametrize("paused", [False, True])
async def test_a_cluster_that_never_had_a_secret_says_that_it_may_not_read_it(paused: bool) -> None:
    play = stage(3, paused=paused)

    def forbid(operation: Operation) -> None:
        if operation.resource is SECRETS:
            raise ForbiddenError("get secrets main-zk-admin: forbidden")

    play.api.before = forbid
    for _ in range(4):
        await play.turn()
    assert play.condition("Degraded")["reason"] == "Forbidden"
