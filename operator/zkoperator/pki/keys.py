"""Private keys: made from random bytes, and read in the encodings in which people deliver them. Pure."""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

KEY_BYTES: Final = 48
"""Random bytes of a key. 16 more than its length, so that the reduction to the group's order favours no key."""

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LEAST_RSA_BITS: Final = 2048

USE_EC: Final = "make one of EC P-256 or RSA 2048 (cert-manager: spec.privateKey.algorithm: ECDSA)"


class KeyRefusedError(ValueError):
    """A private key that members cannot use. The message says why and what to do instead."""


def key_of(random: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the EC P-256 key that follows from `KEY_BYTES` random bytes."""
    if len(random) != KEY_BYTES:
        raise ValueError(f"a key is made of {KEY_BYTES} random bytes")
    return ec.derive_private_key(int.from_bytes(random) % (_ORDER - 1) + 1, ec.SECP256R1())


def pkcs8(key: PrivateKey) -> bytes:
    """Return the key in PKCS#8, the only encoding that ZooKeeper reads."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_half(key: PrivateKey) -> bytes:
    """Return the public half, to compare it with that of a certificate."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_key(pem: bytes) -> PrivateKey:
    """Return the key of a PEM file in PKCS#8, PKCS#1 or SEC1.

    Raises:
        KeyRefusedError: it cannot be read, or neither ZooKeeper nor its clients would use it.
    """
    try:
        key = load_pem_private_key(_from_first_key(pem), password=None)
    except TypeError:
        raise KeyRefusedError("the key is encrypted; decrypt it: openssl pkey -in tls.key -out plain.key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefusedError(f"no private key in PEM can be read; {USE_EC}") from None
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) and is_usable(key):
        return key
    raise KeyRefusedError(f"ZooKeeper or its clients refuse a key of this kind ({kind_of(key)}); {USE_EC}")


def is_usable(key: object) -> bool:
    """Whether both Java and OpenSSL use a key of this kind, private or public, at their usual strength."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS


def kind_of(key: object) -> str:
    """Return what a key is called: its algorithm and its size or curve."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")


def _from_first_key(pem: bytes) -> bytes:
    """Leave out what stands before the key, such as the curve that `openssl ecparam` writes."""
    blocks = pem.split(b"-----BEGIN ")
    keys = [block for block in blocks[1:] if block.split(b"-----", 1)[0].endswith(b"PRIVATE KEY")]
    return b"-----BEGIN " + keys[0] if keys else pem
