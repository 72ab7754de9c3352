"""Connects to a server that accepts the session: members in random order, names resolved again at each attempt."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from zkoperator.zk import wire
from zkoperator.zk.connection import Connection
from zkoperator.zk.hosts import Address
from zkoperator.zk.port import ClientTls, Credential, ZnodeEvent
from zkoperator.zk.resolver import resolve
from zkoperator.zk.tls import context_of, server_name

_NAMED = 3
"""Number of members whose problem the text names."""


@dataclass(slots=True)
class Identity:
    """What identifies the session to the servers; `session_id` 0 asks for a new one."""

    session_id: int = 0
    password: bytes = wire.NEW_SESSION_PASSWORD
    last_zxid: int = 0
    timeout_s: float = 0.0

    def renew(self) -> None:
        """Forget an expired session; the next connect frame asks for a new one."""
        self.session_id, self.password = 0, wire.NEW_SESSION_PASSWORD

    def heard(self, zxid: int) -> None:
        """Remember the highest zxid: a server that is behind it refuses the session and cannot show an older state."""
        self.last_zxid = max(self.last_zxid, zxid)


@dataclass(frozen=True, slots=True)
class DialSettings:
    """The limits of one attempt."""

    session_timeout_s: float
    connect_timeout_s: float
    reply_limit_bytes: int


class Dialer:
    """Opens connections for one session.

    `server` is the last one that accepted it. `problem` is the reason why there is no connection, without any secret:
    that of each member in the order of their names, so that the text stays the same while nothing changes.
    """

    def __init__(
        self,
        addresses: tuple[Address, ...],
        credential: Credential | None,
        tls: ClientTls | None,
        settings: DialSettings,
    ) -> None:
        self.addresses = addresses
        self.identity = Identity()
        self.problem = "no attempt was made yet"
        self.server: Address | None = None
        self._credential = credential
        self._tls = tls
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._connected_at = self._loop.time()
        self._was_refused = False
        self._problems: dict[Address, str] = {}

    def lost(self, reason: str) -> None:
        """Note the end of a connection; the session expires a timeout later."""
        self.problem = reason
        self._connected_at = self._loop.time()

    async def dial(self, on_event: Callable[[ZnodeEvent], None]) -> Connection | None:
        """Try every address of every member once; None when none of them accepted the session."""
        self._was_refused = False
        self._problems = {}
        for address in self._in_order():
            for resolved in await self._resolve(address):
                connection = await self._open_session(address, resolved, on_event)
                if connection is not None:
                    return connection
        self.problem = _summary(self._problems)
        self._drop_zxid_floor()
        return None

    def _in_order(self) -> list[Address]:
        """Shuffle, and try the server that was lost last at the end: it may hang, and the session's timeout runs."""
        shuffled = random.sample(self.addresses, len(self.addresses))
        return sorted(shuffled, key=lambda address: address == self.server)

    def _drop_zxid_floor(self) -> None:
        """Forget the highest zxid when servers refuse us for longer than the session can live.

        A restored or replaced ensemble is behind the highest zxid that this session saw and would refuse it for ever
        (`ZooKeeperServer.processConnectRequest`). The readers of snapshots detect that the ensemble went backwards.
        """
        outage_s = self._loop.time() - self._connected_at
        if self._was_refused and outage_s > max(self.identity.timeout_s, self._settings.session_timeout_s):
            self.identity.last_zxid = 0

    async def _resolve(self, address: Address) -> list[tuple[str, int]]:
        try:
            found = await resolve(address, self._settings.connect_timeout_s)
        except (OSError, UnicodeError):
            self._problems[address] = "the name does not resolve"
            return []
        return [(host, address.port) for host in random.sample(found, len(found))]

    async def _open_session(
        self, address: Address, resolved: tuple[str, int], on_event: Callable[[ZnodeEvent], None]
    ) -> Connection | None:
        """Connect and offer the session; if the server answers that it has expired, connect again with a new one."""
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
            # Also when the server closed right after it: otherwise an expired session would be offered for ever.
            return connection.established.result()
        self._problems[address] = connection.ended.result()
        return None

    def _attempt_timeout_s(self) -> float:
        """Return how long one server may take: a session with a short timeout must reach several servers within it."""
        limits = self._settings
        return min(limits.connect_timeout_s, max(1.0, limits.session_timeout_s / 3))

    async def _open(self, address: Address, resolved: tuple[str, int], connection: Connection) -> None:
        host, port = resolved
        name = server_name(self._tls, address.host)
        await self._loop.create_connection(
            lambda: connection, host, port, ssl=context_of(self._tls), server_hostname=name
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


def _summary(problems: dict[Address, str]) -> str:
    texts = [f"{address}: {problem}" for address, problem in sorted(problems.items())]
    more = [f"{len(texts) - _NAMED} more do not answer"] if len(texts) > _NAMED else []
    return "; ".join([*texts[:_NAMED], *more])
