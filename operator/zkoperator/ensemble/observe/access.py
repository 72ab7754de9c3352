"""How the operator reaches a member: the port, and the trust that goes with it. Pure."""

from collections.abc import Iterable

from zkoperator.ensemble.model.names import CLIENT_PORT, TLS_PORT, Names
from zkoperator.ensemble.model.tls import Certificates
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.zk.port import ClientTls


def port_of(pod: PodView) -> int:
    """Return the port for clients of a pod: plaintext may be refused where there is TLS."""
    return TLS_PORT if pod.tls.client else CLIENT_PORT


def client_tls(names: Names, certificates: Certificates, pods: Iterable[PodView]) -> ClientTls | None:
    """Return the trust for these pods, None if they have no TLS port. They are dialled by address, known by name."""
    known = tuple((pod.ip, names.host(pod.member)) for pod in pods if pod.tls.client)
    return ClientTls(certificates.trust, certificates.identity, known) if known else None
