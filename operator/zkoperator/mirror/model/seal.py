"""What stands for values in decisions and in everything that is published about them. Pure.

The values of a ConfigMap may be read by whoever may read the hashes, so plain digests stand for them. Values of a
Secret are often few or short, such as passwords, and a plain digest would let anybody try them. So their digests are
keyed with a random key of the installation, and with the uid of the ConfigSync: with a ConfigSync of one's own nobody
finds out what a value of another one is.
"""

import hmac
from dataclasses import dataclass
from functools import partial
from typing import Final

from zkoperator.zk.snapshot import DIGEST_BYTES, Digest, digest_of

_ID_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Seal:
    """One way to make digests. `id` names the key of the installation, "" where there is none.

    Digests of different seals never tell whether their values are equal.
    """

    id: str
    digest: Digest


PLAIN_SEAL: Final = Seal("", digest_of)
"""The seal of ConfigMaps."""


def seal_of(key: bytes, uid: str) -> Seal:
    """Return the seal of the ConfigSync with this uid, made with the key of the installation."""
    own = hmac.digest(key, f"ConfigSync {uid}".encode(), "sha256")
    return Seal(hmac.digest(key, b"id", "sha256")[:_ID_BYTES].hex(), partial(_keyed, own))


def _keyed(key: bytes, data: bytes) -> bytes:
    """Return the keyed digest. An empty value is no secret, and has marks of its own in every base."""
    return hmac.digest(key, data, "sha256")[:DIGEST_BYTES] if data else digest_of(data)
