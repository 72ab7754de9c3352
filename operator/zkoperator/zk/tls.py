"""TLS of the operator as a client: contexts made from texts in memory."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from zkoperator.zk.port import ClientTls

_CONTEXTS = 256
"""How many contexts are kept; a context that is not kept is made again, in a millisecond."""


def server_name(tls: ClientTls | None, host: str) -> str | None:
    """Return the name that the certificate of the server must have, None for a connection without TLS."""
    return dict(tls.names).get(host, host) if tls is not None else None


def context_of(tls: ClientTls | None) -> ssl.SSLContext | None:
    """Return the context for a connection, None for one without TLS.

    Raises:
        OSError: the texts are no certificates, or no key that fits.
    """
    return _context(tls.authorities, tls.identity) if tls is not None else None


@lru_cache(maxsize=_CONTEXTS)
def _context(authorities: str, identity: str) -> ssl.SSLContext:
    if not authorities:
        raise ssl.SSLError("no certificate authority is known")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The authority that a Secret names may be an intermediate one, as those of cert-manager are.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=authorities)
    if identity:
        with _file_in_memory(identity) as path:
            # Without a password given, the library would ask for that of an encrypted key at the terminal.
            context.load_cert_chain(path, password="")
    return context


@contextmanager
def _file_in_memory(text: str) -> Iterator[str]:
    """Give a text a path, which the library asks for, without a disk."""
    descriptor = os.memfd_create("identity", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
