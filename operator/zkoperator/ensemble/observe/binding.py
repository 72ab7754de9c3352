"""Reads the binding Secret. I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zkoperator.ensemble.build.discovery import BINDING_KEYS
from zkoperator.ensemble.observe.binding_view import UNREAD, BindingView
from zkoperator.ensemble.observe.certificate_secrets import data_of, version_of
from zkoperator.ensemble.observe.ownership import Owner, is_orphan, owner_of, ownership_of
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import SECRETS, KubeApi, Manifest

MAX_AGE_S: Final = 60.0
"""Seconds for which the Secret is not read again. It is not listed, so no event announces a change."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read at this monotonic time, for this cluster."""

    uid: str
    read_s: float
    binding: BindingView


@dataclass(slots=True)
class BindingState:
    """The binding Secret of one cluster that was read last."""

    known: _Known | None = None

    def forget(self) -> None:
        """Have the next pass read it again, because it is about to be written."""
        self.known = None


class BindingReader:
    """Reads the binding Secrets of clusters.

    Args:
        api: the Kubernetes API.
        now_s: monotonic time.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float]) -> None:
        self._api = api
        self._now_s = now_s

    async def read(self, cluster: ValidatedCluster, state: BindingState) -> BindingView:
        """Return the Secret as it was read last. Nothing is decided by one that may not be read."""
        known, now_s = state.known, self._now_s()
        if known is not None and known.uid == cluster.meta.uid and now_s - known.read_s < MAX_AGE_S:
            return known.binding
        try:
            live = await self._api.get(SECRETS, cluster.names.namespace, cluster.names.binding)
        except ForbiddenError:
            return UNREAD
        found = _view(cluster, live)
        state.known = _Known(cluster.meta.uid, now_s, found) if live is not None else None
        return found


def _view(cluster: ValidatedCluster, live: Manifest | None) -> BindingView:
    if live is None:
        return BindingView(known=True)
    is_ours = owner_of(cluster, live) is Owner.US or is_orphan(cluster, live)
    data = data_of(live)
    return BindingView(
        known=True,
        identity=ownership_of(live),
        entries={key: data[key].decode(errors="replace") for key in BINDING_KEYS if key in data},
        version=version_of(live) if is_ours else None,
    )
