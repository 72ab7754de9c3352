"""Reads what people and cert-manager deliver, before any member sees it: all flaws at once. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from cryptography import x509

from zkoperator.pki.authority import Leaf
from zkoperator.pki.bundles import without_doubles
from zkoperator.pki.certificates import (
    CertificateRefusedError,
    is_authority,
    is_issued_by,
    name_of,
    public_bytes,
    read_certificates,
)
from zkoperator.pki.flaws import (
    AUTHORITIES,
    CERTIFICATE,
    KEY,
    Flaw,
    Purpose,
    authority_flaws,
    chain_flaws,
    leaf_flaws,
)
from zkoperator.pki.keys import KeyRefusedError, PrivateKey, public_half, read_key

T = TypeVar("T")
_Certificates = tuple[x509.Certificate, ...]
_LONGEST_CHAIN: Final = 8


@dataclass(frozen=True, slots=True)
class Delivered:
    """A leaf that may be given to members, and the CAs by which it is verified."""

    leaf: Leaf
    authorities: _Certificates


def check_leaf(data: Mapping[str, bytes], purpose: Purpose) -> Delivered | tuple[Flaw, ...]:
    """Return what the Secret delivers, or everything that is wrong with it."""
    key = _read(purpose, data, KEY, read_key)
    found = _read(purpose, data, CERTIFICATE, read_certificates)
    roots = _read(purpose, data, AUTHORITIES, read_certificates)
    flaws = [each for each in (key, found, roots) if isinstance(each, Flaw)]
    if not isinstance(roots, Flaw):
        flaws += authority_flaws(purpose, roots)
    if isinstance(found, Flaw):
        return tuple(flaws)
    leaf = _leaf_among(found, key)
    if not isinstance(key, Flaw) and public_bytes(leaf) != public_half(key):
        flaws.append(_foreign_key(purpose))
    flaws += leaf_flaws(purpose, leaf)
    if isinstance(roots, Flaw):
        return tuple(flaws)
    chain = _chain(leaf, (*found, *roots), roots)
    if chain[-1] not in roots:
        flaws.append(_loose_end(purpose, chain[-1]))
    intermediates = tuple(each for each in chain[1:] if each not in roots)
    flaws += chain_flaws(purpose, intermediates)
    if flaws or isinstance(key, Flaw):
        return tuple(flaws)
    return Delivered(Leaf(leaf, key, intermediates), without_doubles(roots))


def check_authorities(data: Mapping[str, bytes], purpose: Purpose) -> _Certificates | tuple[Flaw, ...]:
    """Return the CAs in a Secret that says which clients to trust, or everything that is wrong with them."""
    roots = _read(purpose, data, AUTHORITIES, read_certificates)
    if isinstance(roots, Flaw):
        return (roots,)
    return tuple(authority_flaws(purpose, roots)) or without_doubles(roots)


def _read(purpose: Purpose, data: Mapping[str, bytes], key: str, parse: Callable[[bytes], T]) -> T | Flaw:
    if not data.get(key, b"").strip():
        return purpose.flaw(key, "it is missing or empty", _put(purpose, key))
    try:
        return parse(data[key])
    except KeyRefusedError as error:
        return purpose.flaw(key, str(error), _put(purpose, key))
    except CertificateRefusedError as error:
        return purpose.flaw(key, str(error), _put(purpose, key))


def _put(purpose: Purpose, key: str) -> str:
    return (
        f"put it there: kubectl -n {purpose.namespace} patch secret {purpose.secret} "
        f'-p \'{{"data":{{"{key}":"\'$(base64 -w0 {key})\'"}}}}\''
    )


def _leaf_among(found: _Certificates, key: PrivateKey | Flaw) -> x509.Certificate:
    """Return the certificate that fits the key, at any place in the file; else the first one that is no CA."""
    if not isinstance(key, Flaw):
        for each in found:
            if public_bytes(each) == public_half(key):
                return each
    return next((each for each in found if not is_authority(each)), found[0])


def _chain(leaf: x509.Certificate, known: _Certificates, roots: _Certificates) -> _Certificates:
    """Return the certificates from the leaf up to the first that is trusted, or as far as they reach."""
    chain = [leaf]
    while chain[-1] not in roots and len(chain) < _LONGEST_CHAIN:
        # A CA that is trusted ends the chain, even where another certificate of the same key is at hand.
        issuers = [each for each in (*roots, *known) if each not in chain and is_issued_by(chain[-1], each)]
        if not issuers:
            break
        chain.append(issuers[0])
    return tuple(chain)


def _foreign_key(purpose: Purpose) -> Flaw:
    return purpose.flaw(
        KEY,
        f"it fits no certificate in {CERTIFICATE}",
        f"write both from one issue: kubectl -n {purpose.namespace} create secret generic {purpose.secret} "
        f"--from-file={CERTIFICATE} --from-file={KEY} --from-file={AUTHORITIES} --dry-run=client -o yaml | "
        "kubectl apply -f -",
    )


def _loose_end(purpose: Purpose, last: x509.Certificate) -> Flaw:
    issuer = name_of(last.issuer)
    return purpose.flaw(
        AUTHORITIES,
        f"the chain of {CERTIFICATE} ends at a certificate of {issuer}, which is in neither of them",
        f"add the intermediates to {CERTIFICATE}, or the CA to {AUTHORITIES}",
    )
