"""The socket on which a proxy listens: on loopback, or on a host in a network namespace of its own.

A socket stays in the namespace in which it was made, so a proxy can be reached there alone and still forward to servers
on the machine's loopback.
"""

import contextlib
import socket

from testbed.network import inside


def listening(address: str, port: int, netns: str = "") -> socket.socket:
    """A socket that accepts connections; port 0 takes a free one."""
    with inside(netns) if netns else contextlib.nullcontext():
        return socket.create_server((address, port))
