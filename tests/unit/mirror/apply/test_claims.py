"""Who pushes where: claims are given back, never stolen, and every push checks its own."""

import asyncio
import dataclasses
import json
import random
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from tests.support.fakes.zk import FakeZkConnector, FakeZkServer
from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, SUPER, World
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.apply.claims import take_ledger
from zkoperator.mirror.model.names import CLAIMS
from zkoperator.mirror.observe.claims import Claimant, Standing, rival_of
from zkoperator.zk.port import OPEN_ACL, ClientTls, Create, Credential, Set, Zk, ZkConnector


def _authority(world: World, text: str) -> None:
    meta = {"name": "kube-root-ca.crt", "namespace": NAMESPACE}
    world.kube.put(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": text}})


def _claims(world: World) -> list[str]:
    return [path.removeprefix(CLAIMS) or "/" for path in world.zk.tree.walk(CLAIMS) if world.znode(path)]


def _uid(world: World, name: str = "shop") -> str:
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, name)
    assert found is not None
    return str(found["metadata"]["uid"])


def _ledgers(world: World) -> tuple[str, ...]:
    return world.zk.tree.children("/zkoperator/configsyncs", SUPER).names


ELSEWHERE = {"clusterRef": None, "hosts": "other:2181"}


class TwoEnsembles(World):
    """The hosts named `other` lead to an ensemble of their own, which has the subtree as well."""

    def __init__(self) -> None:
        super().__init__(dataclasses.replace(FAST, allowed_hosts=("other", "main")))
        self.other = FakeZkServer(request_timeout_s=1.0)
        self.other.write(Create("/apps", b""), Create(ROOT, b""), Create(f"{ROOT}/a", b"elsewhere"))

    async def open(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        server = self.other if hosts[0].startswith("other") else self.zk
        return await FakeZkConnector(server).open(hosts, credential)

    def connector(self) -> ZkConnector:
        return self


@pytest.fixture
async def two() -> AsyncIterator[TwoEnsembles]:
    world = TwoEnsembles()
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
async def abroad(world: World) -> AsyncIterator[World]:
    """Another Kubernetes cluster on the ensemble of the first."""
    _authority(world, "here")
    other = World(FAST)
    other.zk = world.zk
    _authority(other, "there")
    # Uids are unique in the world, and the fake's only in a cluster.
    other.kube._uids = 500
    await other.start()
    yield other
    await other.stop()


async def test_one_that_pushes_no_more_gives_its_claim_back(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.sync("second")
    await world.until_reason("SourceClaimed", "second")
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    world.spec(direction="ZooKeeperToConfigMap")
    await world.until_in_sync("second")
    await world.until_in_sync()
    await world.until(lambda: _ledgers(world) == (_uid(world, "second"),))
    world.edit("second", a="3")
    await world.until(lambda: world.data() == {"a": b"3"})


async def test_one_that_moves_elsewhere_gives_its_claim_back(two: TwoEnsembles) -> None:
    two.tree(a="1")
    two.sync()
    await two.until_in_sync()
    two.spec(zookeeper=ELSEWHERE)
    await two.until(lambda: ROOT not in _claims(two))


async def test_a_claim_that_was_left_behind_by_a_move_is_taken_over(two: TwoEnsembles) -> None:
    two.tree(a="1")
    two.sync()
    await two.until_in_sync()
    await two.stop()
    two.spec(zookeeper=ELSEWHERE)
    two.sync("second", configMap={"name": "second"})
    await two.start()
    await two.until_in_sync("second")
    two.edit("second", a="2")
    await two.until(lambda: two.at("a") == b"2")
    assert two.other.tree.get(f"{ROOT}/a", SUPER).data == b"elsewhere"


async def test_a_claim_without_a_word_of_its_ensemble_stays_its_owners(two: TwoEnsembles) -> None:
    """Versions before this one wrote such claims, and a claim that still holds is written anew."""
    two.tree(a="1")
    two.sync()
    await two.until_in_sync()
    await two.stop()
    claim = json.loads(two.znode(CLAIMS + ROOT) or b"")
    old = {name: value for name, value in claim.items() if name != "ensemble"}
    two.write(Set(CLAIMS + ROOT, json.dumps(old).encode(), -1))
    two.sync("second")
    await two.start()
    await two.until_reason("SourceClaimed", "second")
    await two.until(lambda: json.loads(two.znode(CLAIMS + ROOT) or b"") == claim)
    await two.until_in_sync()


async def test_the_order_of_the_hosts_moves_no_claim(two: TwoEnsembles) -> None:
    two.tree(a="1")
    two.sync(zookeeper={"hosts": "main:2181,main:2182"})
    await two.until_in_sync()
    version = two.zk.tree.get(CLAIMS + ROOT, SUPER).stat.version
    two.spec(zookeeper={"hosts": "main:2182,main:2181"})
    two.sync("second")
    await two.until_reason("SourceClaimed", "second")
    two.edit(a="2")
    await two.until(lambda: two.at("a") == b"2")
    assert two.zk.tree.get(CLAIMS + ROOT, SUPER).stat.version == version


@pytest.mark.parametrize("path", ["/apps", ROOT, f"{ROOT}/db"])
async def test_another_cluster_never_takes_a_claim(world: World, abroad: World, path: str) -> None:
    world.tree(a="1", db__x="1")
    world.sync()
    await world.until_in_sync()
    abroad.sync("theirs", path=path)
    await abroad.until_reason("SourceClaimed", "theirs")
    assert "demo/shop of another Kubernetes cluster" in abroad.message("theirs")
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await abroad.until_in_sync("theirs")


async def test_a_push_without_its_claim_fails_and_the_rival_is_told(world: World, abroad: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    rival = b'{"namespace": "demo", "name": "theirs", "uid": "7", "cluster": "elsewhere"}'
    world.write(Set(CLAIMS + ROOT, rival, -1))
    world.edit(a="2")
    await world.until_reason("SourceClaimed")
    assert "demo/theirs" in world.message()
    assert world.at("a") == b"1"
    world.write(Set(CLAIMS + ROOT, b"", -1))
    await world.until(lambda: world.at("a") == b"2")
    await world.until_in_sync()


async def test_the_ledger_of_a_dead_one_goes_with_its_claim(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    world.sync("second", path="/apps")
    await world.start()
    await world.until_in_sync("second")
    assert _ledgers(world) == (_uid(world, "second"),)
    assert _claims(world) == ["/apps"]


async def test_a_damaged_ledger_is_written_over_once_that_is_approved(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.write(Set(f"/zkoperator/configsyncs/{_uid(world)}", b"no ledger", -1))
    await world.start()
    await world.until_reason("SourceRegressed")
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until_in_sync()
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    await world.until_in_sync()


async def _everybody_lives(_claimant: Claimant, _root: str) -> Standing:
    return Standing.PUSHES


async def _take(zk: Zk, root: str, name: str) -> bool:
    claimant = Claimant("demo", name, name)
    try:
        return not isinstance(await take_ledger(zk, root, claimant, _everybody_lives, OPEN_ACL, None), Claimant)
    except ZkOperatorError:
        return False


@pytest.mark.parametrize("roots", [("/a/b", "/a"), ("/a", "/a/b/c"), ("/", "/a"), ("/a", "/a")])
@pytest.mark.parametrize("seed", range(40))
async def test_of_two_overlapping_claims_at_the_same_time_one_succeeds_at_most(
    roots: tuple[str, str], seed: int
) -> None:
    server = FakeZkServer(rng=random.Random(seed))
    sessions = [server.session(), server.session()]
    taken = await asyncio.gather(*map(_take, sessions, roots, ("one", "two")))
    assert sum(taken) <= 1
    again = [await _take(zk, root, name) for zk, root, name in zip(sessions, roots, ("one", "two"), strict=True)]
    assert sum(again) == 1


async def test_siblings_claim_at_the_same_time_without_a_conflict() -> None:
    server = FakeZkServer()
    zk = server.session()
    assert await _take(zk, "/a/first", "first")
    names = [f"n{number}" for number in range(30)]
    taken = await asyncio.gather(*(_take(server.session(), f"/a/{name}", name) for name in names))
    assert all(taken)


async def test_looking_for_a_rival_claims_nothing() -> None:
    server = FakeZkServer()
    zk = server.session()
    assert await _take(zk, "/a/b", "one")
    before = server.zxid
    found = await rival_of(zk, "/a", Claimant("demo", "two", "two"), _everybody_lives)
    assert (found, server.zxid) == (Claimant("demo", "one", "one"), before)


async def test_both_clusters_push_to_subtrees_of_their_own(world: World, abroad: World) -> None:
    world.tree(a="1")
    world.write(Create("/apps/theirs", b""), Create("/apps/theirs/z", b"1"))
    world.sync()
    abroad.sync("theirs", path="/apps/theirs")
    await world.until_in_sync()
    await abroad.until_in_sync("theirs")
    for side, name in ((world, "shop"), (abroad, "theirs")):
        side.edit(name, new="1")
    for path in (f"{ROOT}/new", "/apps/theirs/new"):
        await world.until(partial(lambda wanted: world.znode(wanted) == b"1", path))


async def test_nothing_is_stolen_while_both_restart(world: World, abroad: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    abroad.sync("theirs")
    await abroad.until_reason("SourceClaimed", "theirs")
    for _ in range(3):
        await asyncio.gather(world.restart(), abroad.restart())
    await abroad.until_reason("SourceClaimed", "theirs")
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
