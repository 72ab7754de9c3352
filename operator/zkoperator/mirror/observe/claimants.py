"""Finds out from Kubernetes whether the ConfigSync of a claim still pushes. I/O.

One ensemble may serve several Kubernetes clusters, and none of them knows the ConfigSyncs of the others. A hash of the
certificate authority identifies a cluster: every namespace has it in the ConfigMap `kube-root-ca.crt`, and the operator
may read ConfigMaps in the ConfigSync's own namespace only.
"""

import hashlib

from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, KubeApi
from zkoperator.mirror.model.names import CLAIMS
from zkoperator.mirror.observe.claims import Claimant, Standing
from zkoperator.mirror.validate import ValidatedSync, validate

_AUTHORITY = "kube-root-ca.crt"


class Claimants:
    """Finds the standing of claimants, for all ConfigSyncs of a process."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._cluster = ""

    async def claimant(self, sync: ValidatedSync) -> Claimant:
        """Return the claimant that stands for the ConfigSync."""
        cluster = await self._identity(sync.namespace)
        return Claimant(sync.namespace, sync.name, sync.uid, cluster, sync.source.ensemble)

    def described(self, rival: Claimant) -> str:
        """Return the rival for a message. For one in another cluster, say how to remove its claim."""
        if rival.cluster == self._cluster:
            return str(rival)
        claims = f"the znode below {CLAIMS} that names it"
        return f"{rival} of another Kubernetes cluster (if that one is gone, delete {claims})"

    async def standing(self, claimant: Claimant, root: str) -> Standing:
        """Return whether the claimant still pushes to this root. An unknown claimant counts as pushing."""
        if claimant.cluster != self._cluster:
            return Standing.PUSHES
        try:
            found = await self._api.get(CONFIG_SYNCS, claimant.namespace, claimant.name)
        except ForbiddenError:  # the operator may not read this namespace: unknown is not gone
            return Standing.PUSHES
        if found is None or found["metadata"].get("uid") != claimant.uid:
            return Standing.GONE
        try:
            sync = validate(found)
        except InvalidError:
            return Standing.PUSHES
        return Standing.PUSHES if _still_pushes(sync, claimant, root) else Standing.ELSEWHERE

    async def _identity(self, namespace: str) -> str:
        """Return the identity of this Kubernetes cluster, "" when the namespace has no ConfigMap of the authority."""
        if not self._cluster:
            found = await self._api.get(CONFIG_MAPS, namespace, _AUTHORITY)
            authority = str(((found or {}).get("data") or {}).get("ca.crt", ""))
            self._cluster = hashlib.sha256(authority.encode()).hexdigest()[:16] if authority else ""
        return self._cluster


def _still_pushes(sync: ValidatedSync, claimant: Claimant, root: str) -> bool:
    """Return whether the ConfigSync would make this claim again. With another root or ensemble it would not."""
    has_moved = sync.source.root != root or claimant.ensemble not in ("", sync.source.ensemble)
    return sync.writes_znodes and not has_moved
