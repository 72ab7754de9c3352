"""Asking the name service, apart from everything else that uses threads. I/O.

uvloop asks it on the few threads that it does all else on, and goes on asking when nobody waits any more: a few names
whose lookups hang would keep every session of the process from resolving its own.
"""

import asyncio
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from zkoperator.zk.hosts import Address, is_ip

# Threads are started as they are needed. Each name takes one at most, so that many names would have to hang at once.
_THREADS: Final = ThreadPoolExecutor(64, thread_name_prefix="resolver")
_under_way: Final[dict[Address, Future[tuple[str, ...]]]] = {}


async def resolve(address: Address, patience_s: float) -> tuple[str, ...]:
    """Return the IP addresses that a name has now. A lookup that is still under way is awaited, not made again.

    Raises:
        OSError: it has none, or the name service did not answer in time.
        UnicodeError: it is no name.
    """
    if is_ip(address.host):
        return (address.host,)
    async with asyncio.timeout(patience_s):
        # Shielded: others may wait for the same lookup.
        return await asyncio.shield(asyncio.wrap_future(_lookup(address)))


def _lookup(address: Address) -> Future[tuple[str, ...]]:
    lookup = _under_way.get(address)
    if lookup is None:
        lookup = _under_way[address] = _THREADS.submit(_ask, address)
        lookup.add_done_callback(lambda _: _under_way.pop(address))
    return lookup


def _ask(address: Address) -> tuple[str, ...]:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
