"""Resolves host names on threads of its own. I/O.

uvloop resolves names on the few threads that it uses for everything else, and does not stop when nobody waits any
more: a few lookups that hang would keep every session of the process from resolving its hosts.
"""

import asyncio
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from zkoperator.zk.hosts import Address, is_ip

# Threads start when they are needed. A name occupies at most one, so only many hanging names could use all of them.
_THREADS: Final = ThreadPoolExecutor(64, thread_name_prefix="resolver")
_running: Final[dict[Address, Future[tuple[str, ...]]]] = {}


async def resolve(address: Address, timeout_s: float) -> tuple[str, ...]:
    """Return the present IP addresses of a name. A lookup that still runs is awaited instead of started again.

    Raises:
        OSError: the name has no address, or the name service did not answer in time.
        UnicodeError: the host is not a valid name.
    """
    if is_ip(address.host):
        return (address.host,)
    async with asyncio.timeout(timeout_s):
        # Shielded, because other callers may wait for the same lookup.
        return await asyncio.shield(asyncio.wrap_future(_start_lookup(address)))


def _start_lookup(address: Address) -> Future[tuple[str, ...]]:
    lookup = _running.get(address)
    if lookup is None:
        lookup = _running[address] = _THREADS.submit(_get_addresses, address)
        lookup.add_done_callback(lambda _: _running.pop(address))
    return lookup


def _get_addresses(address: Address) -> tuple[str, ...]:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
