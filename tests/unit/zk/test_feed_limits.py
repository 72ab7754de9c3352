"""Feeds that share an ensemble: whole reads take turns, also after a cut; what is too much ends one feed alone."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.fakes.zk import FakeZk, FakeZkServer
from tests.support.waiting import eventually
from zkoperator.errors import FieldError, TooLargeError, TransientError
from zkoperator.runtime.backoff import Backoff
from zkoperator.zk import read_permits as turns
from zkoperator.zk.port import Acl, Children, Create, Delete, Node, Set
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot_builder import SubtreeLimits
from zkoperator.zk.subtree_feed import SubtreeFeed
from zkoperator.zk.verification import verify, verify_at

ROOTS = [f"/t{number}" for number in range(12)]
NOBODY = (Acl(31, "digest", "nobody:x"),)


@pytest.fixture
def server() -> FakeZkServer:
    server = FakeZkServer()
    for root in ROOTS:
        server.write(Create(root, b""), Create(f"{root}/a", b"1"))
    return server


@pytest.fixture
async def follow(server: FakeZkServer) -> AsyncIterator[Callable[..., SubtreeFeed]]:
    tasks: list[asyncio.Task[None]] = []

    def begin(zk: FakeZk, root: str, **options: object) -> SubtreeFeed:
        feed = SubtreeFeed(zk, root, on_change=lambda: None, **options)  # type: ignore[arg-type]
        tasks.append(asyncio.create_task(feed.run()))
        return feed

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Reading:
    """How many subtrees were being read at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.most = 0
        take, end = ReadPermits.take, turns.ReadPermit.end

        async def taken(asked: ReadPermits) -> turns.ReadPermit:
            turn = await take(asked)
            self.now += 1
            self.most = max(self.most, self.now)
            return turn

        def ended(turn: turns.ReadPermit) -> None:
            self.now -= turn._slots is not None
            end(turn)

        monkeypatch.setattr(ReadPermits, "take", taken)
        monkeypatch.setattr(turns.ReadPermit, "end", ended)


async def test_whole_reads_take_turns_at_the_start_and_after_a_cut(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, zk, shared = Reading(monkeypatch), server.session(), ReadPermits(3)
    feeds = [follow(zk, root, permits=shared) for root in ROOTS]
    await eventually(lambda: all(feed.snapshot() for feed in feeds), every_s=0)
    assert (reading.most, reading.now) == (3, 0)
    reading.most = 0
    server.hold(zk)
    zk.drop()
    server.release(zk)
    await eventually(lambda: all(feed.snapshot() for feed in feeds), every_s=0)
    assert (reading.most, reading.now) == (3, 0)


async def test_an_ensemble_that_is_away_takes_nobodys_turn(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed]
) -> None:
    away, shared = FakeZkServer(), ReadPermits(1)
    away.down()
    for root in ROOTS[:5]:
        follow(away.session(), root, permits=shared)
    await asyncio.sleep(0)
    feed = follow(server.session(), "/t9", permits=shared)
    await eventually(feed.snapshot, within_s=2, every_s=0)


async def test_a_reading_that_hangs_gives_its_turn_up(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST_PERMIT_S", 0.05)
    hung, shared = server.session(), ReadPermits(1)
    await eventually(lambda: hung.session_id)
    server.hold(hung)
    follow(hung, "/t0", permits=shared)
    await asyncio.sleep(0)
    feed = follow(server.session(), "/t1", permits=shared)
    await eventually(feed.snapshot, within_s=5, every_s=0)


async def test_a_walk_whose_reads_are_late_goes_on_with_fewer_at_once(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All requests of a connection share a queue: with so many in it, the last ones miss their deadline."""
    server.write(*(Create(f"/t0/k{number:03}", b"") for number in range(300)))
    waiting, original = [0], FakeZk.start_get

    def start_get(self: FakeZk, path: str) -> asyncio.Future[Node]:
        waiting[0] += 1
        future = original(self, path)
        if waiting[0] > 40:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(TransientError(f"{path}: no reply within the deadline"))
        future.add_done_callback(lambda _: waiting.__setitem__(0, waiting[0] - 1))
        return future

    monkeypatch.setattr(FakeZk, "start_get", start_get)
    monkeypatch.setattr(turns, "_BACKOFF", Backoff(first_s=0.001, limit_s=0.002))
    feed = follow(server.session(), "/t0")
    snapshot = await eventually(feed.snapshot, within_s=20, every_s=0)
    assert len(snapshot.nodes) == 302


@pytest.mark.parametrize("budget", [SubtreeLimits(znodes=20), SubtreeLimits(bytes=100)])
async def test_a_subtree_over_its_budget_ends_its_own_feed_and_keeps_nothing(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], budget: SubtreeLimits
) -> None:
    zk = server.session()
    other = follow(zk, "/t1")
    feed = SubtreeFeed(zk, "/t0", on_change=lambda: None, limits=budget)
    running = asyncio.create_task(feed.run())
    await eventually(feed.snapshot, every_s=0)
    server.write(*(Create(f"/t0/k{number:03}", b"12345") for number in range(30)))
    with pytest.raises(TooLargeError, match="/t0"):
        await running
    assert len(feed._builder) == 0
    assert "/t0" not in zk.watched
    server.write(Set("/t1/a", b"2", -1))
    await eventually(lambda: (snapshot := other.snapshot()) and snapshot.nodes["a"].data == b"2", every_s=0)


@pytest.mark.parametrize("budget", [SubtreeLimits(znodes=10), SubtreeLimits(bytes=50)])
async def test_a_subtree_that_was_replaced_while_away_counts_once(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], budget: SubtreeLimits
) -> None:
    server.write(*(Create(f"/t0/k{number}", b"12345") for number in range(7)))
    feed = follow(server.session(), "/t0", limits=budget)
    await eventually(feed.snapshot, every_s=0)
    server.down()
    server.write(*(Delete(f"/t0/k{number}", -1) for number in range(7)))
    server.write(*(Create(f"/t0/n{number}", b"12345") for number in range(7)))
    server.up()
    snapshot = await eventually(feed.snapshot, within_s=5, every_s=0)
    assert set(snapshot.nodes) == {"", "a", *(f"n{number}" for number in range(7))}


@pytest.mark.parametrize("budget", [SubtreeLimits(znodes=10), SubtreeLimits(bytes=50)])
async def test_a_subtree_that_grew_over_its_budget_while_away_ends_its_feed(
    server: FakeZkServer, budget: SubtreeLimits
) -> None:
    feed = SubtreeFeed(server.session(), "/t0", on_change=lambda: None, limits=budget)
    running = asyncio.create_task(feed.run())
    await eventually(feed.snapshot, every_s=0)
    server.down()
    server.write(*(Create(f"/t0/n{number}", b"") for number in range(4)))
    server.write(*(Create(f"/t0/n{number}/m", b"1234567890123") for number in range(4)))
    server.write(Create("/t0/n0/l", b""))
    server.up()
    with pytest.raises(TooLargeError, match="/t0"):
        await running


async def test_a_znode_with_more_children_than_the_budget_is_not_even_listed(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed]
) -> None:
    server.write(*(Create(f"/t0/k{number:03}", b"") for number in range(30)))
    with pytest.raises(TooLargeError):
        await SubtreeFeed(server.session(), "/t0", on_change=lambda: None, limits=SubtreeLimits(znodes=20)).run()
    assert server.served.get("children", 0) == 0


async def test_a_listing_that_is_too_long_ends_its_own_feed(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def children(_self: FakeZk, path: str) -> Children:
        raise TooLargeError((FieldError(path, "the answer has 17000000 bytes"),))

    monkeypatch.setattr(FakeZk, "children", children)
    with pytest.raises(TooLargeError, match="17000000"):
        await SubtreeFeed(server.session(), "/t0", on_change=lambda: None).run()


async def test_comparing_finds_what_no_event_has_told_and_nothing_else(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed]
) -> None:
    zk = server.session()
    feed = follow(zk, "/t0")
    first = await eventually(feed.snapshot, every_s=0)
    await verify(zk, "/t0", feed, everything=True)
    assert feed.snapshot() is first
    for operation in (Set("/t0/a", b"2", -1), Create("/t0/b", b""), Delete("/t0/a", -1)):
        zk.watched.clear()
        server.write(operation)
        await verify(zk, "/t0", feed, everything=True)
        await eventually(feed.snapshot, every_s=0)
    assert set((feed.snapshot() or first).nodes) == {"", "b"}


async def test_comparing_finds_permissions_taken_and_granted(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed]
) -> None:
    zk = server.session()
    feed = follow(zk, "/t0")
    await eventually(feed.snapshot, every_s=0)
    server.set_acl("/t0/a", NOBODY)
    await verify(zk, "/t0", feed, everything=True)
    await eventually(lambda: (snapshot := feed.snapshot()) and snapshot.unreadable == {"a"}, every_s=0)
    await verify(zk, "/t0", feed, everything=False)
    assert (snapshot := feed.snapshot()) and snapshot.unreadable == {"a"}
    server.set_acl("/t0/a", (Acl(31, "world", "anyone"),))
    await verify(zk, "/t0", feed, everything=False)
    await eventually(lambda: (snapshot := feed.snapshot()) and "a" in snapshot.nodes, every_s=0)


@pytest.mark.parametrize("path", ["/t0", "/t0/a", "/t0/none", "/t0/secret", "/t0/secret/x", "/elsewhere", "/t00"])
async def test_looking_where_nothing_is_new_keeps_the_picture(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], path: str
) -> None:
    zk = server.session()
    server.write(Create("/t0/secret", b"", NOBODY), Create("/t0/secret/x", b""), Create("/t00", b""))
    feed = follow(zk, "/t0")
    first = await eventually(feed.snapshot, every_s=0)
    await verify_at(zk, "/t0", feed, path)
    assert feed.snapshot() is first


@pytest.mark.parametrize("root", ["/t0", "/"])
async def test_looking_at_a_znode_finds_that_it_is_hidden_gone_or_new(
    server: FakeZkServer, follow: Callable[..., SubtreeFeed], root: str
) -> None:
    zk = server.session()
    feed = follow(zk, root)
    await eventually(feed.snapshot, every_s=0)
    server.write(Create("/t0/secret", b"", NOBODY))
    await verify_at(zk, root, feed, "/t0/secret")
    snapshot = await eventually(feed.snapshot, every_s=0)
    assert {path.rpartition("/")[2] for path in snapshot.unreadable} == {"secret"}
    for operation, at in (
        (Delete("/t0/a", -1), "/t0/a"),
        (Create("/t0/b", b""), "/t0/b"),
        (Set("/t0", b"2", -1), "/t0/c"),
    ):
        zk.watched.clear()
        server.write(operation)
        before = await eventually(feed.snapshot, every_s=0)
        await verify_at(zk, root, feed, at)
        assert await eventually(feed.snapshot, every_s=0) is not before


@pytest.mark.parametrize("seed", range(40))
async def test_changes_in_between_are_no_difference(seed: int) -> None:
    rng = random.Random(seed)
    server = FakeZkServer(rng=rng)
    names = [f"k{number}" for number in range(40)]
    server.write(Create("/t", b""), *(Create(f"/t/{name}", b"") for name in names))
    zk = server.session()
    feed = SubtreeFeed(zk, "/t", on_change=lambda: None, window=1)
    running = asyncio.create_task(feed.run())
    await eventually(feed.snapshot, every_s=0)
    walks = server.served["children"]
    for number in range(15):
        server.write(*(Set(f"/t/{name}", b"", -1) for name in rng.sample(names, 8)), Create(f"/t/n{number}", b""))
        if rng.random() < 0.5:
            await eventually(feed.snapshot, every_s=0)
        comparing = asyncio.create_task(verify(zk, "/t", feed, everything=True))
        for _ in range(rng.randrange(40)):
            await asyncio.sleep(0)
        server.write(*(Set(f"/t/{name}", b"", -1) for name in rng.sample(names, 8)), Delete(f"/t/n{number}", -1))
        await comparing
        await eventually(feed.snapshot, every_s=0)
    assert server.served["children"] == walks
    running.cancel()
