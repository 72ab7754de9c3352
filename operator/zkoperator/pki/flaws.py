"""What can be wrong with certificates that people deliver, each flaw with its cure. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID, SignatureAlgorithmOID

from zkoperator.pki.bundles import clashing_names
from zkoperator.pki.certificates import extension, is_authority, name_of, time_text
from zkoperator.pki.keys import USE_EC, is_usable, kind_of

CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"
"""Keys of a Secret of the type kubernetes.io/tls, and the one that cert-manager adds."""

_RENEW: Final = "renew it (cert-manager: cmctl renew, and kubectl describe certificate)"
_BOTH_USAGES: Final = "issue it for both (cert-manager: spec.usages: [digital signature, server auth, client auth])"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one key of one Secret, and what to do."""

    secret: str
    key: str
    problem: str
    cure: str

    def __str__(self) -> str:
        return f"Secret {self.secret}, {self.key}: {self.problem}; {self.cure}"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a certificate must be good for, now: to be shown under these host names by a server.

    `dials`: members also show it as clients, as they do when they connect to one another.
    """

    namespace: str
    secret: str
    hosts: tuple[str, ...]
    dials: bool
    now: datetime

    def flaw(self, key: str, problem: str, cure: str) -> Flaw:
        """Return a flaw of this Secret."""
        return Flaw(self.secret, key, problem, cure)


def leaf_flaws(purpose: Purpose, leaf: x509.Certificate) -> Iterator[Flaw]:
    """Return what keeps members from using the certificate, or others from accepting it."""
    yield from _time_flaws(purpose, CERTIFICATE, "it", leaf)
    yield from _strength_flaws(purpose, CERTIFICATE, "it", leaf)
    yield from _usage_flaws(purpose, leaf)
    if missing := uncovered(leaf, purpose.hosts):
        names = ", ".join(missing)
        yield purpose.flaw(CERTIFICATE, f"it does not cover {names}", f"issue it with the DNS names {names}")


def chain_flaws(purpose: Purpose, intermediates: Iterable[x509.Certificate]) -> Iterator[Flaw]:
    """Return what is wrong with the certificates between the leaf and the CA."""
    for each in intermediates:
        name = name_of(each.subject)
        yield from _time_flaws(purpose, CERTIFICATE, name, each)
        yield from _strength_flaws(purpose, CERTIFICATE, name, each)
        if not is_authority(each):
            yield purpose.flaw(CERTIFICATE, f"{name} signs others and is no CA", "issue the certificate by a CA")


def authority_flaws(purpose: Purpose, authorities: tuple[x509.Certificate, ...]) -> Iterator[Flaw]:
    """Return what is wrong with the CAs that are to be trusted."""
    for each in authorities:
        name = name_of(each.subject)
        yield from _time_flaws(purpose, AUTHORITIES, name, each)
        if not is_authority(each):
            yield purpose.flaw(AUTHORITIES, f"{name} is no CA", "put the certificate of the CA there")
    for clash in clashing_names(authorities):
        yield purpose.flaw(
            AUTHORITIES,
            f"several CAs have the name {name_of(clash)}, of which ZooKeeper would trust only the last",
            "give each generation of the CA a name of its own, or leave the old one out",
        )


def uncovered(leaf: x509.Certificate, hosts: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that no DNS name of the certificate covers. The common name counts for nothing."""
    found = extension(leaf, x509.SubjectAlternativeName)
    names = {name.lower() for name in found.get_values_for_type(x509.DNSName)} if found is not None else set()
    return tuple(host for host in hosts if not {host, f"*.{host.partition('.')[2]}"} & names)


def _time_flaws(purpose: Purpose, key: str, what: str, certificate: x509.Certificate) -> Iterator[Flaw]:
    if purpose.now >= certificate.not_valid_after_utc:
        yield purpose.flaw(key, f"{what} has expired at {time_text(certificate.not_valid_after_utc)}", _RENEW)
    if purpose.now < certificate.not_valid_before_utc:
        begin = time_text(certificate.not_valid_before_utc)
        yield purpose.flaw(key, f"{what} is not valid before {begin}", "wait, or compare the clocks")


def _strength_flaws(purpose: Purpose, key: str, what: str, certificate: x509.Certificate) -> Iterator[Flaw]:
    public = certificate.public_key()
    restricted = certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    if restricted or not is_usable(public):
        kind = "RSASSA-PSS" if restricted else kind_of(public)
        yield purpose.flaw(key, f"{what} has a key of a kind that ZooKeeper or its clients refuse ({kind})", USE_EC)
    if certificate.signature_algorithm_oid in _WEAK_SIGNATURES:
        yield purpose.flaw(key, f"{what} is signed with SHA-1 or MD5, which clients refuse", "sign it with SHA-256")


def _usage_flaws(purpose: Purpose, leaf: x509.Certificate) -> Iterator[Flaw]:
    extended, usage = extension(leaf, x509.ExtendedKeyUsage), extension(leaf, x509.KeyUsage)
    if is_authority(leaf):
        yield purpose.flaw(CERTIFICATE, "it is a CA", "issue a certificate of its own for the members")
    if usage is not None and not usage.digital_signature:
        yield purpose.flaw(CERTIFICATE, "its key usage lacks digital signature", _BOTH_USAGES)
    if extended is None or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in extended:
        return
    roles = [(ExtendedKeyUsageOID.SERVER_AUTH, "server auth")]
    roles += [(ExtendedKeyUsageOID.CLIENT_AUTH, "client auth")] if purpose.dials else []
    if lacking := [text for oid, text in roles if oid not in extended]:
        yield purpose.flaw(CERTIFICATE, f"its extended key usage lacks {' and '.join(lacking)}", _BOTH_USAGES)


_WEAK_SIGNATURES: Final = (
    SignatureAlgorithmOID.RSA_WITH_MD5,
    SignatureAlgorithmOID.RSA_WITH_SHA1,
    SignatureAlgorithmOID.ECDSA_WITH_SHA1,
)
