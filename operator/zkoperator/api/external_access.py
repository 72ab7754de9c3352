"""External access: Services by which clients outside the Kubernetes cluster reach an ensemble."""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.scheduling import Annotations
from zkoperator.api.tls import Plaintext
from zkoperator.api.types import is_ip_address

MAX_MEMBERS: Final = 9
"""Members that may have a Service of their own: as many as there may be voters."""
ORDINAL: Final = "{ordinal}"
"""In names for members: the ordinal of the member's pod."""
DNS_ANNOTATION: Final = "external-dns.alpha.kubernetes.io/hostname"
"""Annotation by which external-dns learns the names of a Service."""

_UNIT = r"([a-z0-9]|\{ordinal\})"
_LABEL = rf"{_UNIT}((-|{_UNIT})*{_UNIT})?"
_HIGHEST_PORT = 65535 - (MAX_MEMBERS - 1)


class ExternalAccessType(StrEnum):
    """Type of the Services."""

    LOAD_BALANCER = "LoadBalancer"
    NODE_PORT = "NodePort"


def _is_range(text: str) -> bool:
    """Whether the text is a range of addresses, as `isCIDR` of the API server says."""
    address, _, length = text.partition("/")
    bits = 128 if ":" in address else 32
    return is_ip_address(address) and re.fullmatch("0|[1-9][0-9]{0,2}", length) is not None and int(length) <= bits


SourceRange = Annotated[
    str,
    Field(min_length=3, max_length=49),
    Rules(
        Rule(
            "write a range of addresses such as 203.0.113.0/24 or 2001:db8::/32; one address is 203.0.113.7/32",
            cel="isCIDR(self)",
            holds=_is_range,
        )
    ),
]


class NodePorts(Model):
    """Ports on each node."""

    plaintext: Annotated[int, Field(ge=1, le=_HIGHEST_PORT)] | None = None
    """For clients without TLS. With `perMember` that of the first member; the next ones have the ports after it."""
    tls: Annotated[int, Field(ge=1, le=_HIGHEST_PORT)] | None = None
    """For clients with TLS. With `perMember` that of the first member; the next ones have the ports after it."""


def _are_apart(access: "ExternalAccess") -> bool:
    ports = access.node_ports
    if ports is None or ports.plaintext is None or ports.tls is None:
        return True
    return abs(ports.plaintext - ports.tls) >= (MAX_MEMBERS if access.per_member else 1)


class ExternalAccess(Model):
    """Services that lead clients from outside the Kubernetes cluster to the voters."""

    rules: ClassVar = (
        Rule(
            "remove it, or write type: LoadBalancer: Kubernetes filters the sources of load balancers alone; for node "
            "ports set up a firewall",
            field="sourceRanges",
            cel="self.type == 'LoadBalancer' || !has(self.sourceRanges) || self.sourceRanges.size() == 0",
            holds=lambda access: access.type is ExternalAccessType.LOAD_BALANCER or not access.source_ranges,
        ),
        Rule(
            "remove it, or write type: NodePort: clients of a load balancer use port 2281, or 2181 without TLS",
            field="nodePorts",
            cel="self.type == 'NodePort' || !has(self.nodePorts)",
            holds=lambda access: access.type is ExternalAccessType.NODE_PORT or access.node_ports is None,
        ),
        Rule(
            f"write plaintext and tls that differ, with perMember by at least {MAX_MEMBERS}: each member then has the "
            "port of its ordinal after these",
            field="nodePorts",
            cel="!has(self.nodePorts) || !has(self.nodePorts.plaintext) || !has(self.nodePorts.tls)"
            f" || self.nodePorts.plaintext - self.nodePorts.tls >= (self.perMember ? {MAX_MEMBERS} : 1)"
            f" || self.nodePorts.tls - self.nodePorts.plaintext >= (self.perMember ? {MAX_MEMBERS} : 1)",
            holds=_are_apart,
        ),
        Rule(
            "write {ordinal} in it, such as zk-{ordinal}.example.com: with perMember each member needs a name of its "
            "own",
            field="hostnames",
            cel=f"!self.perMember || !has(self.hostnames) || self.hostnames.contains('{ORDINAL}')",
            holds=lambda access: not access.per_member or access.hostnames is None or ORDINAL in access.hostnames,
        ),
        Rule(
            f"remove {DNS_ANNOTATION}: hostnames writes it",
            field="annotations",
            cel=f"!has(self.hostnames) || !has(self.annotations) || !('{DNS_ANNOTATION}' in self.annotations)",
            holds=lambda access: access.hostnames is None or DNS_ANNOTATION not in access.annotations,
        ),
    )

    type: ExternalAccessType
    """`LoadBalancer`: a load balancer of the platform. `NodePort`: a port on each node."""
    per_member: bool = False
    """False: one Service, `<name>-zk-external`, for all voters; a client needs no more. True: one for each voter
    instead, `<name>-zk-external-<ordinal>`, each with an address of its own."""
    annotations: Annotations = Field(default_factory=dict)
    """Annotations for these Services, such as those for a load balancer."""
    source_ranges: Annotated[tuple[SourceRange, ...], Field(max_length=64)] = ()
    """Addresses that the load balancer lets in. The default: all."""
    hostnames: (
        Annotated[
            str,
            Field(min_length=1, max_length=200),
            Rules(
                matching(
                    rf"{_LABEL}(\.{_LABEL})*",
                    "write a DNS name such as zk.example.com or zk-{ordinal}.example.com: lower-case letters, digits, "
                    "'-', '.' and {ordinal}",
                )
            ),
        ]
        | None
    ) = None
    """Name by which clients come, for external-dns, for `status.externalHosts` and for the certificate of TLS.
    `{ordinal}` stands for the ordinal of each voter."""
    plaintext: Plaintext = Plaintext.REFUSED
    """`Refused`: these Services lead to the TLS port alone, which needs `spec.tls.client`. `Allowed`: they lead to port
    2181 as well. Whoever reaches it may then read and write every znode without an ACL, and sees what others do."""
    node_ports: NodePorts | None = None
    """Ports on each node, with `type: NodePort`. The default: Kubernetes chooses free ones."""

    def hostnames_of(self, ordinals: Iterable[int]) -> tuple[str, ...]:
        """Return the names by which clients come to these members, each once; none without `hostnames`."""
        pattern = self.hostnames or ""
        return tuple(dict.fromkeys(pattern.replace(ORDINAL, str(ordinal)) for ordinal in ordinals)) if pattern else ()


def _hides_outside(spec: Any) -> bool:
    """Whether clients from outside have TLS, or somebody has said that they need none."""
    access, tls = spec.external_access, spec.tls
    return access is None or access.plaintext is Plaintext.ALLOWED or (tls is not None and tls.client is not None)


def _agrees_on_plaintext(spec: Any) -> bool:
    access, client = spec.external_access, spec.tls.client if spec.tls is not None else None
    refused = client is not None and client.plaintext is Plaintext.REFUSED
    return access is None or access.plaintext is Plaintext.REFUSED or not refused


EXTERNAL_RULES: Final = (
    Rule(
        "write Allowed, or write spec.tls.client: without TLS whoever reaches the ensemble from outside reads and "
        "writes every znode without an ACL, and passwords can be read on the way",
        field="externalAccess.plaintext",
        cel="!has(self.externalAccess) || self.externalAccess.plaintext == 'Allowed'"
        " || (has(self.tls) && has(self.tls.client))",
        holds=_hides_outside,
    ),
    Rule(
        "write Refused: spec.tls.client.plaintext refuses it to everybody",
        field="externalAccess.plaintext",
        cel="!has(self.externalAccess) || self.externalAccess.plaintext == 'Refused'"
        " || !has(self.tls) || !has(self.tls.client) || self.tls.client.plaintext == 'Allowed'",
        holds=_agrees_on_plaintext,
    ),
)
"""Rules on the whole spec of a cluster."""
