"""Reads the certificates that members have, and what the next ones are made of. I/O."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from zkoperator.api.tls import ClientTlsStatus, QuorumTlsStatus, TlsStatus
from zkoperator.ensemble.build.certificates import BUNDLE_KEY
from zkoperator.ensemble.model.certificate_sources import CertificateSources
from zkoperator.ensemble.model.tls import NO_CERTIFICATES, Certificates, Leaf
from zkoperator.ensemble.observe.certificate_secrets import (
    authorities_of,
    data_of,
    files_of,
    last_generation,
    leaf_of,
    version_of,
)
from zkoperator.ensemble.observe.delivered_certificates import DeliveryReader
from zkoperator.ensemble.observe.ownership import NOT_OURS, Owner, is_orphan, owner_of
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, KubeApi, Manifest
from zkoperator.pki.certificates import pem_of
from zkoperator.pki.files import File, leaf_pem
from zkoperator.runtime.wall_clock import utc_now

MAX_AGE_S: Final = 60.0
"""Seconds for which Secrets that were read are not read again. They are not listed, so no event announces a change."""
MAX_AGE_REFUSED_S: Final = 10.0
"""The same while something was refused, because a person may mend it at any time."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read at this monotonic time, for this generation of this cluster."""

    uid: str
    generation: int
    read_s: float
    certificates: Certificates


@dataclass(slots=True)
class CertificateState:
    """The certificates of one cluster that were read last."""

    known: _Known | None = None

    def forget(self) -> None:
        """Have the next pass read everything again, because something is about to be written."""
        self.known = None


class CertificateReader:
    """Reads the Secrets of clusters.

    Args:
        api: the Kubernetes API.
        now_s: monotonic time.
        wall: the time by which certificates begin and end.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float], wall: Callable[[], datetime] = utc_now) -> None:
        self._api = api
        self._now_s = now_s
        self._wall = wall

    async def read(self, cluster: ValidatedCluster, state: CertificateState, *, in_use: bool) -> Certificates:
        """Return the certificates.

        Args:
            cluster: the cluster.
            state: of this cluster, from the last pass.
            in_use: whether any pod, or the template of pods, has TLS.
        """
        if cluster.spec.tls is None and cluster.status.tls is None and not in_use:
            state.forget()
            return NO_CERTIFICATES
        known, now = state.known, self._wall()
        if known is None or not self._is_fresh(cluster, known):
            try:
                found = await self._read(cluster, now)
            except ForbiddenError as error:
                return _as_reported(cluster, str(error))
            known = state.known = _Known(cluster.meta.uid, cluster.meta.generation, self._now_s(), found)
        sources = known.certificates.sources
        current = replace(sources, now=now) if sources is not None else None
        return replace(known.certificates, now=now, sources=current, read_s=known.read_s)

    def _is_fresh(self, cluster: ValidatedCluster, known: _Known) -> bool:
        if (known.uid, known.generation) != (cluster.meta.uid, cluster.meta.generation):
            return False
        return self._now_s() - known.read_s < (MAX_AGE_REFUSED_S if known.certificates.problems else MAX_AGE_S)

    async def _read(self, cluster: ValidatedCluster, now: datetime) -> Certificates:
        names = cluster.names
        tls, authority, published, delivered = await asyncio.gather(
            self._api.get(SECRETS, names.namespace, names.tls_secret),
            self._api.get(SECRETS, names.namespace, names.ca_secret),
            self._api.get(CONFIG_MAPS, names.namespace, names.ca_bundle),
            DeliveryReader(self._api, cluster, now).read(),
        )
        foreign = [text for each in (tls, authority, published) if (text := _foreign(cluster, each))]
        if foreign:
            return Certificates(problems=tuple(foreign))
        held = files_of(tls, authority)
        operator = held.leaves.get(File.OPERATOR)
        sources = CertificateSources(
            now=now,
            held=held,
            files=frozenset(data_of(tls)),
            tls_secret=version_of(tls),
            ca_secret=version_of(authority),
            authorities=authorities_of(authority),
            last_generation=last_generation(cluster.meta.uid, held, _issuers(cluster.status.tls)),
            delivered=delivered.leaves,
            clients=delivered.clients,
            published=_bundle(published),
            config_map=version_of(published),
            requests=delivered.requests,
            unanswerable=frozenset(delivered.unanswerable),
        )
        return Certificates(
            client=leaf_of(held, File.CLIENT, File.CLIENT_CA),
            quorum=leaf_of(held, File.QUORUM, File.QUORUM_CA),
            trust=pem_of(held.bundles.get(File.PUBLISHED, ())).decode(),
            identity=leaf_pem(operator).decode() if operator is not None else "",
            problems=tuple(delivered.problems),
            now=now,
            sources=sources,
        )


def _foreign(cluster: ValidatedCluster, live: Manifest | None) -> str:
    """Return why an object with the name of one of ours cannot be used, "" when it can."""
    if live is None or owner_of(cluster, live) is Owner.US or is_orphan(cluster, live):
        return ""
    what = f"{live.get('kind', 'object')} {live['metadata']['name']}"
    if owner_of(cluster, live) is Owner.PREDECESSOR:
        return f"{what} of the earlier cluster is still there; it is waited for"
    return f"{what} {NOT_OURS}"


def _issuers(status: TlsStatus | None) -> tuple[str, ...]:
    parts = (status.client, status.quorum) if status is not None else ()
    return tuple(part.issuer for part in parts if part is not None)


def _bundle(published: Manifest | None) -> str:
    return str((published.get("data") or {}).get(BUNDLE_KEY, "")) if published is not None else ""


def _as_reported(cluster: ValidatedCluster, refusal: str) -> Certificates:
    """Return the certificates as the status describes them, for an operator that may not read Secrets."""
    status = cluster.status.tls or TlsStatus()
    problem = f"the certificates cannot be read: {refusal}"
    return Certificates(_reported(status.client), _reported(status.quorum), problems=(problem,))


def _reported(part: ClientTlsStatus | QuorumTlsStatus | None) -> Leaf | None:
    if part is None or not part.not_after:
        return None
    end = datetime.fromisoformat(part.not_after)
    return Leaf(part.issuer, end, end)
