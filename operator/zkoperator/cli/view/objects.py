"""Reading one object by name for a command, and changing one of its annotations under its version."""

from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import Manifest, Resource


async def fetch(api: KubeClient, resource: Resource, namespace: str, name: str) -> Manifest:
    """Return the object.

    Raises:
        InvalidError: when there is none; says how to look for it.
    """
    found = await api.get(resource, namespace, name)
    if found is None:
        advice = f"there is no {resource.kind} of this name in namespace {namespace}; `status -A` lists all"
        raise InvalidError((FieldError(name, advice),))
    return found


def annotation(raw: Manifest, key: str) -> str:
    """Return an annotation, empty when there is none."""
    return str((raw["metadata"].get("annotations") or {}).get(key, ""))


async def annotate(api: KubeClient, resource: Resource, raw: Manifest, key: str, value: str) -> None:
    """Set an annotation if the object is still as it was read; `ConflictError` when it is not."""
    meta = raw["metadata"]
    patch = {"metadata": {"annotations": {key: value}}}
    await api.patch(resource, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"])
