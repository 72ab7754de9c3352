"""Which outside hosts a ConfigSync may name, and which addresses these hosts must not have. Pure."""

import ipaddress
from collections.abc import Iterable
from enum import IntEnum

from zkoperator.zk.hosts import Address, is_ip


class Permission(IntEnum):
    """How an allow-list permits a host. Only an entry with the exact name permits protected addresses."""

    NONE = 0
    BY_PATTERN = 1
    BY_NAME = 2


def permission_of(address: Address, allowed: Iterable[str]) -> Permission:
    """Return how the allow-list permits an address. Its entries are `host` or `*.domain`, with or without `:port`."""
    return max((_match(address, entry.lower()) for entry in allowed), default=Permission.NONE)


def protected_reason(resolved: str, protected: frozenset[str]) -> str | None:
    """Return why the operator must not connect to a resolved address, None when it may."""
    ip = ipaddress.ip_address(resolved.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if str(ip) in protected:
        return "the Kubernetes API server"
    if ip.is_loopback:
        return "a loopback address"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_unspecified or ip.is_multicast:
        return "no address of a server"
    return None


def _match(address: Address, entry: str) -> Permission:
    host, name = address.host.lower().rstrip("."), entry
    if entry.endswith(f":{address.port}") and not is_ip(entry):
        name = entry.rpartition(":")[0]
    name = name.removeprefix("[").removesuffix("]")
    if name == host:
        return Permission.BY_NAME
    if name.startswith("*.") and host.endswith(name[1:]) and len(host) > len(name) - 1:
        return Permission.BY_PATTERN
    return Permission.NONE
