"""Watches, listeners, multi reads and ACLs: the fake does what real servers do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.fakes.zk_tree import digest_identity
from tests.support.waiting import eventually
from tests.support.worlds.zk_contract import ALICE, World, world_of
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.zk.port import (
    CREATOR_ACL,
    OPEN_ACL,
    Acl,
    BadVersionError,
    Check,
    Create,
    Credential,
    Delete,
    EventType,
    MultiError,
    NoNodeError,
    Set,
    ZnodeEvent,
)


@pytest.fixture(params=["fake", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.getfixturevalue("zookeeper") if request.param == "real" else None) as world:
        yield world


async def test_a_recursive_watch_tells_each_change_below_once_and_in_order(world: World) -> None:
    zk, root = world.zk, world.root
    heard: list[ZnodeEvent] = []
    zk.on_event(heard.append, under=root)
    await zk.add_watch(root)
    writer = world.open(None)
    a = await writer.create(Create(f"{root}/a", b""))
    b = await writer.create(Create(f"{root}/a/b", b""))
    s = await writer.set(Set(f"{root}/a/b", b"x", 0))
    await writer.delete(Delete(f"{root}/a/b", 1))
    r = await writer.set(Set(root, b"r", 0))
    await eventually(lambda: len(heard) >= 5)
    assert [(event.type, event.path) for event in heard] == [
        (EventType.CREATED, f"{root}/a"),
        (EventType.CREATED, f"{root}/a/b"),
        (EventType.DATA_CHANGED, f"{root}/a/b"),
        (EventType.DELETED, f"{root}/a/b"),
        (EventType.DATA_CHANGED, root),
    ]
    zxids = [event.zxid for event in heard]
    assert [zxids[0], zxids[1], zxids[2], zxids[4]] == [a.czxid, b.czxid, s.mzxid, r.mzxid]
    assert zxids == sorted(zxids)


async def test_a_watch_that_is_not_recursive_tells_of_children_but_not_deeper(world: World) -> None:
    zk, root = world.zk, world.root
    heard: list[ZnodeEvent] = []
    zk.on_event(heard.append, under=root)
    await zk.add_watch(root, recursive=False)
    await zk.create(Create(f"{root}/a", b""))
    await zk.create(Create(f"{root}/a/deep", b""))
    await zk.set(Set(f"{root}/a", b"x", -1))
    await zk.set(Set(root, b"x", -1))
    await zk.sync(root)
    await eventually(lambda: len(heard) >= 2)
    assert [(event.type, event.path) for event in heard] == [
        (EventType.CHILDREN_CHANGED, root),
        (EventType.DATA_CHANGED, root),
    ]


async def test_a_watch_on_a_path_that_is_not_there_yet_hears_its_creation(world: World) -> None:
    zk, path = world.zk, f"{world.root}/later"
    heard: list[ZnodeEvent] = []
    zk.on_event(heard.append, under=path)
    await zk.add_watch(path)
    await zk.create(Create(path, b""))
    await zk.create(Create(f"{path}/x", b""))
    await eventually(lambda: len(heard) == 2)
    assert [event.path for event in heard] == [path, f"{path}/x"]


async def test_an_event_is_heard_before_any_reply_that_reflects_it(world: World) -> None:
    zk, path = world.zk, f"{world.root}/a"
    await zk.create(Create(path, b"0"))
    heard: list[ZnodeEvent] = []
    zk.on_event(heard.append, under=path)
    await zk.add_watch(path)
    writer = world.open(None)

    async def write() -> None:
        for _ in range(200):
            await writer.set(Set(path, b"x", -1))

    writing = asyncio.create_task(write())
    while not writing.done():
        node = await zk.get(path)
        assert len(heard) >= node.stat.version
    await writing


async def test_listeners_hear_only_below_their_path_and_nothing_after_removal(world: World) -> None:
    zk, root = world.zk, world.root
    heard: list[str] = []
    await zk.multi([Create(f"{root}/{name}", b"") for name in ("a", "ab")])
    remove = zk.on_event(lambda event: heard.append(event.path), under=f"{root}/a")
    await zk.add_watch(f"{root}/a")
    await zk.add_watch(f"{root}/ab")
    await zk.create(Create(f"{root}/ab/x", b""))
    await zk.create(Create(f"{root}/a/x", b""))
    await eventually(lambda: heard == [f"{root}/a/x"])
    remove()
    await zk.create(Create(f"{root}/a/y", b""))
    await zk.sync(root)
    assert heard == [f"{root}/a/x"]


async def test_the_watch_of_a_path_goes_with_its_last_listener(world: World) -> None:
    zk, root = world.zk, world.root
    everything: list[str] = []
    zk.on_event(lambda event: everything.append(event.path))
    removers = [zk.on_event(lambda event: None, under=root) for _ in range(2)]
    await zk.add_watch(root)
    removers[0]()
    await zk.create(Create(f"{root}/heard", b""))
    await eventually(lambda: everything == [f"{root}/heard"])
    removers[1]()
    await zk.create(Create(f"{root}/silent", b""))
    await zk.sync(root)
    assert everything == [f"{root}/heard"]


async def test_acls_hide_data_children_stat_and_events(world: World) -> None:
    alice, root = world.open(ALICE), world.root
    await alice.create(Create(f"{root}/secret", b"s", CREATOR_ACL))
    await alice.create(Create(f"{root}/secret/child", b"s", CREATOR_ACL))
    heard: list[str] = []
    world.zk.on_event(lambda event: heard.append(event.path), under=root)
    await world.zk.add_watch(root)
    for refused in (
        world.zk.get(f"{root}/secret"),
        world.zk.exists(f"{root}/secret"),
        world.zk.children(f"{root}/secret"),
        world.zk.set(Set(f"{root}/secret", b"", -1)),
        world.zk.create(Create(f"{root}/secret/x", b"")),
        world.zk.delete(Delete(f"{root}/secret/child", -1)),
    ):
        with pytest.raises(ForbiddenError, match=f"{root}/secret"):
            await refused
    with pytest.raises(MultiError) as caught:
        await world.zk.multi([Check(root, 0), Check(f"{root}/secret", 0)])
    assert (caught.value.index, type(caught.value.cause)) == (1, ForbiddenError)
    await alice.set(Set(f"{root}/secret", b"changed", 0))
    await alice.create(Create(f"{root}/open", b"", OPEN_ACL))
    await eventually(lambda: heard == [f"{root}/open"])
    assert (await world.open(world.superuser).get(f"{root}/secret")).data == b"changed"


async def test_a_digest_acl_is_the_same_as_the_creators(world: World) -> None:
    path = f"{world.root}/mine"
    await world.zk.create(Create(path, b"", (Acl(31, "digest", digest_identity(ALICE)),)))
    with pytest.raises(ForbiddenError):
        await world.zk.get(path)
    assert (await world.open(ALICE).get(path)).data == b""
    with pytest.raises(ForbiddenError):
        await world.open(Credential("alice", "guessed")).get(path)


async def test_an_acl_is_read_in_full_by_whoever_may_change_it(world: World) -> None:
    path, mine = f"{world.root}/mine", Acl(31, "digest", digest_identity(ALICE))
    await world.open(ALICE).create(Create(path, b"", (*CREATOR_ACL, Acl(1, "world", "anyone"))))
    read = await world.open(ALICE).get_acl(path)
    assert read.entries == (mine, Acl(1, "world", "anyone"))
    assert read.stat == (await world.zk.get(path)).stat
    assert (await world.zk.get_acl(path)).entries == (Acl(31, "digest", "alice:x"), Acl(1, "world", "anyone"))
    assert (await world.zk.get_acl(world.root)).entries == OPEN_ACL
    await world.open(ALICE).create(Create(f"{path}/hidden", b"", CREATOR_ACL))
    with pytest.raises(ForbiddenError):
        await world.zk.get_acl(f"{path}/hidden")
    with pytest.raises(NoNodeError):
        await world.zk.get_acl(f"{path}/absent")


async def test_an_acl_is_replaced_over_exactly_the_one_that_was_read(world: World) -> None:
    path = f"{world.root}/mine"
    alice, superuser = world.open(ALICE), world.open(world.superuser)
    await alice.create(Create(path, b"", CREATOR_ACL))
    read = await superuser.get_acl(path)
    changed = await superuser.set_acl(path, (Acl(1, "world", "anyone"),), read.stat.aversion)
    assert changed == read.stat._replace(aversion=read.stat.aversion + 1)
    with pytest.raises(BadVersionError):
        await superuser.set_acl(path, OPEN_ACL, read.stat.aversion)
    with pytest.raises(ForbiddenError):
        await alice.set_acl(path, OPEN_ACL, -1)
    with pytest.raises(NoNodeError):
        await superuser.set_acl(f"{path}/absent", OPEN_ACL, -1)
    with pytest.raises(InvalidError):
        await superuser.set_acl(path, (), -1)
    assert (await superuser.get_acl(path)).entries == (Acl(1, "world", "anyone"),)


async def test_a_multi_read_sees_no_multi_in_part_and_says_what_is_absent(world: World) -> None:
    paths = [f"{world.root}/{name}" for name in ("a", "b")]
    await world.zk.multi([Create(path, b"0") for path in paths])

    async def write() -> None:
        for number in range(1, 100):
            await writer.multi([Set(path, b"%d" % number, -1) for path in paths])

    writer = world.open(None)
    writing = asyncio.create_task(write())
    seen = set()
    while not writing.done():
        found = await world.zk.multi_read([*paths, f"{world.root}/absent"])
        first, second, absent = found.reads
        assert first is not None
        assert second is not None
        assert absent is None
        assert first.data == second.data
        assert first.stat.mzxid == second.stat.mzxid <= found.zxid
        seen.add(first.data)
    await writing
    assert len(seen) > 1
    assert (await world.zk.multi_read([])).reads == ()


async def test_a_multi_read_names_the_path_that_may_not_be_read(world: World) -> None:
    hidden = f"{world.root}/hidden"
    await world.open(ALICE).create(Create(hidden, b"", CREATOR_ACL))
    with pytest.raises(ForbiddenError, match=hidden):
        await world.zk.multi_read([world.root, hidden])


async def test_creator_acl_without_a_credential_is_invalid(world: World) -> None:
    with pytest.raises(InvalidError):
        await world.zk.create(Create(f"{world.root}/a", b"", CREATOR_ACL))


async def test_a_read_that_is_started_from_a_callback_settles_like_any_other(world: World) -> None:
    path = f"{world.root}/a"
    await world.zk.create(Create(path, b"x"))
    present, absent = world.zk.start_get(path), world.zk.start_get(f"{path}/none")
    assert (await present).data == b"x"
    with pytest.raises(NoNodeError):
        await absent
