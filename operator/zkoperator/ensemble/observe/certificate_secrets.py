"""Reads the two Secrets of the cluster that hold certificates, from their manifests. Pure."""

import re
from base64 import b64decode
from binascii import Error
from typing import Final

from zkoperator.ensemble.model.certificate_names import mark_of
from zkoperator.ensemble.model.certificate_sources import Version
from zkoperator.ensemble.model.names import WRITTEN
from zkoperator.ensemble.model.tls import Leaf
from zkoperator.kube.port import Manifest
from zkoperator.pki.authority import Authority, generation_of
from zkoperator.pki.certificates import Certificate, CertificateRefusedError, name_of, public_bytes, read_certificates
from zkoperator.pki.files import File, Held, read_files
from zkoperator.pki.keys import KeyRefusedError, PrivateKey, public_half, read_key

_GENERATION: Final = re.compile(r"g([1-9][0-9]{0,5})\.crt")
_NUMBER_IN_NAME: Final = re.compile(r" g([1-9][0-9]{0,5})$")


def data_of(manifest: Manifest | None) -> dict[str, bytes]:
    """Return the data of a Secret; an entry that is no base64 reads as nothing."""
    data = (manifest.get("data") or {}) if manifest is not None else {}
    return {key: _decoded(text) for key, text in data.items()}


def version_of(manifest: Manifest | None) -> Version | None:
    """Return the version of an object, None when there is none."""
    if manifest is None:
        return None
    return Version(manifest["metadata"]["uid"], manifest["metadata"]["resourceVersion"])


def files_of(*manifests: Manifest | None) -> Held:
    """Return the files in these Secrets."""
    data: dict[str, bytes] = {}
    written: dict[str, str] = {}
    for manifest in manifests:
        data |= data_of(manifest)
        annotations = (manifest["metadata"].get("annotations") or {}) if manifest is not None else {}
        written |= {key.removeprefix(WRITTEN): text for key, text in annotations.items() if key.startswith(WRITTEN)}
    return read_files(data, written)


def authorities_of(manifest: Manifest | None) -> tuple[Authority, ...]:
    """Return the generations in the CA's Secret; one whose certificate cannot be read is left out."""
    data = data_of(manifest)
    numbers = sorted(int(found[1]) for key in data if (found := _GENERATION.fullmatch(key)) is not None)
    read = (_authority(number, data) for number in numbers)
    return tuple(each for each in read if each is not None)


def last_generation(uid: str, held: Held, issuers: tuple[str, ...]) -> int:
    """Return the highest generation that any bundle or the status knows: its name must not come back."""
    known = [generation_of(each.subject, mark_of(uid)) or 0 for bundle in held.bundles.values() for each in bundle]
    signed = [int(found[1]) for text in issuers if mark_of(uid) in text and (found := _NUMBER_IN_NAME.search(text))]
    return max((0, *known, *signed))


def leaf_of(held: Held, file: File, bundle: File) -> Leaf | None:
    """Return the certificate in the file, None while that or the bundle that goes with it is not there."""
    leaf = held.leaves.get(file)
    if leaf is None or bundle not in held.bundles:
        return None
    certificate = leaf.certificate
    return Leaf(name_of(certificate.issuer), certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _authority(number: int, data: dict[str, bytes]) -> Authority | None:
    try:
        (certificate, *_) = read_certificates(data[f"g{number}.crt"])
    except CertificateRefusedError:
        return None
    return Authority(number, certificate, _key(certificate, data.get(f"g{number}.key", b"")))


def _key(certificate: Certificate, pem: bytes) -> PrivateKey | None:
    try:
        key = read_key(pem)
    except KeyRefusedError:
        return None
    return key if public_half(key) == public_bytes(certificate) else None


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text)
    except (Error, ValueError):
        return b""
