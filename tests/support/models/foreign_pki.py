"""Certificates as other people make them: every kind of key, chain, usage and mistake."""

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as coding
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
AnyKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_MADE: dict[str, AnyKey] = {}


def new_key(kind: str = "ec") -> AnyKey:
    makers: dict[str, Callable[[], AnyKey]] = {
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ec521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "rsa1024": lambda: rsa.generate_private_key(65537, 1024),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    if kind.startswith("rsa"):  # they take long to make
        return _MADE.setdefault(kind, makers[kind]())
    return makers[kind]()


def pkcs8(key: AnyKey, password: bytes = b"") -> bytes:
    how = coding.BestAvailableEncryption(password) if password else coding.NoEncryption()
    return key.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.PKCS8, how)


def traditional(key: AnyKey) -> bytes:
    """PKCS#1 of an RSA key, SEC1 of an EC key: what cert-manager writes by default."""
    return key.private_bytes(coding.Encoding.PEM, coding.PrivateFormat.TraditionalOpenSSL, coding.NoEncryption())


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(coding.Encoding.PEM) for each in certificates)


@dataclass(frozen=True)
class Signed:
    certificate: x509.Certificate
    key: AnyKey

    def signs(
        self,
        names: Iterable[str] = (),
        *,
        subject: str = "",
        kind: str = "ec",
        usages: Iterable[x509.ObjectIdentifier] = (SERVER, CLIENT),
        begin: datetime.datetime = NOW - DAY,
        end: datetime.datetime = NOW + 90 * DAY,
        ca: bool = False,
        key: AnyKey | None = None,
    ) -> "Signed":
        return _signed(subject, key or new_key(kind), self, tuple(names), tuple(usages), begin, end, ca=ca)


def authority(
    subject: str = "company",
    *,
    begin: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + 3650 * DAY,
    key: AnyKey | None = None,
    ca: bool = True,
) -> Signed:
    return _signed(subject, key or new_key(), None, (), (), begin, end, ca=ca)


def secret_of(leaf: Signed, *above: Signed, key: bytes = b"", roots: Iterable[Signed] = ()) -> dict[str, bytes]:
    """The data of a Secret: the leaf with the intermediates in `above` but the last, which is the CA."""
    chain = [leaf.certificate, *(each.certificate for each in above[:-1])]
    trusted = [each.certificate for each in roots] or [above[-1].certificate]
    return {"tls.crt": pem(*chain), "tls.key": key or pkcs8(leaf.key), "ca.crt": pem(*trusted)}


def _signed(
    subject: str,
    key: AnyKey,
    issuer: Signed | None,
    names: tuple[str, ...],
    usages: tuple[x509.ObjectIdentifier, ...],
    begin: datetime.datetime,
    end: datetime.datetime,
    *,
    ca: bool,
) -> Signed:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)] if subject else [])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer is not None else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=not subject)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    signing = issuer.key if issuer is not None else key
    algorithm = None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Signed(builder.sign(signing, algorithm), key)
