"""A CA of the operator's own, one generation of it, and what it issues. Time and randomness are arguments. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zkoperator.pki.keys import KEY_BYTES, PrivateKey, key_of

AUTHORITY_LIFE: Final = timedelta(days=5 * 365)
RENEWED_BEFORE_END: Final = timedelta(days=365)
"""A generation is followed by the next one when so much of its life is left: longer than any leaf lives."""

OPERATOR_LIFE: Final = timedelta(days=30)
"""How long the certificate of the operator is valid."""

RANDOM_BYTES: Final = KEY_BYTES + 16
"""Random bytes of one certificate: its key and its serial number."""

_CLOCKS_DIFFER: Final = timedelta(hours=1)
_LONGEST_NAME: Final = 64
"""Characters of a common name, by X.520."""


@dataclass(frozen=True, slots=True)
class Authority:
    """One generation. Without its key it is trusted and issues nothing."""

    number: int
    certificate: x509.Certificate
    key: PrivateKey | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its key and the intermediates below the CA, in the order in which they sign one another."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False, compare=False)
    intermediates: tuple[x509.Certificate, ...] = ()


def authority_name(owner: str, mark: str, number: int) -> str:
    """Return the common name of a generation: `<owner> <mark> g<number>`, of at most 64 characters.

    Each generation has a name of its own, because a trust store of ZooKeeper keeps only one CA of each name.
    """
    tail = f" {mark} g{number}"
    return f"{owner[: _LONGEST_NAME - len(tail)]}{tail}"


def generation_of(name: x509.Name, mark: str) -> int | None:
    """Return the number of a generation from the name of its CA, None for a CA without this mark."""
    parts = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    tail = str(parts[0].value).rpartition(f" {mark} g")[2] if len(parts) == 1 else ""
    return int(tail) if tail.isdecimal() and f" {mark} g" in str(parts[0].value) else None


def found_authority(owner: str, mark: str, number: int, random: bytes, now: datetime) -> Authority:
    """Return a new generation, which signs itself. `random`: `RANDOM_BYTES` of them."""
    key, serial = _key_and_serial(random)
    name = _common_name(authority_name(owner, mark, number))
    builder = _builder(name, name, key, serial, now, now + AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    # With a deterministic signature the certificate follows from the arguments alone.
    return Authority(number, builder.sign(key, SHA256(), ecdsa_deterministic=True), key)


def issue(
    authority: Authority,
    common_name: str,
    names: Iterable[str],
    random: bytes,
    now: datetime,
    life: timedelta,
    *,
    serves: bool = True,
) -> Leaf:
    """Return a leaf that is client and, unless `serves` is false, server. It ends no later than its CA.

    Args:
        authority: a generation with its key.
        common_name: the subject; empty for none, as members are known by their names alone.
        names: DNS names, wildcards included.
        random: `RANDOM_BYTES` of them.
        now: the present time, aware.
        life: how long the certificate is valid.
        serves: whether it may be shown by a server.
    """
    if authority.key is None:
        raise ValueError(f"generation {authority.number} has no key")
    key, serial = _key_and_serial(random)
    issuer, end = authority.certificate, min(now + life, authority.certificate.not_valid_after_utc)
    subject = _common_name(common_name) if common_name else x509.Name([])
    builder = _builder(subject, issuer.subject, key, serial, now, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    servers = [ExtendedKeyUsageOID.SERVER_AUTH] if serves else []
    usages = x509.ExtendedKeyUsage([*servers, ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = builder.add_extension(usages, critical=False)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    signed_by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.add_extension(signed_by, critical=False)
    dns = [x509.DNSName(name) for name in names]
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName(dns), critical=not common_name)
    return Leaf(builder.sign(authority.key, SHA256(), ecdsa_deterministic=_is_ec(authority.key)), key)


def renewal_of(certificate: x509.Certificate) -> datetime:
    """Return when a certificate is to be renewed: after two thirds of its life."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def _is_ec(key: PrivateKey) -> bool | None:
    return True if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _key_and_serial(random: bytes) -> tuple[ec.EllipticCurvePrivateKey, int]:
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a certificate needs {RANDOM_BYTES} random bytes")
    # Serial numbers are positive and of at most 159 bits.
    return key_of(random[:KEY_BYTES]), int.from_bytes(random[KEY_BYTES:]) | 1


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    serial: int,
    now: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
