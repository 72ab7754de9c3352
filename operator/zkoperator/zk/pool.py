"""Shares sessions: one for each ensemble, credential and trust, however many subtrees are read through it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from zkoperator.zk.port import ClientTls, ConnectionState, Credential, Zk, ZkConnector
from zkoperator.zk.session import DEFAULTS, SessionSettings, connect

_Key = tuple[tuple[str, ...], Credential | None, ClientTls | None]


@dataclass(frozen=True, slots=True)
class SessionConnector:
    """The `ZkConnector` that opens real sessions."""

    settings: SessionSettings = DEFAULTS

    async def open(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        """Return a session at once, in state CONNECTING. `InvalidError` for hosts that cannot be used."""
        return connect(hosts, credential=credential, tls=tls, settings=self.settings)


@dataclass(slots=True)
class _Shared:
    key: _Key
    zk: Zk
    leases: int = 0


class SessionPool:
    """Counts the users of each session; the last one to release it closes it."""

    def __init__(self, connector: ZkConnector) -> None:
        self._connector = connector
        self._shared: dict[_Key, _Shared] = {}
        self._opening = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._shared)

    async def lease(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        """Return the session for these members (in any order), this credential and this trust, or open one.

        Every lease is ended by one `release`.
        """
        key = (tuple(sorted(set(hosts))), credential, tls)
        async with self._opening:
            shared = self._shared.get(key)
            if shared is None or shared.zk.state is ConnectionState.CLOSED:
                # Those who still hold a closed session release it later as an unknown one.
                shared = _Shared(key, await self._connector.open(key[0], credential, tls))
                self._shared[key] = shared
        shared.leases += 1
        return shared.zk

    async def release(self, zk: Zk) -> None:
        """End one lease; the end of the last one closes the session. Unknown sessions are ignored."""
        shared = next((entry for entry in self._shared.values() if entry.zk is zk), None)
        if shared is None:
            return
        shared.leases -= 1
        if shared.leases == 0:
            del self._shared[shared.key]
            await zk.close()

    async def close(self) -> None:
        """Close every session, leased or not."""
        leftover = [shared.zk for shared in self._shared.values()]
        self._shared.clear()
        await asyncio.gather(*(zk.close() for zk in leftover))
