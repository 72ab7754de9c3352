"""How the containers of a member's pod resolve names, as in Kubernetes."""

from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.types import is_ip_address
from zkoperator.patterns import DNS_SUBDOMAIN

_IpAddress = Annotated[
    str,
    Field(min_length=2, max_length=45),
    Rules(
        Rule(
            "write an IP address such as 10.0.0.1 or fd00::1",
            cel="isIP(self)",
            holds=is_ip_address,
        )
    ),
]
_HostName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(matching(DNS_SUBDOMAIN, "write a DNS name of lower-case letters, digits, '-' and '.'")),
]


class HostAlias(Model):
    """An entry of the hosts file of all containers."""

    ip: _IpAddress
    """The address."""
    hostnames: Annotated[tuple[_HostName, ...], Field(min_length=1, max_length=16)]
    """Names for the address. Names of members are not allowed."""


class DnsOption(Model):
    """An option of the resolver."""

    name: Annotated[str, Field(min_length=1, max_length=63)]
    """Name of the option, such as `ndots`."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """Value of the option."""


class DnsConfig(Model):
    """What is added to the resolver's configuration, which comes from the name service of the Kubernetes cluster."""

    nameservers: Annotated[tuple[_IpAddress, ...], Field(max_length=2)] | None = None
    """Further name servers."""
    searches: Annotated[tuple[_HostName, ...], Field(max_length=16)] | None = None
    """Further search domains."""
    options: Annotated[tuple[DnsOption, ...], Field(max_length=16)] | None = None
    """Options, which replace those with the same names."""
