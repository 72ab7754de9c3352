"""What a tree feed costs and when it speaks, on the in-memory ensemble."""

import asyncio
import copy
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from tests.support.fakes.zk import FakeZk, FakeZkServer, Fault
from tests.support.waiting import eventually
from zkoperator.errors import InvalidError
from zkoperator.zk.port import OPEN_ACL, Acl, Create, Delete, SessionLostError, Set
from zkoperator.zk.snapshot import Snapshot, digest_of
from zkoperator.zk.subtree_feed import SubtreeFeed

ROOT = "/apps/shop"
NOBODY = (Acl(31, "digest", "nobody:"),)


@dataclass
class Followed:
    """A feed that runs, and what it told."""

    server: FakeZkServer
    zk: FakeZk
    feed: SubtreeFeed = field(init=False)
    task: asyncio.Task[None] = field(init=False)
    told: list[Snapshot | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.feed = SubtreeFeed(self.zk, ROOT, on_change=lambda: self.told.append(self.feed.snapshot()))
        self.task = asyncio.create_task(self.feed.run())

    async def snapshot(self) -> Snapshot:
        """Wait for the snapshot that shows everything committed by now."""
        zxid = self.server.zxid

        def current() -> Snapshot | None:
            snapshot = self.feed.snapshot()
            return snapshot if snapshot is not None and (snapshot.zxid >= zxid) else None

        return await eventually(current, within_s=5, every_s=0)

    async def rest(self) -> Snapshot:
        """Let everything that is under way finish."""
        for _ in range(50):
            await asyncio.sleep(0)
        snapshot = self.feed.snapshot()
        assert snapshot is not None
        return snapshot

    async def reads(self, *, of: str = "get") -> int:
        await self.snapshot()
        return self.server.served.get(of, 0)

    def keys(self) -> set[str]:
        snapshot = self.feed.snapshot()
        assert snapshot is not None
        return set(snapshot.nodes)


@pytest.fixture
def server() -> FakeZkServer:
    server = FakeZkServer()
    server.write(Create("/apps", b""), Create(ROOT, b"root"), Create(f"{ROOT}/a", b"1"), Create(f"{ROOT}/b", b"2"))
    return server


@pytest.fixture
async def followed(server: FakeZkServer) -> AsyncIterator[Followed]:
    followed = Followed(server, server.session())
    await followed.snapshot()
    yield followed
    followed.task.cancel()
    await asyncio.wait((followed.task,))


async def test_the_first_picture_has_every_znode_with_its_value(followed: Followed) -> None:
    snapshot = await followed.snapshot()
    assert {path: node.data for path, node in snapshot.nodes.items()} == {"": b"root", "a": b"1", "b": b"2"}
    assert snapshot.nodes["a"].digest == digest_of(b"1")
    assert (snapshot.root_exists, snapshot.root_czxid) == (True, snapshot.nodes[""].czxid)


async def test_one_change_costs_exactly_one_read(followed: Followed) -> None:
    before = await followed.reads()
    followed.server.write(Set(f"{ROOT}/a", b"new", -1))
    assert await followed.reads() - before == 1
    assert (await followed.snapshot()).nodes["a"].data == b"new"


async def test_a_created_znode_costs_one_read_and_a_deleted_one_none(followed: Followed) -> None:
    before = await followed.reads()
    followed.server.write(Create(f"{ROOT}/c", b"3"))
    assert await followed.reads() - before == 1
    followed.server.write(Delete(f"{ROOT}/c", -1))
    assert await followed.reads() - before == 1
    assert followed.keys() == {"", "a", "b"}
    assert await followed.reads(of="children") == 1


async def test_a_burst_on_one_znode_is_read_a_few_times_and_ends_on_the_last_value(followed: Followed) -> None:
    before = await followed.reads()
    for number in range(500):
        followed.server.write(Set(f"{ROOT}/a", str(number).encode(), -1))
    assert (await followed.snapshot()).nodes["a"].data == b"499"
    assert await followed.reads() - before <= 3


async def test_a_multi_of_fifty_is_seen_whole_or_not_at_all(followed: Followed) -> None:
    paths = [f"{ROOT}/many-{number}" for number in range(50)]
    followed.server.write(*(Create(path, b"x") for path in paths))
    await followed.snapshot()
    followed.server.write(*(Set(path, b"y", -1) for path in paths))
    await followed.snapshot()
    followed.server.write(*(Delete(path, -1) for path in paths))
    await followed.snapshot()
    seen = [
        sorted(node.data or b"" for path, node in told.nodes.items() if path.startswith("many-"))
        for told in followed.told
        if told
    ]
    assert [b"x"] * 50 in seen
    assert all(values in ([b"x"] * 50, [b"y"] * 50, []) for values in seen)


async def test_there_is_no_picture_while_a_change_is_being_read(followed: Followed) -> None:
    followed.server.write(Set(f"{ROOT}/a", b"new", -1))
    await eventually(lambda: followed.feed.snapshot() is None, within_s=5, every_s=0)
    assert (await followed.snapshot()).nodes["a"].data == b"new"


async def test_a_picture_in_hand_never_changes(followed: Followed) -> None:
    old = await followed.snapshot()
    before = dict(old.nodes)
    followed.server.write(Set(f"{ROOT}/a", b"new", -1), Delete(f"{ROOT}/b", -1))
    await followed.snapshot()
    followed.feed.forget_values()
    assert dict(old.nodes) == before


async def test_the_loss_of_the_connection_is_told_once_and_its_return_with_a_picture(followed: Followed) -> None:
    followed.told.clear()
    followed.server.down()
    assert followed.told == [None]
    followed.server.write(Set(f"{ROOT}/a", b"meanwhile", -1), Delete(f"{ROOT}/b", -1))
    followed.server.up()
    snapshot = await followed.snapshot()
    assert {path: node.data for path, node in snapshot.nodes.items()} == {"": b"root", "a": b"meanwhile"}
    assert len(followed.told) == 2


async def test_a_loss_while_catching_up_is_told_too(followed: Followed) -> None:
    followed.told.clear()
    followed.server.inject(Fault.DROP_AFTER, "get")
    followed.server.write(Set(f"{ROOT}/a", b"new", -1))
    await followed.snapshot()
    assert [told is None for told in followed.told] == [True, False]


async def test_an_expired_session_loses_no_change(followed: Followed) -> None:
    old_session = followed.zk.session_id
    followed.server.expire(followed.zk)
    followed.server.write(Set(f"{ROOT}/a", b"meanwhile", -1))
    assert (await followed.snapshot()).nodes["a"].data == b"meanwhile"
    assert followed.zk.session_id != old_session
    followed.server.write(Set(f"{ROOT}/a", b"later", -1))
    assert (await followed.snapshot()).nodes["a"].data == b"later"


async def test_forgotten_values_leave_their_digests_and_come_back_when_recalled(followed: Followed) -> None:
    followed.feed.forget_values()
    snapshot = await followed.snapshot()
    assert {node.data for node in snapshot.nodes.values()} == {None}
    assert snapshot.nodes["a"].digest == digest_of(b"1")
    assert await followed.feed.recall(["a", "none"])
    recalled = await followed.snapshot()
    assert (recalled.zxid, recalled.nodes["a"].data, recalled.nodes["b"].data) == (snapshot.zxid, b"1", None)


async def test_a_value_that_did_not_change_stays_forgotten_over_a_reconnect(followed: Followed) -> None:
    followed.feed.forget_values()
    followed.server.disconnect()
    followed.server.write(Set(f"{ROOT}/b", b"new", -1))
    nodes = (await followed.snapshot()).nodes
    assert (nodes["a"].data, nodes["b"].data) == (None, b"new")


async def test_recalling_what_changes_meanwhile_ends_on_the_new_value(followed: Followed) -> None:
    followed.feed.forget_values()
    followed.server.hold(followed.zk)
    followed.server.write(Set(f"{ROOT}/a", b"new", -1))
    recalling = asyncio.create_task(followed.feed.recall(["a", "b"]))
    await asyncio.sleep(0)
    followed.server.release(followed.zk)
    await recalling
    nodes = (await followed.snapshot()).nodes
    assert (nodes["a"].data, nodes["b"].data) == (b"new", b"2")


async def test_recall_without_a_connection_is_a_plain_no(followed: Followed) -> None:
    followed.feed.forget_values()
    followed.server.inject(Fault.DROP_BEFORE, "get")
    assert not await followed.feed.recall(["a"])
    assert (await eventually(followed.feed.snapshot, within_s=5)).root_exists


async def test_a_missing_root_is_a_picture_and_its_creation_a_change(server: FakeZkServer) -> None:
    server.write(*(Delete(path, -1) for path in (f"{ROOT}/a", f"{ROOT}/b", ROOT)))
    followed = Followed(server, server.session())
    snapshot = await followed.snapshot()
    assert (snapshot.root_exists, dict(snapshot.nodes), snapshot.root_czxid) == (False, {}, 0)
    created = server.write(Create(ROOT, b""), Create(f"{ROOT}/x", b"1"))
    snapshot = await followed.snapshot()
    assert (snapshot.root_exists, set(snapshot.nodes), snapshot.root_czxid) == (True, {"", "x"}, created.zxid)
    followed.task.cancel()


async def test_a_recreated_root_has_another_czxid(followed: Followed) -> None:
    before = (await followed.snapshot()).root_czxid
    everything = [Delete(path, -1) for path in (f"{ROOT}/a", f"{ROOT}/b", ROOT)]
    committed = followed.server.write(*everything, Create(ROOT, b"root"))
    snapshot = await followed.snapshot()
    assert set(snapshot.nodes) == {""}
    assert before != snapshot.root_czxid == committed.zxid


async def test_an_unreadable_znode_hides_what_is_below_and_is_not_absent(server: FakeZkServer) -> None:
    server.write(Create(f"{ROOT}/s", b"", NOBODY), Create(f"{ROOT}/s/t", b""))
    followed = Followed(server, server.session())
    snapshot = await followed.snapshot()
    assert (set(snapshot.nodes), snapshot.unreadable) == ({"", "a", "b"}, frozenset({"s"}))
    assert not snapshot.is_known_absent("s")
    assert not snapshot.is_known_absent("s/t")
    assert snapshot.is_known_absent("sx")
    followed.task.cancel()


async def test_a_permission_taken_away_turns_a_znode_unknown_at_the_next_full_read(followed: Followed) -> None:
    followed.server.set_acl(f"{ROOT}/a", NOBODY)
    followed.server.disconnect()
    snapshot = await followed.snapshot()
    assert (set(snapshot.nodes), snapshot.unreadable) == ({"", "b"}, frozenset({"a"}))


@pytest.mark.parametrize(
    "change", [Create(f"{ROOT}/x/z", b"2"), Set(f"{ROOT}/x", b"3", -1), Set(f"{ROOT}/x/y", b"", -1)]
)
async def test_the_first_word_of_a_znode_that_was_hidden_brings_all_of_its_subtree(
    followed: Followed, change: Create | Set
) -> None:
    followed.server.write(Create(f"{ROOT}/x", b"", NOBODY), Create(f"{ROOT}/x/y", b"1", NOBODY))
    for path in (f"{ROOT}/x", f"{ROOT}/x/y"):
        followed.server.set_acl(path, OPEN_ACL)
    followed.server.write(change)
    snapshot = await followed.rest()
    expected = {path.removeprefix(ROOT).lstrip("/") for path in followed.server.tree.walk(ROOT)}
    assert set(snapshot.nodes) == expected
    assert followed.server.served["children"] == 3


async def test_what_happens_below_a_hidden_znode_costs_one_walk(followed: Followed) -> None:
    followed.server.write(Create(f"{ROOT}/x", b"", NOBODY), Create(f"{ROOT}/x/y", b"", NOBODY))
    followed.server.set_acl(f"{ROOT}/x/y", OPEN_ACL)
    for number in range(20):
        followed.server.write(Create(f"{ROOT}/x/y/{number}", b""), Set(f"{ROOT}/x/y", b"", -1))
        snapshot = await followed.rest()
        assert (set(snapshot.nodes), snapshot.unreadable) == ({"", "a", "b"}, frozenset({"x"}))
    assert followed.server.served["children"] == 2


async def test_an_unreadable_root_is_unknown_and_not_missing(server: FakeZkServer) -> None:
    server.set_acl(ROOT, NOBODY)
    followed = Followed(server, server.session())
    snapshot = await followed.snapshot()
    assert (snapshot.root_exists, dict(snapshot.nodes), snapshot.unreadable) == (True, {}, frozenset({""}))
    assert not snapshot.is_known_absent("a")
    followed.task.cancel()


async def test_a_restored_ensemble_shows_with_its_lower_zxid(followed: Followed) -> None:
    for _ in range(10):
        followed.server.write(Set(f"{ROOT}/a", b"", -1))
    before = (await followed.snapshot()).zxid
    older = FakeZkServer()
    older.write(Create("/apps", b""))
    followed.server.restore(older.tree)
    snapshot = await eventually(followed.feed.snapshot, within_s=5)
    assert snapshot.zxid < before
    assert not snapshot.root_exists


@pytest.mark.parametrize("forget", [True, False])
async def test_another_history_with_the_same_zxids_shows_with_its_own_values(followed: Followed, forget: bool) -> None:
    """An ensemble that is wiped and loaded by the same script counts as it did before."""
    if forget:
        followed.feed.forget_values()
    before = await followed.snapshot()
    other = copy.deepcopy(followed.server.tree)
    other._nodes[f"{ROOT}/a"].data = b"9"
    followed.server.restore(other)
    snapshot = await eventually(followed.feed.snapshot, within_s=5, every_s=0)
    assert snapshot.nodes["a"][2:] == before.nodes["a"][2:]
    assert snapshot.nodes["a"][:2] == (digest_of(b"9"), b"9")
    assert snapshot.nodes["b"].data == (None if forget else b"2")


async def test_feeds_share_a_session_and_a_cancelled_one_takes_its_watch_with_it(server: FakeZkServer) -> None:
    zk = server.session()
    first, second = Followed(server, zk), Followed(server, zk)
    await first.snapshot()
    await second.snapshot()
    first.task.cancel()
    await asyncio.wait((first.task,))
    assert set(zk.watched) == {ROOT}
    server.write(Set(f"{ROOT}/a", b"new", -1))
    assert (await second.snapshot()).nodes["a"].data == b"new"
    assert first.feed.snapshot() is None
    second.task.cancel()
    await asyncio.wait((second.task,))
    assert not zk.watched


async def test_a_closed_session_ends_the_feed(followed: Followed) -> None:
    await followed.zk.close()
    with pytest.raises(SessionLostError):
        await followed.task
    assert followed.told[-1] is None


async def test_a_malformed_root_ends_the_feed_with_the_reason(server: FakeZkServer) -> None:
    with pytest.raises(InvalidError, match="'/'"):
        await SubtreeFeed(server.session(), "apps/", on_change=lambda: None).run()


@pytest.mark.parametrize("root", ["/", "/apps"])
async def test_roots_above_are_read_whole(server: FakeZkServer, root: str) -> None:
    zk = server.session()
    feed = SubtreeFeed(zk, root, on_change=lambda: None)
    task = asyncio.create_task(feed.run())
    snapshot = await eventually(feed.snapshot, within_s=5)
    expected = {path.removeprefix(root).lstrip("/") for path in server.tree.walk(root)}
    assert set(snapshot.nodes) == expected
    server.write(Create("/apps/new", b""))
    await eventually(lambda: "new" in str(set((feed.snapshot() or snapshot).nodes)), within_s=5)
    task.cancel()
