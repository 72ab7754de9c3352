"""A TLS handshake in memory, with OpenSSL at its strictest on both sides."""

import ssl
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509

from zkoperator.pki.authority import Leaf
from zkoperator.pki.certificates import pem_of
from zkoperator.pki.files import leaf_pem

_ROUNDS = 8


def handshake(
    leaf: Leaf,
    *trusted: x509.Certificate,
    name: str,
    client: Leaf | None = None,
    trusted_clients: Iterable[x509.Certificate] = (),
) -> str:
    """Have both sides verify one another. Returns why one of them refuses, "" when none does.

    The client shows the certificate of the server unless it has one of its own.
    """
    server_side = _context(ssl.PROTOCOL_TLS_SERVER, leaf, (*trusted_clients,) or trusted)
    server_side.verify_mode = ssl.CERT_REQUIRED
    client_side = _context(ssl.PROTOCOL_TLS_CLIENT, client or leaf, trusted)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client_side.wrap_bio(to_client, to_server, server_hostname=name),
        server_side.wrap_bio(to_server, to_client, server_side=True),
    ]
    try:
        done = {side: _step(side.do_handshake) for _ in range(_ROUNDS) for side in sides}
        _step(lambda: sides[0].read(1))  # in TLS 1.3 the client learns of a refusal only then
    except ssl.SSLError as error:
        return str(error)
    return "" if all(done.values()) else "the handshake does not end"


def _step(act: Callable[[], object]) -> bool:
    """Whether the step is over; it may wait for the other side instead."""
    try:
        act()
    except ssl.SSLWantReadError:
        return False
    return True


def _context(role: int, leaf: Leaf, trusted: Iterable[x509.Certificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(role)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=pem_of(trusted).decode())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "leaf.pem")
        file.write_bytes(leaf_pem(leaf))
        context.load_cert_chain(file)
    return context
