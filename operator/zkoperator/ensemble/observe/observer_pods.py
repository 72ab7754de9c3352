"""Reads the pods of observers, and tells members of the two groups apart. I/O."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from zkoperator.api.observers import MAX_OBSERVERS
from zkoperator.ensemble.model.names import OBSERVER_BASE, is_observer
from zkoperator.ensemble.observe.pod_view import PodView, pod_view
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import PODS, Manifest, Resource

OBSERVER_IDS: Final = range(OBSERVER_BASE + 1, OBSERVER_BASE + MAX_OBSERVERS + 1)
"""Ids of observers whose pods are read by name."""

_Of = TypeVar("_Of")
_Fetch = Callable[[Resource, str, str], Awaitable[Manifest | None]]


async def read_observer_pods(
    cluster: ValidatedCluster, stateful_set: Manifest | None, known: _Fetch, live: _Fetch
) -> dict[int, PodView]:
    """Return the pods of observers, including those that have lost their labels.

    Args:
        cluster: the cluster.
        stateful_set: that of the observers, None while there is none.
        known: reads what informers have seen.
        live: reads the API.
    """
    if stateful_set is None and cluster.spec.observers is None:
        return {}
    names = cluster.names
    found = {m: await known(PODS, names.namespace, names.pod(m)) for m in OBSERVER_IDS}
    replicas = int(stateful_set["spec"].get("replicas", 1)) if stateful_set is not None else 0
    absent = [member for member in OBSERVER_IDS[:replicas] if found[member] is None]
    fetched = await asyncio.gather(*(live(PODS, names.namespace, names.pod(m)) for m in absent))
    found |= dict(zip(absent, fetched, strict=True))
    return {m: pod_view(m, manifest) for m, manifest in found.items() if manifest is not None}


def voters_of(members: Mapping[int, _Of]) -> dict[int, _Of]:
    """Return those that are not observers."""
    return {member: each for member, each in members.items() if not is_observer(member)}


def observers_of(members: Mapping[int, _Of]) -> dict[int, _Of]:
    """Return those that are observers."""
    return {member: each for member, each in members.items() if is_observer(member)}
