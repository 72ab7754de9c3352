"""Who is believed: members at their own addresses, our own Secret, and nobody else."""

import base64
from dataclasses import replace
from unittest.mock import ANY

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_edges import cluster_made_again, made_again, seen
from tests.support.models.ensemble_seeds import anybodys_secret
from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, claim_with, rewritten
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.build.secret import digest
from zkoperator.ensemble.model.configuration import parse_configuration
from zkoperator.ensemble.observe import answers, observer
from zkoperator.ensemble.observe.answers import Mode, Serving, Silent
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_MAPS, PODS, SECRETS, STATEFUL_SETS, ZOOKEEPER_CLUSTERS, Manifest


def superuser(password: str = "p4ss") -> Manifest:
    """A Secret as it would have to be, made by nobody of us."""
    texts = {"username": "super", "password": password, "digest": digest(password)}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAMES.secret, "namespace": "demo"}, "data": data}


async def test_a_server_that_is_not_the_member_asked_is_not_listened_to() -> None:
    world = ensemble_world(3)
    await world.rest()
    world.api.edit(PODS, "demo", NAMES.pod(1), {"status": {"podIP": "10.0.0.3"}}, subresource="status")
    observed = (await seen(world)).observed
    assert observed.answer(1) == Silent("another server answers at its address")
    assert observed.serving(2) is not None


async def test_a_member_of_another_ensemble_is_not_listened_to() -> None:
    world = ensemble_world(3)
    await world.rest()
    assert world.committed is not None
    others = tuple(
        replace(server, address=server.address.replace("main", "other")) for server in world.committed.servers
    )
    world.committed = replace(world.committed, servers=others)
    observed = (await seen(world)).observed
    assert {observed.answer(member) for member in (1, 2, 3)} == {Silent("another ensemble answers at its address")}


@pytest.mark.parametrize(("address", "foreign"), [("fd00::1", False), ("fd00::2", True), ("10.0.0.1", True)])
def test_a_member_that_is_known_by_an_address_of_ipv6_is_told_from_others(address: str, foreign: bool) -> None:
    """ZooKeeper writes brackets around such an address, Kubernetes does not."""
    text = "server.1=[fd00::1]:2888:3888:participant;0.0.0.0:2181\nversion=100"
    answer = Serving(mode=Mode.LEADER, zxid=1, version="3.9.5", configuration=parse_configuration(text))
    assert observer._is_foreign(NAMES, PodView("main-zk-0", "u", 1, "set", ip=address), answer) is foreign


async def test_a_secret_of_somebody_else_is_never_adopted_however_well_it_is_formed() -> None:
    world = ensemble_world(3)
    before = world.api.put(SECRETS, superuser())
    for _ in range(5):
        await world.turn()
    degraded = world.condition("Degraded")
    assert (degraded["reason"], NAMES.secret in degraded["message"]) == ("ForeignObject", True)
    assert world.api.peek(SECRETS, "demo", NAMES.secret) == before
    assert world.api.peek(STATEFUL_SETS, "demo", NAMES.stateful_set) is None
    world.api.remove(SECRETS, "demo", NAMES.secret)
    await world.rest()


async def _made_again_beside_its_secret(world: EnsembleWorld) -> None:
    """The cluster is deleted and made again at once; the garbage collector has come to everything but the Secret."""
    secret = world.api.peek(SECRETS, "demo", NAMES.secret)
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    assert secret is not None
    world.api.put(SECRETS, secret)
    world.api.put(
        ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **world.raw}
    )


async def test_the_secret_of_a_deleted_cluster_is_waited_out_by_the_next_one_of_its_name() -> None:
    world = ensemble_world(1)
    await world.rest()
    await _made_again_beside_its_secret(world)
    first = world.api.peek(SECRETS, "demo", NAMES.secret) or {}
    for _ in range(3):
        await world.operator.reconcile(KEY)
    assert NAMES.secret in world.condition("Progressing")["message"]
    assert world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map) is None
    await world.rest()
    assert (world.api.peek(SECRETS, "demo", NAMES.secret) or {})["data"] != first["data"]


async def test_what_is_believed_of_a_secret_ends_with_its_cluster() -> None:
    world = ensemble_world(1)
    await world.rest()
    assert (await seen(world)).observed.secret_id is not None
    cluster_made_again(world)
    assert (await seen(world)).observed.secret_id is None


async def test_the_data_of_a_secret_is_not_kept_with_what_was_seen() -> None:
    world = ensemble_world(1)
    await world.rest()
    world.clock.seconds += 120
    secret = made_again(world, SECRETS, NAMES.secret, annotations={"last-applied": "p4ss"})
    observed = (await seen(world)).observed
    assert observed.secret is not None
    assert not [text for text in (*secret["data"].values(), "p4ss") if text in str(observed)]


async def test_a_secret_that_may_not_be_read_is_reported_and_everything_else_is_still_watched() -> None:
    world = ensemble_world(3)
    await world.rest()
    hook, leader = world.api.before, (world.cluster() or {})["status"]["leader"]

    def forbid(operation: Operation) -> None:
        if operation.resource is SECRETS:
            raise ForbiddenError("get secrets main-zk-admin: forbidden")
        hook(operation)

    world.api.before = forbid
    world.clock.seconds += 120
    world.stuck = frozenset({world.leader or 0})
    world.crash(world.leader or 0)
    before = {pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    for _ in range(3):
        await world.turn()
    for kind in ("Degraded", "Ready", "Progressing"):
        condition = world.condition(kind)
        assert condition["reason"] == "Forbidden"
        assert "secrets main-zk-admin" in condition["message"]
    assert (world.cluster() or {})["status"]["leader"] not in ("", leader)
    assert {pod["metadata"]["uid"] for pod in world.api.every(PODS)} == before
    world.api.before, world.stuck = hook, frozenset()
    await world.rest()


@pytest.mark.parametrize("paused", [False, True])
async def test_a_cluster_that_never_had_a_secret_says_that_it_may_not_read_it(paused: bool) -> None:
    world = ensemble_world(3, paused=paused)

    def forbid(operation: Operation) -> None:
        if operation.resource is SECRETS:
            raise ForbiddenError("get secrets main-zk-admin: forbidden")

    world.api.before = forbid
    for _ in range(4):
        await world.turn()
    assert world.condition("Degraded")["reason"] == "Forbidden"


def _known_secret_without_uid(patch: pytest.MonkeyPatch) -> None:
    known = observer.KnownSecret
    patch.setattr(observer, "KnownSecret", lambda _, *rest: known(ANY, *rest))


def _any_server(patch: pytest.MonkeyPatch) -> None:
    read = answers.read_answer

    def whoever(_: int, srvr: str, mntr: str, conf: str, stat: str) -> answers.Answer:
        found = answers._ID.search(conf)
        return read(int(found["id"]) if found is not None else 0, srvr, mntr, conf, stat)

    patch.setattr(observer, "read_answer", whoever)


SEEDS = (
    Seed(
        "nothing is done without the Secret's permission",
        rewritten(reconcile, "_plan", "if observed.refused:", "if not observed:"),
        (claim_with(test_a_cluster_that_never_had_a_secret_says_that_it_may_not_read_it, True),),
    ),
    Seed(
        "whose the Secret is",
        anybodys_secret,
        (
            test_a_secret_of_somebody_else_is_never_adopted_however_well_it_is_formed,
            test_the_secret_of_a_deleted_cluster_is_waited_out_by_the_next_one_of_its_name,
        ),
    ),
    Seed(
        "a belief ends with its cluster",
        _known_secret_without_uid,
        (test_what_is_believed_of_a_secret_ends_with_its_cluster,),
    ),
    Seed(
        "the server's id",
        _any_server,
        (test_a_server_that_is_not_the_member_asked_is_not_listened_to,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
