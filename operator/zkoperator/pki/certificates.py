"""Certificates as the rest of the operator sees them: read from PEM, compared, and named in messages. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Certificate = x509.Certificate
E = TypeVar("E", bound=x509.ExtensionType)

_BLOCK: Final = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----.+?-----END (?:X509 )?CERTIFICATE-----", re.DOTALL)


class CertificateRefusedError(ValueError):
    """A PEM file whose certificates cannot be read. The message says which of them."""


def read_certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM file in their order; texts and blocks between them are skipped.

    Raises:
        CertificateRefusedError: there is none, or one cannot be read; ZooKeeper would refuse the whole file.
    """
    blocks = _BLOCK.findall(pem)
    found = []
    for number, block in enumerate(blocks, start=1):
        try:
            certificate = x509.load_pem_x509_certificate(block.replace(b"X509 CERTIFICATE", b"CERTIFICATE"))
            certificate.public_key()
            _ = certificate.extensions, certificate.subject, certificate.issuer
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
            raise CertificateRefusedError(f"certificate {number} of {len(blocks)} cannot be read") from None
        found.append(certificate)
    if not found:
        raise CertificateRefusedError("there is no certificate in PEM in it")
    return tuple(found)


def pem_of(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return the certificates one after another."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def public_bytes(certificate: x509.Certificate) -> bytes:
    """Return the public key, to compare it with another one."""
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def name_of(name: x509.Name) -> str:
    """Return a distinguished name as RFC 4514 writes it, the last part first; ZooKeeper calls clients so."""
    return name.rfc4514_string()


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether the certificate has begun and has not ended."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether the certificate may sign others."""
    constraints = extension(certificate, x509.BasicConstraints)
    usage = extension(certificate, x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


@lru_cache(maxsize=4096)
def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key has signed the certificate."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """Return the extension, None when the certificate has none of the kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def time_text(moment: datetime) -> str:
    """Return a moment as messages and status write it: RFC 3339 in UTC, in seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
