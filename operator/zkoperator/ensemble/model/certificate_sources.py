"""What the certificates of a cluster come from, as one pass has read it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from zkoperator.kube.port import Manifest
from zkoperator.pki.authority import Authority
from zkoperator.pki.certificates import Certificate
from zkoperator.pki.delivered import Delivered
from zkoperator.pki.files import File, Held


@dataclass(frozen=True, slots=True)
class Version:
    """The version of an object that was read. A write that is conditional on it changes no other version."""

    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class CertificateSources:
    """The files of members, the operator's own CAs, and what others have delivered.

    `tls_secret` and `ca_secret` are the versions of the two Secrets, None while there is none. `last_generation` is the
    highest number of a generation that is known from anywhere. `published` is what the ConfigMap for clients holds, and
    `config_map` its version. `clients` are the CAs of clients, None while they are refused. `requests` are the
    Certificates of cert-manager as they are, `unanswerable` those that cert-manager cannot issue at present.
    """

    now: datetime
    held: Held = field(default=Held(), repr=False)
    files: frozenset[str] = frozenset()
    tls_secret: Version | None = None
    ca_secret: Version | None = None
    authorities: tuple[Authority, ...] = ()
    last_generation: int = 0
    delivered: Mapping[File, Delivered] = field(default_factory=dict, repr=False)
    clients: tuple[Certificate, ...] | None = ()
    published: str = ""
    config_map: Version | None = None
    requests: Mapping[File, Manifest] = field(default_factory=dict)
    unanswerable: frozenset[File] = frozenset()
