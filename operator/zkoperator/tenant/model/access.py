"""How the operator gets at an ensemble, and how the tenant does. Pure."""

from dataclasses import dataclass

from zkoperator.zk.port import Acl, ClientTls, Credential


@dataclass(frozen=True, slots=True)
class Door:
    """An ensemble as the operator connects to it.

    Args:
        hosts: `host:port` of each member.
        superuser: as whom.
        tls: None for no TLS.
        endpoint: `host:port` of the Service for clients.
        enforces_quotas: whether its configuration says so.
    """

    hosts: tuple[str, ...]
    superuser: Credential
    tls: ClientTls | None
    endpoint: str
    enforces_quotas: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """The ACL of the znode, as the Secrets say."""

    acl: tuple[Acl, ...]
