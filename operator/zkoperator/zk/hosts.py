"""Addresses of an ensemble as people write them. Pure."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from zkoperator.errors import FieldError, InvalidError

DEFAULT_CLIENT_PORT = 2181


class Address(NamedTuple):
    """Where one member serves clients; `host` is a name or an address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_ip(host: str) -> bool:
    """Return whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def parse_hosts(hosts: Sequence[str]) -> tuple[Address, ...]:
    """Return the addresses of `host:port` entries (port 2181 when it is left out).

    Raises:
        InvalidError: with every entry that cannot be used, a chroot suffix included.
    """
    if not hosts:
        raise InvalidError((FieldError("hosts", "name at least one host:port"),))
    parsed = [_parse(entry.strip()) for entry in hosts]
    errors = tuple(item for item in parsed if isinstance(item, FieldError))
    if errors:
        raise InvalidError(errors)
    return tuple(item for item in parsed if isinstance(item, Address))


def _parse(entry: str) -> Address | FieldError:
    if "/" in entry:
        return FieldError("hosts", f"{entry!r}: a chroot suffix is not supported; write full paths instead")
    host, separator, port = entry.rpartition(":")
    if not separator or (host.count(":") and not host.endswith("]")):
        host, port = entry, str(DEFAULT_CLIENT_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        return FieldError("hosts", f"{entry!r}: write host:port with a port from 1 to 65535")
    return Address(host, int(port))
