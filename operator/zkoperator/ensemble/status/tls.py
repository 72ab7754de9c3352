"""The part of the status about TLS. Pure."""

from zkoperator.api.tls import ClientTlsStatus, QuorumTlsStatus, TlsStatus
from zkoperator.ensemble.build.external_services import TLS
from zkoperator.ensemble.model.names import TLS_PORT
from zkoperator.ensemble.model.tls import Leaf, QuorumPhase, lowest
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.status.external_hosts import external_hosts
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.pki.certificates import time_text


def tls_status(cluster: ValidatedCluster, observed: Observed) -> TlsStatus | None:
    """Return the status of TLS, None while neither the spec nor a pod has any."""
    states = [pod.tls for pod in observed.pods.values()]
    wanted = cluster.tls
    phase = lowest(states)
    client = wanted.client or any(state.client for state in states)
    quorum = wanted.quorum > QuorumPhase.PLAINTEXT or any(state.quorum > QuorumPhase.PLAINTEXT for state in states)
    if not client and not quorum:
        return None
    return TlsStatus(
        phase=phase.word,
        client=_client(cluster, observed) if client else None,
        quorum=QuorumTlsStatus(**_leaf(observed.certificates.quorum)) if quorum else None,
        ca_bundle=cluster.names.ca_bundle if client else None,
    )


def _client(cluster: ValidatedCluster, observed: Observed) -> ClientTlsStatus:
    names = cluster.names
    plain = (answer.plaintext_connections for m in observed.pods if (answer := observed.serving(m)) is not None)
    addresses, is_everywhere = {}, _is_everywhere(cluster, observed)
    if is_everywhere:
        hosts = ",".join(f"{names.host(member)}:{TLS_PORT}" for member in sorted(observed.voters))
        addresses = {"endpoint": f"{names.service_host}:{TLS_PORT}", "hosts": hosts}
    return ClientTlsStatus(
        **_leaf(observed.certificates.client),
        members=sum(pod.tls.client for pod in observed.pods.values()),
        plaintext_clients=sum(count or 0 for count in plain),
        external_hosts=external_hosts(cluster, observed, [TLS]) if is_everywhere else None,
        **addresses,
    )


def _is_everywhere(cluster: ValidatedCluster, observed: Observed) -> bool:
    """Whether every voter has the TLS port and keeps it."""
    voters = [observed.pods.get(member) for member in observed.voters]
    return cluster.tls.client and bool(voters) and all(pod is not None and pod.tls.client for pod in voters)


def _leaf(leaf: Leaf | None) -> dict[str, str]:
    if leaf is None:
        return {}
    return {"not_after": time_text(leaf.not_after), "issuer": leaf.issuer[:512]}
