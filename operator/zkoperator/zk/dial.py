"""Finds a server that takes the session: members in random order, names resolved anew at each attempt."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from ssl import SSLContext

from zkoperator.zk import wire
from zkoperator.zk.connection import Connection
from zkoperator.zk.hosts import Address
from zkoperator.zk.port import Credential, ZnodeEvent
from zkoperator.zk.resolver import resolve


@dataclass(slots=True)
class Identity:
    """What the servers know the session by; `session_id` 0 asks for a new one."""

    session_id: int = 0
    password: bytes = wire.NEW_SESSION_PASSWORD
    last_zxid: int = 0
    timeout_s: float = 0.0

    def renew(self) -> None:
        """Forget an expired session; the next connect frame asks for another."""
        self.session_id, self.password = 0, wire.NEW_SESSION_PASSWORD

    def heard(self, zxid: int) -> None:
        """Remember the highest zxid: a server that is behind it refuses the session instead of showing the past."""
        self.last_zxid = max(self.last_zxid, zxid)


@dataclass(frozen=True, slots=True)
class DialSettings:
    """The limits of one attempt."""

    session_timeout_s: float
    connect_timeout_s: float
    reply_limit_bytes: int


class Dialer:
    """Opens connections for one session.

    `server` is the last one that took it; `problem` says why the last attempt failed, without any secret.
    """

    def __init__(
        self,
        addresses: tuple[Address, ...],
        credential: Credential | None,
        ssl: SSLContext | None,
        settings: DialSettings,
    ) -> None:
        self.addresses = addresses
        self.identity = Identity()
        self.problem = "no attempt was made yet"
        self.server: Address | None = None
        self._credential = credential
        self._ssl = ssl
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._connected_at = self._loop.time()
        self._was_refused = False

    def lost(self, reason: str) -> None:
        """Note the end of a connection, from which the session's expiry is counted."""
        self.problem = reason
        self._connected_at = self._loop.time()

    async def dial(self, on_event: Callable[[ZnodeEvent], None]) -> Connection | None:
        """Try every address of every member once; None when none of them took the session."""
        self._was_refused = False
        for address in self._in_order():
            for resolved in await self._resolve(address):
                connection = await self._open_session(address, resolved, on_event)
                if connection is not None:
                    return connection
        self._drop_zxid_floor()
        return None

    def _in_order(self) -> list[Address]:
        """Shuffle, and put the server that was lost last at the end: it may be hung, and the session's time runs."""
        shuffled = random.sample(self.addresses, len(self.addresses))
        return sorted(shuffled, key=lambda address: address == self.server)

    def _drop_zxid_floor(self) -> None:
        """Drop the zxid floor when servers refuse us for longer than the session can live.

        A restored or replaced ensemble is behind the highest zxid that this session saw and would refuse it for ever
        (`ZooKeeperServer.processConnectRequest`); that it went backwards is for the reader of snapshots to judge.
        """
        outage_s = self._loop.time() - self._connected_at
        if self._was_refused and outage_s > max(self.identity.timeout_s, self._settings.session_timeout_s):
            self.identity.last_zxid = 0

    async def _resolve(self, address: Address) -> list[tuple[str, int]]:
        try:
            found = await resolve(address, self._settings.connect_timeout_s)
        except (OSError, UnicodeError):
            self.problem = f"{address}: the name does not resolve"
            return []
        return [(host, address.port) for host in random.sample(found, len(found))]

    async def _open_session(
        self, address: Address, resolved: tuple[str, int], on_event: Callable[[ZnodeEvent], None]
    ) -> Connection | None:
        """Connect and offer the session; once more with a new one when the server says that it has expired."""
        for _ in range(2):
            connection = Connection(
                self._connect_frames(), on_event, self.identity.heard, self._settings.reply_limit_bytes
            )
            answer = await self._await_answer(address, resolved, connection)
            if answer is None:
                return None
            if answer.timeout_ms > 0:
                self._adopt(answer, address)
                return connection
            connection.drop("the session expired")
            self.identity.renew()
        return None

    def _adopt(self, answer: wire.Established, address: Address) -> None:
        identity = self.identity
        identity.session_id, identity.password = answer.session_id, answer.password
        identity.timeout_s = answer.timeout_ms / 1000
        self.server = address

    async def _await_answer(
        self, address: Address, resolved: tuple[str, int], connection: Connection
    ) -> wire.Established | None:
        try:
            async with asyncio.timeout(self._attempt_timeout_s()):
                await self._open(address, resolved, connection)
                await asyncio.wait((connection.established, connection.ended), return_when="FIRST_COMPLETED")
        except TimeoutError:
            connection.drop("no answer in time")
        except OSError as error:
            connection.drop(error.strerror or type(error).__name__)
        except asyncio.CancelledError:
            connection.drop("closed")
            raise
        if connection.established.done():
            # Also when the server closed right behind it: an expired session would be offered for ever otherwise.
            return connection.established.result()
        self.problem = f"{address}: {connection.ended.result()}"
        return None

    def _attempt_timeout_s(self) -> float:
        """A short session leaves no time to wait long for one server."""
        limits = self._settings
        return min(limits.connect_timeout_s, max(1.0, limits.session_timeout_s / 3))

    async def _open(self, address: Address, resolved: tuple[str, int], connection: Connection) -> None:
        host, port = resolved
        server_hostname = address.host if self._ssl is not None else None
        await self._loop.create_connection(
            lambda: connection, host, port, ssl=self._ssl, server_hostname=server_hostname
        )
        self._was_refused = True

    def _connect_frames(self) -> bytes:
        identity = self.identity
        frame = wire.connect_frame(
            last_zxid=identity.last_zxid,
            timeout_ms=round(self._settings.session_timeout_s * 1000),
            session_id=identity.session_id,
            password=identity.password,
        )
        return frame if self._credential is None else frame + wire.auth_frame(self._credential)
