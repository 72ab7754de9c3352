"""Tree feeds on real servers: every snapshot equals a state that a writer committed, whatever happens in between."""

import asyncio
import itertools
import random
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from testbed.zookeepers import Ensemble
from tests.support.faults.proxies.zk import ZkProxy
from tests.support.machines.testbed import EnsembleFactory
from tests.support.waiting import eventually
from zkoperator.errors import TransientError
from zkoperator.runtime.backoff import Backoff
from zkoperator.zk import port
from zkoperator.zk.port import Create, Credential, Delete, Operation, Set, Zk
from zkoperator.zk.session import SessionSettings, connect
from zkoperator.zk.snapshot import Snapshot
from zkoperator.zk.subtree_feed import SubtreeFeed

_roots = itertools.count(1)
SETTINGS = SessionSettings(session_timeout_s=20, request_timeout_s=30, backoff=Backoff(0.02, 0.2))
State = dict[str, bytes]


@dataclass
class Writer:
    """The only writer of a subtree, so that it knows the state at every zxid."""

    zk: Zk
    root: str
    rng: random.Random
    zxids: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    present: State = field(default_factory=dict)

    async def commit(self, *ops: Operation) -> int:
        """Commit all at once, note the state; a lost reply is resolved by reading back."""
        marker = Set(self.root, f"{len(self.zxids)}".encode(), -1)
        zxid = 0
        while not zxid:
            try:
                zxid = (await self.zk.multi([*ops, marker])).zxid
            except TransientError:
                node = await self._read_back()
                zxid = node.stat.mzxid if node.data == marker.data else 0
        self._note(zxid, (*ops, marker))
        return zxid

    async def _read_back(self) -> port.Node:
        while True:
            try:
                await self.zk.sync(self.root)
                return await self.zk.get(self.root)
            except TransientError:
                await asyncio.sleep(0.05)

    def _note(self, zxid: int, ops: tuple[Operation, ...]) -> None:
        for op in ops:
            relative = op.path[len(self.root) + 1 :]
            if isinstance(op, Create | Set):
                self.present[relative] = op.data
            elif isinstance(op, Delete):
                del self.present[relative]
        self.zxids.append(zxid)
        self.states.append(dict(self.present))

    def random_batch(self) -> list[Operation]:
        """Return one to five operations that the present state allows."""
        state = dict(self.present)
        ops: list[Operation] = []
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            relative = self.rng.choice([path for path in state if path.count("/") < 3])
            child = f"{relative}/{self.rng.choice('abc')}".lstrip("/")
            data = self.rng.randbytes(5)
            if child not in state:
                ops.append(Create(f"{self.root}/{child}", data))
            elif self.rng.random() < 0.6 or any(path.startswith(f"{child}/") for path in state):
                ops.append(Set(f"{self.root}/{child}", data, -1))
            else:
                ops.append(Delete(f"{self.root}/{child}", -1))
                del state[child]
                continue
            state[child] = data
        return ops

    def check(self, snapshot: Snapshot) -> None:
        """Fail unless the snapshot is exactly what stood at its zxid."""
        index = bisect_right(self.zxids, snapshot.zxid) - 1
        assert index >= 0
        assert {path: node.data for path, node in snapshot.nodes.items()} == self.states[index]


@asynccontextmanager
async def following(zk: Zk, root: str) -> AsyncIterator[tuple[SubtreeFeed, list[Snapshot]]]:
    snapshots: list[Snapshot] = []

    def look() -> None:
        snapshot = feed.snapshot()
        if snapshot is not None:
            snapshots.append(snapshot)

    feed = SubtreeFeed(zk, root, on_change=look)
    task = asyncio.create_task(feed.run())
    try:
        yield feed, snapshots
    finally:
        task.cancel()
        await asyncio.wait((task,))


@asynccontextmanager
async def writing(hosts: str, seed: int = 0, credential: Credential | None = None) -> AsyncIterator[Writer]:
    zk = connect(hosts.split(","), settings=SETTINGS, credential=credential)
    root = f"/feed-{next(_roots)}"
    stat = await zk.create(Create(root, b"start"))
    writer = Writer(zk, root, random.Random(seed), [stat.czxid], [{"": b"start"}], {"": b"start"})
    yield writer
    await zk.close()


async def caught_up(feed: SubtreeFeed, zxid: int) -> Snapshot:
    def current() -> Snapshot | None:
        snapshot = feed.snapshot()
        return snapshot if snapshot is not None and snapshot.zxid >= zxid else None

    return await eventually(current, every_s=0.01)


def judge(writer: Writer, snapshots: list[Snapshot]) -> None:
    for snapshot in snapshots:
        writer.check(snapshot)
    zxids = [snapshot.zxid for snapshot in snapshots]
    assert zxids == sorted(zxids)


@pytest.mark.parametrize("seed", range(3))
async def test_every_picture_is_a_committed_state_over_cuts_and_expiries(zookeeper: Ensemble, seed: int) -> None:
    async with ZkProxy(zookeeper.hosts) as proxy, writing(zookeeper.hosts, seed) as writer:
        zk = connect([proxy.hosts], settings=SETTINGS)
        async with following(zk, writer.root) as (feed, snapshots):
            zxid = 0
            for _ in range(300):
                zxid = await writer.commit(*writer.random_batch())
                chance = writer.rng.random()
                if chance < 0.05:
                    proxy.cut()
                elif chance < 0.08 and zk.session_id in proxy.sessions:
                    await proxy.down()
                    await proxy.kill_session(zk.session_id)
                    await proxy.up()
                elif chance < 0.3:
                    await caught_up(feed, zxid)
            last = await caught_up(feed, zxid)
        await zk.close()
    judge(writer, [*snapshots, last])
    assert len({snapshot.zxid for snapshot in snapshots}) > 50
    assert {path: node.data for path, node in last.nodes.items()} == writer.present


async def test_every_picture_is_a_committed_state_while_servers_die_and_return(
    ensembles: EnsembleFactory,
) -> None:
    ensemble = ensembles(3)
    async with writing(ensemble.hosts) as writer:
        zk = connect(ensemble.hosts.split(","), settings=SETTINGS)
        async with following(zk, writer.root) as (feed, snapshots):
            zxid = 0
            for round_ in range(4):
                for _ in range(40):
                    zxid = await writer.commit(*writer.random_batch())
                await caught_up(feed, zxid)
                victim = await asyncio.to_thread(ensemble.leader) if round_ % 2 else ensemble.servers[round_ % 3]
                victim.kill()
                zxid = await writer.commit(*writer.random_batch())
                await caught_up(feed, zxid)
                await asyncio.to_thread(victim.start)
        await zk.close()
    judge(writer, snapshots)
    assert snapshots[-1].zxid >= zxid


async def test_a_multi_of_fifty_is_never_seen_in_part(zookeeper: Ensemble) -> None:
    async with writing(zookeeper.hosts) as writer:
        zk = connect([zookeeper.hosts], settings=SETTINGS)
        paths = [f"{writer.root}/{number}" for number in range(50)]
        async with following(zk, writer.root) as (feed, snapshots):
            await caught_up(feed, 0)
            zxid = 0
            for turn in range(30):
                await writer.commit(*(Create(path, b"new") for path in paths))
                await writer.commit(*(Set(path, f"{turn}".encode(), -1) for path in paths))
                zxid = await writer.commit(*(Delete(path, -1) for path in paths))
                if turn % 5 == 0:
                    await caught_up(feed, zxid)
            await caught_up(feed, zxid)
        await zk.close()
    judge(writer, snapshots)
    assert {len(snapshot.nodes) for snapshot in snapshots} <= {1, 51}
    assert len(snapshots) > 10


async def test_a_root_that_goes_and_comes_back_shows_by_its_czxid(zookeeper: Ensemble) -> None:
    zk = connect([zookeeper.hosts], settings=SETTINGS)
    root = f"/feed-{next(_roots)}"
    async with following(zk, root) as (feed, _):
        missing = await caught_up(feed, 0)
        assert (missing.root_exists, dict(missing.nodes)) == (False, {})
        first = await zk.multi([Create(root, b"1"), Create(f"{root}/a", b"a")])
        snapshot = await caught_up(feed, first.zxid)
        assert (set(snapshot.nodes), snapshot.root_czxid) == ({"", "a"}, first.zxid)
        gone = await zk.multi([Delete(f"{root}/a", -1), Delete(root, -1)])
        assert not (await caught_up(feed, gone.zxid)).root_exists
        again = await zk.multi([Create(root, b"1"), Create(f"{root}/b", b"b")])
        snapshot = await caught_up(feed, again.zxid)
        assert (set(snapshot.nodes), snapshot.root_czxid) == ({"", "b"}, again.zxid)
        at_once = await zk.multi([Delete(f"{root}/b", -1), Delete(root, -1), Create(root, b"2")])
        snapshot = await caught_up(feed, at_once.zxid)
        assert (set(snapshot.nodes), snapshot.root_czxid) == ({""}, at_once.zxid)
    await zk.close()


async def test_unreadable_znodes_are_unknown_and_their_changes_silent(zookeeper: Ensemble) -> None:
    alice = Credential("alice", "wonder")
    zk = connect([zookeeper.hosts], settings=SETTINGS)
    owner = connect([zookeeper.hosts], settings=SETTINGS, credential=alice)
    root = f"/feed-{next(_roots)}"
    await owner.multi([Create(root, b""), Create(f"{root}/s", b"", port.CREATOR_ACL), Create(f"{root}/s/t", b"")])
    async with following(zk, root) as (feed, _):
        snapshot = await caught_up(feed, 0)
        assert (set(snapshot.nodes), snapshot.unreadable) == ({""}, frozenset({"s"}))
        assert not snapshot.is_known_absent("s/t")
        await owner.multi([Set(f"{root}/s", b"x", -1), Set(f"{root}/s/t", b"x", -1)])
        loud = await owner.multi([Create(f"{root}/open", b"")])
        snapshot = await caught_up(feed, loud.zxid)
        assert (set(snapshot.nodes), snapshot.unreadable) == ({"", "open"}, frozenset({"s"}))
    await zk.close()
    await owner.close()


async def test_hundreds_of_feeds_share_one_session_and_each_sees_its_own_changes(zookeeper: Ensemble) -> None:
    zk = connect([zookeeper.hosts], settings=SETTINGS)
    top = f"/feed-{next(_roots)}"
    await zk.create(Create(top, b""))
    await asyncio.gather(*(zk.create(Create(f"{top}/{number}", b"")) for number in range(300)))
    told = [0] * 300

    def teller(number: int) -> SubtreeFeed:
        def count() -> None:
            told[number] += 1

        return SubtreeFeed(zk, f"{top}/{number}", on_change=count)

    feeds = [teller(number) for number in range(300)]
    tasks = [asyncio.create_task(feed.run()) for feed in feeds]
    await eventually(lambda: all(told))
    before = list(told)
    for number in (7, 70, 270):
        zxid = (await zk.create(Create(f"{top}/{number}/x", b"mine"))).czxid
        snapshot = await caught_up(feeds[number], zxid)
        assert snapshot.nodes["x"].data == b"mine"
    changed = [number for number in range(300) if told[number] != before[number]]
    assert changed == [7, 70, 270]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await zk.close()
