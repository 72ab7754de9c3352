"""Who hears an event, and what a session does when a listener is broken."""

import logging

import pytest

from testbed.zookeepers import Ensemble
from tests.support.waiting import eventually
from zkoperator.errors import TransientError
from zkoperator.zk.listeners import Dispatcher
from zkoperator.zk.port import ConnectionState, EventType, SessionLostError, ZnodeEvent
from zkoperator.zk.session import connect


def heard_by(paths: list[str], event_path: str) -> list[str]:
    heard: list[str] = []
    dispatcher = Dispatcher()
    for path in paths:
        dispatcher.add(path, lambda event, path=path: heard.append(path))  # type: ignore[misc]
    dispatcher.dispatch(ZnodeEvent(EventType.CREATED, event_path, 1))
    return heard


def test_an_event_climbs_to_everyone_at_or_above_it_and_to_nobody_else() -> None:
    paths = ["/", "/a", "/a/b", "/a/bc", "/a/b/c/d", "/b"]
    assert heard_by(paths, "/a/b/c") == ["/a/b", "/a", "/"]
    assert heard_by(paths, "/") == ["/"]
    assert heard_by(paths, "/ab") == ["/"]


def test_removing_tells_whether_the_path_has_no_listener_left() -> None:
    dispatcher = Dispatcher()

    def one(event: ZnodeEvent) -> None: ...

    def two(event: ZnodeEvent) -> None: ...

    dispatcher.add("/a", one)
    dispatcher.add("/a", two)
    assert not dispatcher.remove("/a", one)
    assert not dispatcher.remove("/a", one)
    assert dispatcher.remove("/a", two)
    assert not dispatcher.remove("/a", two)


async def test_a_defect_in_a_state_listener_ends_the_session_loudly_and_nobody_waits_for_it(
    zookeeper: Ensemble, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            raise LookupError("defect")

    with caplog.at_level(logging.ERROR):
        zk = connect([zookeeper.hosts])
        zk.on_state(broken)
        await eventually(lambda: zk.state is ConnectionState.CLOSED)
    assert "ended by itself" in caplog.text
    with pytest.raises((SessionLostError, TransientError)):
        await zk.exists("/")
