"""Reads one object by name, says whether it may be asked for something, and changes one of its annotations."""

from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import Manifest, Resource


async def fetch(api: KubeClient, resource: Resource, namespace: str, name: str) -> Manifest:
    """Return the object.

    Raises:
        InvalidError: there is none; the message says how to look for it.
    """
    found = await api.get(resource, namespace, name)
    if found is None:
        advice = f"there is no {resource.kind} of this name in namespace {namespace}; `status -A` lists all"
        raise InvalidError((FieldError(name, advice),))
    return found


def annotation(raw: Manifest, key: str) -> str:
    """Return an annotation, "" when there is none."""
    return str((raw["metadata"].get("annotations") or {}).get(key, ""))


def require_unpaused(raw: Manifest, done: str) -> None:
    """Refuse a request that would be carried out at some later time, when nobody expects it.

    Args:
        raw: the ZooKeeperCluster.
        done: what the request asks for: "restarted".

    Raises:
        InvalidError: the cluster is paused.
    """
    if (raw.get("spec") or {}).get("paused") is True:
        message = f"is paused, so nothing is {done}; set spec.paused to false first"
        raise InvalidError((FieldError(raw["metadata"]["name"], message),))


async def request(api: KubeClient, resource: Resource, raw: Manifest, key: str, value: str) -> None:
    """Set an annotation of the object with this uid, even if it has changed; `ConflictError` for another object."""
    meta = raw["metadata"]
    patch = {"metadata": {"uid": meta["uid"], "annotations": {key: value}}}
    if await api.patch(resource, meta["namespace"], meta["name"], patch) is None:
        raise InvalidError((FieldError(meta["name"], f"this {resource.kind} was deleted meanwhile"),))


async def annotate(api: KubeClient, resource: Resource, raw: Manifest, key: str, value: str) -> None:
    """Set an annotation; `ConflictError` when the object has changed since it was read."""
    meta = raw["metadata"]
    patch = {"metadata": {"annotations": {key: value}}}
    await api.patch(resource, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"])
