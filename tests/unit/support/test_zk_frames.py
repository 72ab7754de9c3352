"""Frames written by an independent client are read back as what they are."""

import struct

import pytest
from kazoo.protocol.serialization import (
    CheckVersion,
    Create,
    Delete,
    GetChildren,
    GetData,
    Ping,
    Reconfig,
    SetData,
    Transaction,
)
from kazoo.security import OPEN_ACL_UNSAFE

from tests.support.faults.proxies import zk_frames


def frame(xid: int, request: object) -> bytes:
    body = struct.pack("!ii", xid, request.type) + (request.serialize() if hasattr(request, "serialize") else b"")  # type: ignore[attr-defined]
    return struct.pack("!i", len(body)) + body


@pytest.mark.parametrize(
    ("request_", "op", "paths"),
    [
        (Create("/a/b", b"x", OPEN_ACL_UNSAFE, 0), "create", ("/a/b",)),
        (SetData("/ü", b"x", 3), "set", ("/ü",)),
        (Delete("/a", 1), "delete", ("/a",)),
        (GetData("/a", None), "get", ("/a",)),
        (GetChildren("/a", None), "children", ("/a",)),
        (Reconfig("", "4", "", 7), "reconfig", ("/zookeeper/config",)),
        (Ping, "ping", ()),
    ],
)
def test_a_request_names_its_operation_and_path(request_: object, op: str, paths: tuple[str, ...]) -> None:
    parsed = zk_frames.parse_request(frame(9, request_))
    assert (parsed.op, parsed.paths, parsed.xid) == (op, paths, 9)


def test_a_multi_names_each_of_its_operations() -> None:
    operations = [
        CheckVersion("/a", 1),
        Create("/a/b", b"data", [*OPEN_ACL_UNSAFE, *OPEN_ACL_UNSAFE], 0),
        SetData("/a/c", None, -1),
        Delete("/a/d", 0),
        SetData("/a/e", b"", 0),
    ]
    parsed = zk_frames.parse_request(frame(1, Transaction(operations)))
    assert parsed.operations == ("check", "create", "set", "delete", "set")
    assert parsed.paths == ("/a", "/a/b", "/a/c", "/a/d", "/a/e")
    assert parsed.mutates


def test_a_notification_names_its_change() -> None:
    path = b"/a/b"
    body = struct.pack("!iqi", -1, 77, 0) + struct.pack("!iii", 3, 3, len(path)) + path
    parsed = zk_frames.parse_notification(struct.pack("!i", len(body)) + body)
    assert parsed == zk_frames.ZkNotification("data_changed", "/a/b", 77)


@pytest.mark.parametrize("operation", [GetData("/a", None), Ping])
def test_reads_are_no_writes(operation: object) -> None:
    assert not zk_frames.parse_request(frame(1, operation)).mutates
