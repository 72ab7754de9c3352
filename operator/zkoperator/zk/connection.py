"""One TCP connection to one server: frames, the order of replies, pings. It never reconnects; `session.py` does.

`data_received` handles everything in the order of arrival: an event reaches its listener before any later reply
settles, which is why a snapshot of a subtree is provably exact (`subtree_feed.py`).
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from typing_extensions import override

from zkoperator.errors import FieldError, TooLargeError, ZkOperatorError
from zkoperator.zk import wire
from zkoperator.zk.codes import OK, error_of, lost
from zkoperator.zk.port import ZnodeEvent

REPLY_LIMIT_BYTES = 16 * 1024 * 1024
"""The longest frame that is read from a server: a listing of 200,000 children fits in."""
SKIPPED_LIMIT_BYTES = 16 * REPLY_LIMIT_BYTES
"""A longer reply up to this length is skipped, and only its call fails. A still longer one is not from ZooKeeper."""


class Call:
    """One request of a caller and the future of its reply."""

    __slots__ = ("deadline", "future", "request")

    def __init__(self, request: wire.Request, future: asyncio.Future[Any], deadline: float) -> None:
        self.request = request
        self.future = future
        self.deadline = deadline

    def fail(self, error: ZkOperatorError) -> None:
        """Fail the call, unless it was cancelled or answered already."""
        if not self.future.done():
            self.future.set_exception(error)


class Connection(asyncio.Protocol):
    """Speaks to one server from the connect frame to the end of the transport.

    `established` is set to the server's answer to the connect frame, `ended` to the reason why the connection ended.
    The reply to a cancelled call is still matched with it, because replies arrive in the order of the requests.
    """

    def __init__(
        self,
        connect_frames: bytes,
        on_event: Callable[[ZnodeEvent], None],
        on_zxid: Callable[[int], None],
        reply_limit_bytes: int = REPLY_LIMIT_BYTES,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect_frames = connect_frames
        self._on_event = on_event
        self._on_zxid = on_zxid
        self._reply_limit_bytes = reply_limit_bytes
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._missing_bytes = 0
        self._skipping_bytes = 0
        self._outgoing: list[bytes] = []
        self._is_flush_due = False
        self._sent: deque[Call] = deque()
        self._sent_xid = 0
        self._answered_xid = 0
        self._heard_at = self._sent_at = self._loop.time()
        self._ping_timer: asyncio.TimerHandle | None = None
        self.established: asyncio.Future[wire.Established] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.on_end: Callable[[str], None] | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast instead of isinstance, because uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._connect_frames)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.drop("the server closed the connection" if exc is None else _name_of(exc))

    def send(self, call: Call) -> None:
        """Send a request: the first one in an iteration of the event loop at once, all others of it in one write."""
        self._sent_xid = _next_xid(self._sent_xid)
        self._sent.append(call)
        self._write(call.request.frame(self._sent_xid))

    def overdue(self, now: float) -> float | None:
        """Fail the calls whose deadline has passed; return the next deadline, None when no call waits."""
        for call in self._sent:
            if call.future.done():
                continue
            if call.deadline > now:
                return call.deadline
            call.fail(lost(call.request.subject, "no reply within the deadline"))
        return None

    def drop(self, reason: str) -> None:
        """End the connection now; requests that were sent and not answered fail with an unknown outcome."""
        if self.ended.done():
            return
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        if self._transport is not None:
            self._transport.abort()
        self.ended.set_result(reason)
        if self.on_end is not None:
            self.on_end(reason)
        for call in self._sent:
            call.fail(lost(call.request.subject, f"the connection was lost: {reason}"))
        self._sent.clear()

    @override
    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        if self._skipping_bytes:
            skipped = min(self._skipping_bytes, len(data))
            self._skipping_bytes -= skipped
            data = data[skipped:]
        if self._chunks:
            self._chunks.append(data)
            self._missing_bytes -= len(data)
            if self._missing_bytes > 0:
                return
            data = b"".join(self._chunks)
            self._chunks.clear()
        try:
            self._read_frames(data)
        except (struct.error, IndexError, ValueError) as error:
            self.drop(f"unreadable frame ({_name_of(error)})")

    def _read_frames(self, data: bytes) -> None:
        offset, end = 0, len(data)
        while not self.ended.done():
            if end - offset < 4:
                self._keep(data[offset:], missing=1)
                return
            (length,) = wire.length_prefix.unpack_from(data, offset)
            is_skipped = length > self._reply_limit_bytes and self.established.done()
            if not 0 <= length <= (SKIPPED_LIMIT_BYTES if is_skipped else self._reply_limit_bytes):
                self.drop(f"frame of {length} bytes")
                return
            start, offset_after = offset + 4, offset + 4 + length
            needed = start + wire.reply_head.size if is_skipped else offset_after
            if needed > end:
                self._keep(data[offset:], missing=needed - end)
                return
            if is_skipped:
                self._skip(data, start, length)
                self._skipping_bytes = max(0, offset_after - end)
            else:
                self._read_frame(data, start)
            offset = offset_after

    def _keep(self, rest: bytes, missing: int) -> None:
        if rest:
            self._chunks.append(rest)
            self._missing_bytes = missing

    def _read_frame(self, data: bytes, offset: int) -> None:
        if not self.established.done():
            self._establish(wire.decode_established(data, offset))
            return
        xid, zxid, code = wire.reply_head.unpack_from(data, offset)
        offset += wire.reply_head.size
        if xid >= 0:
            self._answer(xid, zxid, code, data, offset)
        elif xid == wire.EVENT_XID:
            event = wire.decode_event(data, offset, zxid)
            if event is not None:
                self._on_event(event)
        elif xid == wire.AUTH_XID and code != OK:
            self.drop("the credential was refused")
        elif zxid > 0:
            self._on_zxid(zxid)

    def _skip(self, data: bytes, offset: int, length: int) -> None:
        """Fail only the call whose reply is too long; other users of the connection are not affected."""
        xid, zxid, _ = wire.reply_head.unpack_from(data, offset)
        call = self._answered(xid, zxid)
        if call is not None:
            message = f"the answer has {length} bytes, at most {self._reply_limit_bytes} are read"
            call.fail(TooLargeError((FieldError(call.request.subject.path, message),)))

    def _answered(self, xid: int, zxid: int) -> Call | None:
        """Return the call that a reply answers; None when it answers none, and the connection was dropped."""
        expected = self._answered_xid = _next_xid(self._answered_xid)
        if xid != expected or not self._sent:
            self.drop(f"reply {xid} where {expected} was due")
            return None
        if zxid > 0:
            self._on_zxid(zxid)
        return self._sent.popleft()

    def _answer(self, xid: int, zxid: int, code: int, data: bytes, offset: int) -> None:
        call = self._answered(xid, zxid)
        if call is None:
            return
        future, request = call.future, call.request
        if future.done():
            return
        if code != OK:
            future.set_exception(error_of(code, request.subject))
            return
        try:
            future.set_result(request.decode(data, offset, zxid))
        except ZkOperatorError as error:
            future.set_exception(error)
        except (struct.error, IndexError, ValueError):
            future.set_exception(lost(request.subject, "unreadable reply"))
            raise

    def _establish(self, answer: wire.Established) -> None:
        self.established.set_result(answer)
        if answer.timeout_ms > 0:
            self._timeout_s = answer.timeout_ms / 1000
            self._arm_ping()

    def _write(self, frame: bytes) -> None:
        if self._is_flush_due:
            self._outgoing.append(frame)
            return
        self._is_flush_due = True
        self._loop.call_soon(self._flush)
        self._send(frame)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            self._send(b"".join(outgoing))

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self.ended.done():
            self._sent_at = self._loop.time()
            self._transport.write(data)

    def _arm_ping(self) -> None:
        due_at = min(self._heard_at + self._timeout_s * 2 / 3, self._sent_at + self._timeout_s / 3)
        due_at = max(due_at, self._loop.time() + self._timeout_s / 20)
        self._ping_timer = self._loop.call_at(due_at, self._ping, due_at)

    def _ping(self, due_at: float) -> None:
        now = self._loop.time()
        # If this process itself was delayed, bytes of the server may lie unread in the kernel: wait one period more.
        held_up = now - due_at > self._timeout_s / 20
        if now - self._heard_at >= self._timeout_s * 2 / 3 and not held_up:
            self.drop("the server went silent")
            return
        if now - self._sent_at >= self._timeout_s / 3:
            self._write(wire.ping_frame())
        self._arm_ping()


def _next_xid(xid: int) -> int:
    return xid + 1 if xid < 0x7FFFFFFF else 1


def _name_of(error: Exception) -> str:
    return f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__
