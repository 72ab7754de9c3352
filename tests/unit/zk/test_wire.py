import struct

import pytest

from zkoperator.errors import ForbiddenError, InvalidError, TransientError, UnknownOutcomeError, ZkOperatorError
from zkoperator.zk import port, wire
from zkoperator.zk.codes import Subject, error_of
from zkoperator.zk.config_version import config_version


def test_a_credential_never_shows_its_password() -> None:
    credential = port.Credential("alice", "wonder")
    assert "wonder" not in repr(credential) + str(credential) + repr({credential: 1})


def test_an_unknown_code_is_an_unknown_outcome_for_a_write_and_nothing_worse_for_a_read() -> None:
    for code in (-1, -2, -3, -4, -7, -122, -126, -999, 17):
        assert type(error_of(code, Subject("/a", True))) is UnknownOutcomeError
        assert type(error_of(code, Subject("/a", False))) is TransientError


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-101, port.NoNodeError),
        (-102, ForbiddenError),
        (-103, port.BadVersionError),
        (-108, InvalidError),
        (-110, port.NodeExistsError),
        (-111, port.NotEmptyError),
        (-112, port.SessionLostError),
        (-13, port.NewConfigNoQuorumError),
        (-14, port.ReconfigInProgressError),
    ],
)
def test_known_codes_have_their_own_error_that_names_the_path(code: int, kind: type[ZkOperatorError]) -> None:
    error = error_of(code, Subject("/some/path", True))
    assert error.brief.startswith("ZooKeeper: ")
    assert "/some/path" not in error.brief
    assert type(error) is kind
    assert "/some/path" in str(error)


def test_the_culprit_of_a_failed_multi_is_neither_the_rolled_back_nor_the_ones_behind_it() -> None:
    request = wire.multi([port.Check("/a", 0), port.Check("/b", 0), port.Check("/c", 0)])
    body = b"".join(struct.pack("!iBii", -1, 0, code, code) for code in (0, -103, -2))
    with pytest.raises(port.MultiError) as caught:
        request.decode(body + struct.pack("!iBi", -1, 1, -1), 0, 7)
    assert caught.value.index == 1
    assert isinstance(caught.value.cause, port.BadVersionError)
    assert "/b" in str(caught.value)


def test_a_frame_says_its_own_length() -> None:
    for request in (
        wire.get("/ü"),
        wire.multi([port.Delete("/a", 1)]),
        wire.close(),
        wire.add_watch("/", recursive=True),
    ):
        frame = request.frame(5)
        assert struct.unpack("!i", frame[:4])[0] == len(frame) - 4 == request.frame_bytes


def test_null_data_reads_as_empty() -> None:
    node = wire.get("/a").decode(struct.pack("!i", -1) + bytes(68), 0, 9)
    assert (node.data, node.zxid) == (b"", 9)


def test_state_notifications_are_no_znode_events() -> None:
    body = struct.pack("!ii", -1, 3) + struct.pack("!i", 0)
    assert wire.decode_event(body, 0, -1) is None


def test_the_version_of_a_configuration_is_hexadecimal_and_none_where_none_is_stated() -> None:
    assert config_version("server.1=a:1:2\nversion=100000002\n") == 0x100000002
    assert config_version("server.1=a:1:2") is None
