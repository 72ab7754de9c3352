"""The next steps about certificates. None of them disturbs a member: it reads new files while it serves. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from zkoperator.api.external_access import MAX_MEMBERS
from zkoperator.api.tls import CertificateSource, ClientTls, Tls
from zkoperator.ensemble.build.certificates import certificate_request
from zkoperator.ensemble.model.certificate_names import client_names, life_of, quorum_names
from zkoperator.ensemble.model.certificate_sources import CertificateSources, Version
from zkoperator.ensemble.model.names import TLS
from zkoperator.ensemble.model.tls import NO_TLS, QuorumPhase, TlsState, parse_tls_state
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.drift import covers
from zkoperator.ensemble.plan.steps import (
    CertificateStep,
    DropCertificates,
    FoundAuthority,
    PublishBundle,
    RequestCertificate,
    WriteCertificate,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.pki.authority import OPERATOR_LIFE
from zkoperator.pki.certificates import pem_of
from zkoperator.pki.files import File
from zkoperator.pki.rotation import (
    Issuance,
    Port,
    Reader,
    Rotation,
    Situation,
    Source,
    next_generation,
    rotate,
)

_CLIENT_FILES = frozenset({File.CLIENT, File.CLIENT_CA, File.PUBLISHED})
_QUORUM_FILES = frozenset({File.QUORUM, File.QUORUM_CA})


def certificate_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[CertificateStep, ...]:
    """Return the steps that are due: all requests, and a change of at most one file."""
    sources = observed.certificates.sources
    if sources is None:
        return ()
    requests: tuple[CertificateStep, ...] = (*_requests(cluster, sources), *_publication(sources))
    if _needs_authority(cluster):
        number = next_generation(sources.authorities, sources.last_generation, sources.now)
        if number is not None:
            return (*requests, FoundAuthority(number, sources.ca_secret))
    change = rotation_of(cluster, observed, sources).change
    if change is not None:
        secret = sources.ca_secret if change.file is File.OPERATOR else sources.tls_secret
        return (*requests, WriteCertificate(change, secret))
    return (*requests, *_drops(cluster, observed, sources))


def rotation_of(cluster: ValidatedCluster, observed: Observed, sources: CertificateSources) -> Rotation:
    """Return what the files of this cluster need next."""
    readers = tuple(
        _reader(pod.name, pod.created, ready=pod.ready) for pod in observed.all_pods.values() if pod.tls != NO_TLS
    )
    return rotate(Situation(sources.held, _ports(cluster, observed, sources), sources.clients, readers, sources.now))


def _ports(cluster: ValidatedCluster, observed: Observed, sources: CertificateSources) -> tuple[Port, ...]:
    """Return the certificates that the spec asks for. Files that are only still in use stay as they are."""
    tls, ports = cluster.spec.tls or Tls(), []
    if tls.client is not None:
        names = frozenset(_client_names(cluster, tls.client))
        source = _source(tls.client.certificate, File.CLIENT, names, sources)
        ports.append(Port(File.CLIENT, File.PUBLISHED, source))
        ports.append(Port(File.OPERATOR, File.CLIENT_CA, Issuance(sources.authorities, frozenset(), OPERATOR_LIFE)))
    if tls.quorum is not None:
        names = frozenset(quorum_names(cluster.names))
        source = _source(tls.quorum.source, File.QUORUM, names, sources)
        ports.append(Port(File.QUORUM, File.QUORUM_CA, source))
    return tuple(ports)


def _client_names(cluster: ValidatedCluster, client: ClientTls) -> tuple[str, ...]:
    has_observers, access = cluster.spec.observers is not None, cluster.spec.external_access
    # Those of all members that there may be, so that a new member needs no new certificate.
    outside = access.hostnames_of(range(MAX_MEMBERS)) if access is not None else ()
    return client_names(cluster.names, client.additional_names, observers=has_observers, outside=outside)


def _source(given: CertificateSource, file: File, names: frozenset[str], sources: CertificateSources) -> Source:
    if given.self_signed is not None:
        return Issuance(sources.authorities, names, life_of(given.self_signed.duration))
    return sources.delivered.get(file)


def _needs_authority(cluster: ValidatedCluster) -> bool:
    """Whether anything is issued by the cluster's own CA: the operator's certificate always is."""
    tls = cluster.spec.tls or Tls()
    return tls.client is not None or (tls.quorum is not None and tls.quorum.source.self_signed is not None)


def _requests(cluster: ValidatedCluster, sources: CertificateSources) -> Iterator[RequestCertificate]:
    tls, names = cluster.spec.tls or Tls(), cluster.names
    if tls.client is not None:
        wanted = _client_names(cluster, tls.client)
        yield from _request(cluster, File.CLIENT, tls.client.certificate, wanted, sources)
    if tls.quorum is not None:
        yield from _request(cluster, File.QUORUM, tls.quorum.source, quorum_names(names), sources)


def _request(
    cluster: ValidatedCluster,
    file: File,
    given: CertificateSource,
    names: tuple[str, ...],
    sources: CertificateSources,
) -> Iterator[RequestCertificate]:
    if given.issuer_ref is None or file in sources.unanswerable:
        return
    manifest = certificate_request(cluster, file.purpose, given.issuer_ref, names)
    live = sources.requests.get(file)
    if live is None:
        yield RequestCertificate(manifest, None)
    elif not covers(live, manifest):
        meta = live["metadata"]
        yield RequestCertificate(manifest, Version(meta["uid"], meta["resourceVersion"]))


def _publication(sources: CertificateSources) -> Iterator[PublishBundle]:
    bundle = pem_of(sources.held.bundles.get(File.PUBLISHED, ())).decode()
    if bundle and bundle != sources.published:
        yield PublishBundle(bundle, sources.config_map)


def _drops(cluster: ValidatedCluster, observed: Observed, sources: CertificateSources) -> Iterator[DropCertificates]:
    """Remove the files of a port that neither the spec nor any pod has any more."""
    template = parse_tls_state(observed.template_annotation(TLS))
    states = (cluster.tls, template, *(pod.tls for pod in observed.all_pods.values()))
    spare = _spare(states) & sources.files
    if spare and sources.tls_secret is not None:
        yield DropCertificates(frozenset(spare), sources.tls_secret)


def _spare(states: tuple[TlsState, ...]) -> frozenset[str]:
    client = any(state.client for state in states)
    quorum = any(state.quorum is not QuorumPhase.PLAINTEXT for state in states)
    return (frozenset() if client else _CLIENT_FILES) | (frozenset() if quorum else _QUORUM_FILES)


def _reader(name: str, created: str, *, ready: bool) -> Reader:
    """Return the pod as a reader of files; one whose age is unknown has read nothing."""
    try:
        started = datetime.fromisoformat(created)
    except ValueError:
        started = datetime.min.replace(tzinfo=UTC)
    return Reader(name, started, ready)
