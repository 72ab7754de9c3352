"""What every implementation of the `Zk` port does: the fake in memory and the session on a real server alike."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.support.waiting import eventually
from tests.support.worlds.zk_contract import World, world_of
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.zk.config_version import config_version
from zkoperator.zk.port import (
    BadVersionError,
    Check,
    ConnectionState,
    Create,
    Delete,
    EventType,
    MultiError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    SessionLostError,
    Set,
    ZnodeEvent,
)
from zkoperator.zk.request_sizes import REQUEST_LIMIT_BYTES


@pytest.fixture(params=["fake", "real"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with world_of(request.getfixturevalue("zookeeper") if request.param == "real" else None) as world:
        yield world


async def test_a_session_opens_by_itself_and_calls_wait_for_it(world: World) -> None:
    fresh = world.open(None)
    assert (fresh.state, fresh.session_id) == (ConnectionState.CONNECTING, 0)
    assert await fresh.exists("/") is not None
    assert fresh.state is ConnectionState.CONNECTED
    assert fresh.session_id not in (0, world.zk.session_id)


async def test_a_created_znode_reads_back_with_its_stat(world: World) -> None:
    created = await world.zk.create(Create(f"{world.root}/a", b"one"))
    node = await world.zk.get(f"{world.root}/a")
    assert (node.data, node.stat) == (b"one", created)
    assert created.czxid == created.mzxid == created.pzxid > 0
    assert (created.version, created.data_length, created.ephemeral_owner) == (0, 3, 0)
    assert node.zxid >= created.mzxid
    assert await world.zk.exists(f"{world.root}/a") == created


async def test_a_parent_counts_its_children_and_their_last_change(world: World) -> None:
    zk, root = world.zk, world.root
    await zk.create(Create(f"{root}/a", b""))
    second = await zk.create(Create(f"{root}/b", b""))
    stat = (await zk.children(root)).stat
    assert (stat.num_children, stat.cversion, stat.pzxid, stat.version) == (2, 2, second.czxid, 0)
    await zk.delete(Delete(f"{root}/a", 0))
    listing = await zk.children(root)
    assert listing.names == ("b",)
    assert (listing.stat.num_children, listing.stat.cversion) == (1, 3)
    assert listing.stat.pzxid > second.czxid


async def test_writes_carry_the_version_they_were_made_against(world: World) -> None:
    zk, path = world.zk, f"{world.root}/a"
    await zk.create(Create(path, b"0"))
    assert (await zk.set(Set(path, b"1", 0))).version == 1
    with pytest.raises(BadVersionError, match=path):
        await zk.set(Set(path, b"2", 0))
    with pytest.raises(BadVersionError):
        await zk.delete(Delete(path, 0))
    assert (await zk.set(Set(path, b"3", -1))).version == 2
    await zk.delete(Delete(path, 2))
    assert await zk.exists(path) is None


async def test_missing_existing_and_nonempty_znodes_are_told_apart(world: World) -> None:
    zk, root = world.zk, world.root
    await zk.create(Create(f"{root}/a", b""))
    await zk.create(Create(f"{root}/a/b", b""))
    with pytest.raises(NodeExistsError):
        await zk.create(Create(f"{root}/a", b""))
    with pytest.raises(NotEmptyError):
        await zk.delete(Delete(f"{root}/a", -1))
    for refused in (
        zk.get(f"{root}/none"),
        zk.children(f"{root}/none"),
        zk.create(Create(f"{root}/none/a", b"")),
        zk.set(Set(f"{root}/none", b"", -1)),
        zk.delete(Delete(f"{root}/none", -1)),
    ):
        with pytest.raises(NoNodeError, match="none"):
            await refused


async def test_a_multi_commits_whole_at_one_zxid(world: World) -> None:
    zk, root = world.zk, world.root
    await zk.create(Create(f"{root}/a", b""))
    committed = await zk.multi(
        [
            Create(f"{root}/p", b""),
            Create(f"{root}/p/c", b"x"),
            Set(f"{root}/a", b"1", 0),
            Set(f"{root}/a", b"2", 1),
            Check(f"{root}/a", 2),
            Delete(f"{root}/p/c", 0),
        ]
    )
    created, _, first, second, checked, deleted = committed.stats
    assert created is not None
    assert first is not None
    assert second is not None
    assert (checked, deleted) == (None, None)
    assert (created.czxid, first.version, second.version) == (committed.zxid, 1, 2)
    assert (await zk.get(f"{root}/a")).stat == second
    assert (await zk.children(f"{root}/p")).names == ()


@pytest.mark.parametrize(
    ("culprit", "cause"),
    [
        (Check("a", 7), BadVersionError),
        (Set("a", b"", 7), BadVersionError),
        (Create("a", b""), NodeExistsError),
        (Delete("none", -1), NoNodeError),
        (Create("none/child", b""), NoNodeError),
    ],
)
async def test_a_failed_multi_changes_nothing_and_names_the_culprit(
    world: World, culprit: Check | Set | Create | Delete, cause: type[Exception]
) -> None:
    zk, root = world.zk, world.root
    await zk.create(Create(f"{root}/a", b"kept"))
    before = (await zk.get(f"{root}/a"), await zk.children(root))
    absolute = replace(culprit, path=f"{root}/{culprit.path}")
    with pytest.raises(MultiError) as caught:
        await zk.multi([Create(f"{root}/new", b""), Set(f"{root}/a", b"lost", -1), absolute, Check(root, 0)])
    assert caught.value.index == 2
    assert isinstance(caught.value.cause, cause)
    after = (await zk.get(f"{root}/a"), await zk.children(root))
    assert [(entry.stat, getattr(entry, "data", None)) for entry in after] == [
        (entry.stat, getattr(entry, "data", None)) for entry in before
    ]


async def test_an_empty_multi_is_fine(world: World) -> None:
    assert (await world.zk.multi([])).stats == ()


async def test_reply_zxids_never_decrease_and_cover_what_was_written(world: World) -> None:
    zk, path = world.zk, f"{world.root}/a"
    await zk.create(Create(path, b""))
    seen = 0
    for _ in range(20):
        written = await zk.set(Set(path, b"x", -1))
        node = await zk.get(path)
        assert node.zxid >= written.mzxid > seen
        assert zk.last_zxid >= node.zxid
        seen = node.zxid


async def test_an_ephemeral_vanishes_with_its_session(world: World) -> None:
    owner, path = world.open(None), f"{world.root}/e"
    stat = await owner.create(Create(path, b"", ephemeral=True))
    assert stat.ephemeral_owner == owner.session_id != 0
    with pytest.raises(InvalidError, match="ephemeral"):
        await owner.create(Create(f"{path}/child", b""))
    heard: list[ZnodeEvent] = []
    world.zk.on_event(heard.append, under=path)
    await world.zk.add_watch(path)
    await owner.close()
    await eventually(lambda: [event.type for event in heard] == [EventType.DELETED])
    assert await world.zk.exists(path) is None


async def test_a_closed_session_refuses_every_call(world: World) -> None:
    zk = world.open(None)
    states: list[ConnectionState] = []
    zk.on_state(states.append)
    await zk.exists("/")
    await zk.close()
    await zk.close()
    assert states == [ConnectionState.CONNECTED, ConnectionState.CLOSED]
    with pytest.raises(SessionLostError):
        await zk.get("/")


@pytest.mark.parametrize("path", ["a", "", "/a/", "/a//b", "/a/./b", "/a/..", "/a\0b", "/a\x1fb", "/\U0001f600"])
async def test_malformed_paths_are_refused_before_they_are_sent(world: World, path: str) -> None:
    before = world.zk.last_zxid
    for refused in (world.zk.get(path), world.zk.create(Create(path, b"")), world.zk.multi([Delete(path, -1)])):
        with pytest.raises(InvalidError):
            await refused
    future = world.zk.start_get(path)
    with pytest.raises(InvalidError):
        await future
    assert world.zk.last_zxid == before


async def test_the_largest_request_goes_through_and_a_larger_one_is_refused_unsent(world: World) -> None:
    zk, path = world.zk, f"{world.root}/a"
    await zk.create(Create(path, b""))
    overhead = 8 + 4 + len(path) + 4 + 4
    room = REQUEST_LIMIT_BYTES - overhead
    assert (await zk.set(Set(path, bytes(room), -1))).data_length == room
    with pytest.raises(InvalidError, match="bytes"):
        await zk.set(Set(path, bytes(room + 1), -1))
    with pytest.raises(InvalidError, match="bytes"):
        await zk.multi([Set(path, bytes(room // 2), -1)] * 3)
    assert (await zk.get(path)).stat.version == 1


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff\xfe", "schön ☃".encode(), bytes(100_000)])
async def test_data_is_bytes_and_comes_back_as_they_are(world: World, data: bytes) -> None:
    path = f"{world.root}/ü-☃.x"
    await world.zk.create(Create(path, data))
    assert (await world.zk.get(path)).data == data
    assert (await world.zk.children(world.root)).names == ("ü-☃.x",)


async def test_reconfig_needs_the_superuser_and_the_version_that_was_read(world: World) -> None:
    text = (await world.zk.get("/zookeeper/config")).data.decode()
    version = config_version(text) or -1
    with pytest.raises(ForbiddenError):
        await world.zk.reconfig(leaving=[99], from_config=version)
    boss = world.open(world.superuser)
    with pytest.raises(BadVersionError):
        await boss.reconfig(leaving=[99], from_config=version + 1000)
    answer, new_version = await boss.reconfig(leaving=[99], from_config=version)
    assert new_version == config_version(answer) != version
    assert (await world.zk.get("/zookeeper/config")).data.decode() == answer
