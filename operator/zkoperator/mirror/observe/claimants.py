"""Whether the ConfigSync of a claim still pushes, as the Kubernetes in which it lives says. I/O.

One ensemble may serve several Kubernetes clusters, and none of them knows the ConfigSyncs of the others. A cluster is
identified by the certificate authority that every namespace has in its ConfigMap `kube-root-ca.crt`, as nothing
more may be read than ConfigMaps of the ConfigSync's own namespace.
"""

import hashlib

from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, KubeApi
from zkoperator.mirror.model.names import CLAIMS
from zkoperator.mirror.observe.claims import Claimant, Standing
from zkoperator.mirror.validate import ValidatedSync, validate

_AUTHORITY = "kube-root-ca.crt"


class Claimants:
    """Judges claims for all ConfigSyncs of a process."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._cluster = ""

    async def claimant(self, sync: ValidatedSync) -> Claimant:
        """Return the ConfigSync as it claims."""
        cluster = await self._identity(sync.namespace)
        return Claimant(sync.namespace, sync.name, sync.uid, cluster, sync.source.ensemble)

    def described(self, rival: Claimant) -> str:
        """Return the text for a condition; it names the way out where nobody here can see whether the rival exists."""
        if rival.cluster == self._cluster:
            return str(rival)
        claims = f"the znode below {CLAIMS} that names it"
        return f"{rival} of another Kubernetes cluster (if that one is gone, delete {claims})"

    async def standing(self, claimant: Claimant, root: str) -> Standing:
        """Say whether the claimant still pushes to this root. Whatever is unknown pushes."""
        if claimant.cluster != self._cluster:
            return Standing.PUSHES
        try:
            found = await self._api.get(CONFIG_SYNCS, claimant.namespace, claimant.name)
        except ForbiddenError:  # a namespace that this operator was not given: unknown is not gone
            return Standing.PUSHES
        if found is None or found["metadata"].get("uid") != claimant.uid:
            return Standing.GONE
        try:
            sync = validate(found)
        except InvalidError:
            return Standing.PUSHES
        return Standing.PUSHES if _still_pushes(sync, claimant, root) else Standing.ELSEWHERE

    async def _identity(self, namespace: str) -> str:
        """Return the identity of this Kubernetes, "" where the namespace has no ConfigMap of the authority."""
        if not self._cluster:
            found = await self._api.get(CONFIG_MAPS, namespace, _AUTHORITY)
            authority = str(((found or {}).get("data") or {}).get("ca.crt", ""))
            self._cluster = hashlib.sha256(authority.encode()).hexdigest()[:16] if authority else ""
        return self._cluster


def _still_pushes(sync: ValidatedSync, claimant: Claimant, root: str) -> bool:
    """Whether the ConfigSync would make this claim again. One that names its ensemble differently now claims anew."""
    has_moved = sync.source.root != root or claimant.ensemble not in ("", sync.source.ensemble)
    return sync.writes_znodes and not has_moved
