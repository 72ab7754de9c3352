"""The files of members and operator: a key with its certificates, or CAs; written to a Secret and read back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509

from zkoperator.pki.authority import Leaf
from zkoperator.pki.certificates import CertificateRefusedError, pem_of, public_bytes, read_certificates
from zkoperator.pki.keys import KeyRefusedError, pkcs8, public_half, read_key


class File(StrEnum):
    """One file, by its key in the Secret."""

    CLIENT_CA = "client-ca.pem"
    """The CAs by which members verify clients."""
    QUORUM_CA = "quorum-ca.pem"
    """The CAs by which members verify one another."""
    PUBLISHED = "ca.crt"
    """The CAs by which clients verify members."""
    CLIENT = "client.pem"
    """Key and certificate of the port for clients."""
    QUORUM = "quorum.pem"
    """Key and certificate of the ports between members."""
    OPERATOR = "operator.pem"
    """Key and certificate that the operator shows to members. It is not in the Secret that members mount."""

    @property
    def purpose(self) -> str:
        """What a certificate is for, in one word: the name without its ending."""
        return self.value.partition(".")[0]


BUNDLES: Final = (File.CLIENT_CA, File.QUORUM_CA, File.PUBLISHED)
LEAVES: Final = (File.CLIENT, File.QUORUM, File.OPERATOR)


@dataclass(frozen=True, slots=True)
class Held:
    """What is in the files now, and when each was written. A file that cannot be read is not in here."""

    leaves: Mapping[File, Leaf] = field(default_factory=dict)
    bundles: Mapping[File, tuple[x509.Certificate, ...]] = field(default_factory=dict)
    written: Mapping[File, datetime] = field(default_factory=dict)


def leaf_pem(leaf: Leaf) -> bytes:
    """Return key, certificate and intermediates as ZooKeeper reads them, from one file."""
    return pkcs8(leaf.key) + pem_of((leaf.certificate, *leaf.intermediates))


def read_leaf(pem: bytes) -> Leaf | None:
    """Return what `leaf_pem` has written, None for anything else."""
    try:
        key, (certificate, *intermediates) = read_key(pem), read_certificates(pem)
    except (KeyRefusedError, CertificateRefusedError):
        return None
    return Leaf(certificate, key, tuple(intermediates)) if public_bytes(certificate) == public_half(key) else None


def read_files(data: Mapping[str, bytes], written: Mapping[str, str]) -> Held:
    """Return what the data of a Secret holds. `written` has the times as RFC 3339, by file."""
    found = {file: read_leaf(data[file]) for file in LEAVES if file in data}
    return Held(
        leaves={file: leaf for file, leaf in found.items() if leaf is not None},
        bundles={file: bundle for file in BUNDLES if (bundle := _bundle(data.get(file, b"")))},
        written={file: moment for file in File if (moment := _moment(written.get(file, ""))) is not None},
    )


def _bundle(pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return read_certificates(pem)
    except CertificateRefusedError:
        return ()


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
