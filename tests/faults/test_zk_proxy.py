"""What the ZooKeeper proxy does, seen by an ordinary client in front of a real server."""

import asyncio
import queue
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, NoAuthError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState

from testbed.zookeepers import Ensemble
from tests.support.faults.proxies import zk_frames
from tests.support.faults.proxies.journal import Phase, Trap
from tests.support.faults.proxies.rules import (
    Action,
    CutReply,
    Delay,
    Discard,
    DropReply,
    DropRequest,
    Duplicate,
    Hold,
    KillSession,
    Nth,
    Rule,
    Zk,
    ZkError,
    ZkEvent,
)
from tests.support.faults.proxies.zk import ZkProxy
from tests.support.faults.proxies.zk_frames import Session
from tests.support.waiting import eventually


@contextmanager
def connected(hosts: str, **options: Any) -> Iterator[Any]:
    client = KazooClient(
        hosts, timeout=10, connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.2}, **options
    )
    client.start(30)
    try:
        yield client
    finally:
        client.stop()
        client.close()


@pytest.fixture
async def proxy(zookeeper: Ensemble) -> AsyncIterator[ZkProxy]:
    async with ZkProxy(zookeeper.hosts) as proxy:
        yield proxy


@pytest.fixture
def root(zookeeper: Ensemble) -> str:
    path = f"/proxy-{uuid.uuid4().hex[:8]}"
    with connected(zookeeper.hosts) as direct:
        direct.create(path, b"old")
    return path


@pytest.fixture
def direct(zookeeper: Ensemble) -> Iterator[Any]:
    with connected(zookeeper.hosts) as client:
        yield client


def in_thread(work: Callable[[], Any]) -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().run_in_executor(None, work)


def through(proxy: ZkProxy, work: Callable[[Any], Any]) -> "asyncio.Future[Any]":
    """Run blocking work with a client of its own behind the proxy, off the loop that the proxy runs on."""

    def run() -> Any:
        with connected(proxy.hosts) as client:
            return work(client)

    return in_thread(run)


async def test_without_rules_everything_passes_and_writes_are_counted(proxy: ZkProxy, root: str) -> None:
    def work(client: Any) -> bytes:
        client.set(root, b"new")
        client.transaction().create(f"{root}/a", b"1")  # never committed, so never sent
        transaction = client.transaction()
        transaction.create(f"{root}/b", b"1")
        transaction.set_data(root, b"newer")
        transaction.commit()
        return bytes(client.get(root)[0])

    assert await through(proxy, work) == b"newer"
    assert [(write.verb, write.target, write.outcome) for write in proxy.journal.writes] == [
        ("set", root, 0),
        ("multi", f"create:{root}/b set:{root}", 0),
    ]
    assert all(write.revision for write in proxy.journal.writes)


async def test_the_journal_tells_a_multi_that_was_rolled_back(proxy: ZkProxy, root: str) -> None:
    def work(client: Any) -> None:
        transaction = client.transaction()
        transaction.create(f"{root}/b", b"1")
        transaction.check(root, 7)
        transaction.commit()

    await through(proxy, work)
    assert [write.outcome for write in proxy.journal.writes] == [-103]


async def test_a_dropped_request_never_reaches_the_server(proxy: ZkProxy, root: str, direct: Any) -> None:
    proxy.rules.add(Rule(Zk("set", root), DropRequest(), Nth(1)))
    with pytest.raises(ConnectionLoss):
        await through(proxy, lambda client: client.set(root, b"new"))
    assert direct.get(root)[0] == b"old"


async def test_a_dropped_reply_is_a_write_that_happened(proxy: ZkProxy, root: str, direct: Any) -> None:
    rule = Rule(Zk("set", root), DropReply(), Nth(1))
    proxy.rules.add(rule)
    with pytest.raises(ConnectionLoss):
        await through(proxy, lambda client: client.set(root, b"new"))
    assert direct.get(root)[0] == b"new"
    assert proxy.rules.fired(rule) == 1


async def test_a_reply_cut_in_the_middle_of_its_frame_is_a_lost_reply(proxy: ZkProxy, root: str, direct: Any) -> None:
    proxy.rules.add(Rule(Zk("set", root), CutReply(), Nth(1)))
    with pytest.raises(ConnectionLoss):
        await through(proxy, lambda client: client.set(root, b"new"))
    assert direct.get(root)[0] == b"new"


async def test_an_injected_error_answers_in_place_of_the_server(proxy: ZkProxy, root: str, direct: Any) -> None:
    proxy.rules.add(Rule(Zk("set", root), ZkError(-102)))
    with pytest.raises(NoAuthError):
        await through(proxy, lambda client: client.set(root, b"new"))
    assert direct.get(root)[0] == b"old"


async def test_a_held_request_lands_after_its_client_is_gone(proxy: ZkProxy, root: str, direct: Any) -> None:
    proxy.rules.add(Rule(Zk("set", root), Hold("late")))
    with pytest.raises(KazooTimeoutError):
        await through(proxy, lambda client: client.set_async(root, b"late").get(timeout=0.5))
    await in_thread(lambda: direct.set(root, b"newer"))
    assert proxy.gates.waiting("late") == 1
    proxy.gates.release("late")
    await eventually(lambda: direct.get(root)[0] == b"late")


async def test_a_killed_session_is_expired_for_its_client_and_its_ephemerals(
    proxy: ZkProxy, root: str, direct: Any
) -> None:
    states: list[str] = []
    earlier: list[int] = []
    proxy.rules.add(Rule(Zk("exists", f"{root}/trigger"), KillSession(), Nth(1)))

    def work(client: Any) -> int:
        client.add_listener(states.append)
        earlier.append(int(client.client_id[0]))
        client.create(f"{root}/e", b"", ephemeral=True)
        with pytest.raises((SessionExpiredError, ConnectionLoss)):
            client.exists(f"{root}/trigger")
        client.retry(client.exists, root)
        return int(client.client_id[0])

    later = await through(proxy, work)
    assert KazooState.LOST in states
    assert direct.exists(f"{root}/e") is None
    assert later in proxy.sessions
    assert later not in earlier


async def test_a_discarded_notification_is_missed_and_a_later_one_arrives(
    proxy: ZkProxy, root: str, direct: Any
) -> None:
    lost = Rule(ZkEvent("data_changed", root), Discard(), Nth(1))
    proxy.rules.add(lost)

    def work(client: Any) -> Any:
        seen: queue.SimpleQueue[Any] = queue.SimpleQueue()
        client.get(root, watch=seen.put)
        direct.set(root, b"1")
        client.sync(root)
        client.get_children(root, watch=seen.put)
        direct.create(f"{root}/child", b"")
        # The first alone: at its end the client sends an event of its own to the watch that is still set.
        return seen.get(timeout=60)

    first = await through(proxy, work)
    assert proxy.rules.fired(lost) == 1
    assert first.type == "CHILD"


@pytest.mark.parametrize(("action", "expected"), [(Duplicate(), 2), (Delay(0.3), 1), (Hold("event"), 1)], ids=repr)
async def test_a_notification_is_doubled_late_or_held_and_nothing_overtakes_it(
    proxy: ZkProxy, root: str, direct: Any, action: Action, expected: int
) -> None:
    rule = Rule(ZkEvent("data_changed", root), action, Nth(1))
    proxy.rules.add(rule)
    reader, writer = await asyncio.open_connection(*proxy.hosts.split(":"))
    writer.write(zk_frames.connect_frame(Session(0, bytes(16), 10_000)))
    await zk_frames.read_frame(reader)
    writer.write(zk_frames.watch_frame(1, root))
    frame = await zk_frames.read_frame(reader)
    assert frame is not None
    assert zk_frames.parse_reply(frame).xid == 1
    began = asyncio.get_running_loop().time()
    await in_thread(lambda: direct.set(root, b"1"))
    writer.write(zk_frames.sync_frame(2, root))
    if isinstance(action, Hold):
        await eventually(lambda: proxy.gates.waiting(action.key) == 1)
        await asyncio.sleep(0.3)
        proxy.gates.release(action.key)
    seen: list[int] = []
    while 2 not in seen:
        frame = await zk_frames.read_frame(reader)
        assert frame is not None
        seen.append(zk_frames.parse_reply(frame).xid)
    writer.close()
    assert seen == [zk_frames.NOTIFICATION_XID] * expected + [2]
    assert proxy.rules.fired(rule) == 1
    assert isinstance(action, Duplicate) or asyncio.get_running_loop().time() - began >= 0.3


async def test_a_delay_slows_one_operation(proxy: ZkProxy, root: str) -> None:
    loop = asyncio.get_running_loop()
    proxy.rules.add(Rule(Zk("get", root), Delay(0.4, reply=True), Nth(1)))
    began = loop.time()
    await through(proxy, lambda client: client.get(root))
    assert loop.time() - began >= 0.4


async def test_a_proxy_that_is_down_refuses_and_comes_back_on_its_port(proxy: ZkProxy, root: str) -> None:
    def work(client: Any) -> None:
        before = client.client_id[0]
        asyncio.run_coroutine_threadsafe(proxy.down(), loop).result(10)
        # A client that has noticed the loss already keeps the request until it is connected again.
        with pytest.raises((ConnectionLoss, KazooTimeoutError)):
            client.set_async(root, b"blind").get(timeout=2)
        asyncio.run_coroutine_threadsafe(proxy.up(), loop).result(10)
        client.retry(client.get, root)
        assert client.client_id[0] == before

    loop = asyncio.get_running_loop()
    await through(proxy, work)


async def test_four_letter_words_pass(proxy: ZkProxy) -> None:
    reader, writer = await asyncio.open_connection(*proxy.hosts.split(":"))
    writer.write(b"srvr")
    assert b"Mode:" in await reader.read()
    writer.close()


@pytest.mark.parametrize(("phase", "expected"), [(Phase.BEFORE, b"old"), (Phase.AFTER, b"new")])
async def test_a_trap_springs_at_the_chosen_side_of_the_commit(
    proxy: ZkProxy, root: str, direct: Any, phase: Phase, expected: bytes
) -> None:
    sprung: list[bool] = []
    proxy.journal.set_trap(Trap(2, phase, lambda: sprung.append(True)))

    def work(client: Any) -> None:
        client.create(f"{root}/first", b"")
        client.set(root, b"new")

    with pytest.raises(ConnectionLoss):
        await through(proxy, work)
    assert sprung == [True]
    assert direct.get(root)[0] == expected
    assert proxy.journal.sprung is not None
    assert proxy.journal.sprung.target == root
