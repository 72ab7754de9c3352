"""TLS of an ensemble: the fields of both kinds about it."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.types import ObjectName
from zkoperator.patterns import DNS_SUBDOMAIN

Duration = Annotated[
    str,
    Field(max_length=16),
    Rules(matching(r"[1-9][0-9]{0,5}[hm]", "write hours or minutes, such as 2160h (90 days) or 90m")),
]

DnsName = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(matching(rf"(\*\.)?{DNS_SUBDOMAIN}", "write a DNS name such as zk.example.com or *.zk.example.com")),
]


class SelfSigned(Model):
    """A certificate from a certificate authority that the operator makes for this cluster alone."""

    duration: Duration = "2160h"
    """How long a certificate is valid. It is renewed when two thirds of that have passed."""


class IssuerRef(Model):
    """An issuer of cert-manager."""

    name: ObjectName
    """Name of the issuer."""
    kind: Annotated[str, Field(min_length=1, max_length=63)] = "Issuer"
    """Kind of the issuer, such as `Issuer` or `ClusterIssuer`."""
    group: Annotated[str, Field(min_length=1, max_length=253)] = "cert-manager.io"
    """API group of the issuer."""


class CertificateSource(Model):
    """Where a certificate comes from: exactly one of the fields."""

    rules: ClassVar = (
        Rule(
            "write exactly one of selfSigned (the operator's own authority), secretName (a Secret of yours) and "
            "issuerRef (an issuer of cert-manager)",
            cel="[has(self.selfSigned), has(self.secretName), has(self.issuerRef)].filter(x, x).size() == 1",
            holds=lambda source: (
                sum(part is not None for part in (source.self_signed, source.secret_name, source.issuer_ref)) == 1
            ),
        ),
    )

    self_signed: SelfSigned | None = None
    """The operator makes a certificate authority for this cluster, and the certificate."""
    secret_name: ObjectName | None = None
    """Secret of type `kubernetes.io/tls` in the same namespace, with `ca.crt` beside `tls.crt` and `tls.key`."""
    issuer_ref: IssuerRef | None = None
    """The operator makes a Certificate of cert-manager with this issuer."""


class Authentication(StrEnum):
    """Whether clients must show a certificate at the TLS port."""

    NONE = "None"
    OPTIONAL = "Optional"
    REQUIRED = "Required"


class Plaintext(StrEnum):
    """Whether clients may connect without TLS."""

    ALLOWED = "Allowed"
    REFUSED = "Refused"


class ClientTls(Model):
    """The TLS port for clients, 2281."""

    certificate: CertificateSource
    """Where the members' certificate comes from."""
    additional_names: Annotated[tuple[DnsName, ...], Field(max_length=16)] = ()
    """Further DNS names for the certificate, with `selfSigned` and `issuerRef`."""
    authentication: Authentication = Authentication.NONE
    """Whether clients must show a certificate. `Optional`: a certificate that is shown must be valid."""
    trusted_ca_secret_name: Annotated[ObjectName | None, Field(alias="trustedCASecretName")] = None
    """Secret whose `ca.crt` has the authorities of client certificates. The default is that of the certificate."""
    plaintext: Plaintext
    """`Allowed`: clients may use port 2181 without TLS as well. `Refused`: nobody outside the pod can. There is no
    default, so that nobody is cut off by accident."""


class QuorumTls(Model):
    """TLS between members, at the quorum and election ports."""

    certificate: CertificateSource | None = None
    """Where the members' certificate comes from. The default is `selfSigned`: then only members of this cluster have
    one."""

    @property
    def source(self) -> CertificateSource:
        """Where the certificate comes from, the default included."""
        return self.certificate or CertificateSource(self_signed=SelfSigned())


class Tls(Model):
    """TLS of the ensemble. Each part can be turned on and off while the ensemble serves."""

    client: ClientTls | None = None
    """The TLS port for clients. Without this field there is none."""
    quorum: QuorumTls | None = None
    """TLS between members. Without this field there is none. `{}` is recommended."""


_Time = Annotated[str, Field(max_length=64)]
_Text = Annotated[str, Field(max_length=512)]


class ClientTlsStatus(Model):
    """The TLS port for clients."""

    not_after: _Time = ""
    """When the members' certificate ends; it is renewed before."""
    issuer: _Text = ""
    """Issuer of the members' certificate."""
    members: Annotated[int, Field(ge=0)] = 0
    """Members with a TLS port."""
    plaintext_clients: Annotated[int, Field(ge=0)] = 0
    """Connections of clients without TLS, counted twice a minute while `plaintext` is `Allowed`. The operator and
    probes do not count, and short connections may be missed: `zk_non_mtls_remote_conn_count` of each member counts
    every one since its start."""
    endpoint: _Text = ""
    """Address of the client Service for TLS, `host:port`; empty until all members have the port."""
    hosts: Annotated[str, Field(max_length=4096)] = ""
    """Connect string for TLS with the address of each voter; empty until all members have the port."""
    external_hosts: Annotated[str, Field(max_length=4096)] | None = None
    """Connect string for TLS for clients outside the Kubernetes cluster; absent without `spec.externalAccess`, and
    until all members have the port."""


class QuorumTlsStatus(Model):
    """TLS between members."""

    not_after: _Time = ""
    """When the members' certificate ends; it is renewed before."""
    issuer: _Text = ""
    """Issuer of the members' certificate."""


class TlsStatus(Model):
    """TLS of the ensemble, as it is."""

    phase: Annotated[str, Field(max_length=64)] = ""
    """TLS between members: `QuorumPlaintext`, `TLSQuorumAccepted`, `PlaintextQuorumAccepted` or `QuorumTLS`."""
    client: ClientTlsStatus | None = None
    """The TLS port for clients."""
    quorum: QuorumTlsStatus | None = None
    """TLS between members."""
    ca_bundle: Annotated[ObjectName | None, Field(alias="caBundle")] = None
    """ConfigMap whose `ca.crt` has the authorities by which clients verify members."""


class ZooKeeperTls(Model):
    """TLS of the connection to the ensemble."""

    ca_secret_name: ObjectName | None = None
    """Secret whose `ca.crt` has the authorities of the members' certificates; with `hosts` only."""
    certificate_secret_name: ObjectName | None = None
    """Secret of type `kubernetes.io/tls` with the certificate that is shown to the members."""
