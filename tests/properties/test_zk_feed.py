"""Whatever happens on the wire, every snapshot of a feed is the subtree as it was at the snapshot's zxid."""

import asyncio
import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes.zk import FakeZk, FakeZkServer, Fault
from tests.support.fakes.zk_tree import Principal
from tests.support.models.zk_transactions import History, fingerprint_of
from zkoperator.zk.port import OPEN_ACL, Acl, Create, Delete, MultiError, Operation, Set
from zkoperator.zk.snapshot import Snapshot, is_at_or_below
from zkoperator.zk.subtree_feed import SubtreeFeed

ROOT = "/apps/shop"
NAMES = ("a", "b", "c")
NOBODY = (Acl(31, "digest", "nobody:"),)
READER = Principal()


def random_operation(rng: random.Random, paths: list[str], unreadable_share: float) -> Operation:
    path = rng.choice(paths)
    child = f"{path}/{rng.choice(NAMES)}" if path.count("/") < 6 else path
    acl = NOBODY if rng.random() < unreadable_share else OPEN_ACL
    return rng.choice((Create(child, rng.randbytes(3), acl), Set(path, rng.randbytes(3), -1), Delete(path, -1)))


class Run:
    """One seeded run: a writer, a feed, and faults between them."""

    def __init__(self, seed: int, *, event_zxids: bool, window: int, unreadable_share: float = 0) -> None:
        self.rng = random.Random(seed)
        self.unreadable_share = unreadable_share
        self.server = FakeZkServer(rng=self.rng, event_zxids=event_zxids)
        self.history = History(ROOT)
        self.readable = History(ROOT, READER)
        self.snapshots: list[Snapshot] = []
        self.server.write(Create("/apps", b""), Create("/elsewhere", b""))
        self.note()
        self.zk: FakeZk = self.server.session()
        self.feed = SubtreeFeed(self.zk, ROOT, on_change=self.look, window=window)

    def note(self) -> None:
        self.history.note(self.server.tree)
        self.readable.note(self.server.tree)

    def look(self) -> None:
        snapshot = self.feed.snapshot()
        if snapshot is not None:
            self.snapshots.append(snapshot)
            if self.rng.random() < 0.5:
                self.feed.forget_values()

    def write(self) -> None:
        """Commit one transaction; the ones that the tree refuses are part of the noise."""
        paths = list(self.server.tree.walk(ROOT))
        count = self.rng.choice((1, 1, 1, 2, 5))
        ops: list[Operation] = [Create(ROOT, b"root")]
        if paths:
            ops = [random_operation(self.rng, paths, self.unreadable_share) for _ in range(count)]
        if paths and self.rng.random() < 0.03:
            ops = [Delete(path, -1) for path in reversed(list(self.server.tree.walk(ROOT)))]
        try:
            self.server.write(*ops)
        except MultiError:
            return
        self.note()

    def disturb(self) -> None:
        choices: tuple[Callable[[], None], ...] = (
            lambda: self.server.disconnect(self.zk),
            lambda: self.server.expire(self.zk),
            lambda: self.server.inject(Fault.DROP_BEFORE),
            lambda: self.server.inject(Fault.DROP_AFTER),
            lambda: self.server.inject(Fault.EXPIRE_AFTER, "get"),
        )
        self.rng.choice(choices)()

    async def turns(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def go(self, steps: int) -> None:
        defects: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
        following = asyncio.create_task(self.feed.run())
        for _ in range(steps):
            chance = self.rng.random()
            if chance < 0.5:
                self.write()
            elif chance < 0.55:
                self.disturb()
            await self.turns(self.rng.randrange(8))
            assert not following.done()
        await self.come_to_rest()
        self.server.disconnect(self.zk)
        await self.come_to_rest()
        following.cancel()
        await asyncio.wait((following,))
        assert not defects

    async def come_to_rest(self) -> None:
        for _ in range(100):
            await self.turns(100)
            snapshot = self.feed.snapshot()
            if snapshot is not None:
                self.snapshots.append(snapshot)
                return
        raise AssertionError("the feed does not come to rest")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), event_zxids=st.booleans(), window=st.sampled_from((1, 2, 256)))
async def test_every_picture_is_the_subtree_at_its_zxid(seed: int, event_zxids: bool, window: int) -> None:
    run = Run(seed, event_zxids=event_zxids, window=window)
    await run.go(steps=120)
    for snapshot in run.snapshots:
        run.history.check(snapshot)
    zxids = [snapshot.zxid for snapshot in run.snapshots]
    assert zxids == sorted(zxids)
    assert fingerprint_of(run.snapshots[-1]) == run.history.states[-1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32), event_zxids=st.booleans(), window=st.sampled_from((2, 256)))
async def test_unreadable_znodes_never_read_as_deleted(seed: int, event_zxids: bool, window: int) -> None:
    run = Run(seed, event_zxids=event_zxids, window=window, unreadable_share=0.1)
    await run.go(steps=80)
    for snapshot in run.snapshots:
        truth = run.history.at(snapshot.zxid)
        for path, node in snapshot.nodes.items():
            assert (node.digest, node.czxid, node.mzxid) == truth[path][:3], path
            assert not any(is_at_or_below(path, top) for top in snapshot.unreadable)
        for path in run.readable.at(snapshot.zxid).keys() - snapshot.nodes.keys():
            assert not snapshot.is_known_absent(path), path
    last, truth = run.snapshots[-1], run.history.states[-1]
    assert not [path for path in truth if last.is_known_absent(path)]
    assert last.unreadable <= truth.keys()
