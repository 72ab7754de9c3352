"""Trust bundles: sets of CAs in one PEM file. Pure."""

from collections.abc import Iterable

from cryptography import x509

from zkoperator.pki.certificates import is_issued_by, public_bytes


def without_doubles(authorities: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return the CAs. Of several with the same name and key it keeps the one that ends last."""
    kept: dict[tuple[bytes, bytes], x509.Certificate] = {}
    for each in authorities:
        identity = each.subject.public_bytes(), public_bytes(each)
        known = kept.get(identity)
        if known is None or known.not_valid_after_utc < each.not_valid_after_utc:
            kept[identity] = each
    return tuple(sorted(kept.values(), key=lambda each: (each.not_valid_before_utc, each.subject.public_bytes())))


def clashing_names(authorities: Iterable[x509.Certificate]) -> tuple[x509.Name, ...]:
    """Return the names that several keys have: a PEM trust store of ZooKeeper keeps only the last of them."""
    keys: dict[x509.Name, set[bytes]] = {}
    for each in authorities:
        keys.setdefault(each.subject, set()).add(public_bytes(each))
    return tuple(name for name, found in keys.items() if len(found) > 1)


def anchors_of(
    certificate: x509.Certificate,
    intermediates: Iterable[x509.Certificate],
    authorities: Iterable[x509.Certificate],
) -> tuple[x509.Certificate, ...]:
    """Return the CAs at which the certificate's chain ends; none when it is verified by none of them."""
    last = _last_of(certificate, tuple(intermediates))
    return tuple(each for each in authorities if each == last or is_issued_by(last, each))


def _last_of(certificate: x509.Certificate, intermediates: tuple[x509.Certificate, ...]) -> x509.Certificate:
    """Follow the intermediates from the certificate up, each of them once."""
    last, rest = certificate, intermediates
    while found := next((each for each in rest if each != last and is_issued_by(last, each)), None):
        last, rest = found, tuple(each for each in rest if each != found)
    return last
