"""Writes the status of an object: in one request, only what has changed, and only over the version that was read."""

from collections.abc import Mapping
from typing import Any

from zkoperator.kube.port import KubeApi, Manifest, Resource


class StatusWriter:
    """Writes the status of objects of one kind.

    Args:
        api: the Kubernetes API.
        resource: the kind.
        is_complete: whether a status that is given has every field, so that a field which it lacks is removed.
    """

    def __init__(self, api: KubeApi, resource: Resource, *, is_complete: bool) -> None:
        self._api = api
        self._resource = resource
        self._is_complete = is_complete

    async def write(self, raw: Mapping[str, Any], status: Mapping[str, Any]) -> Manifest | None:
        """Write the status over the object as it was read.

        Returns:
            The object after the write, the given one when nothing differs, None when the object is gone.

        Raises:
            ConflictError: the object has changed since it was read, or is another one of the same name.
        """
        meta, old = raw["metadata"], raw.get("status") or {}
        changes = status_changes(old, status, is_complete=self._is_complete)
        if not changes:
            return dict(raw)
        return await self._api.patch(
            self._resource,
            meta["namespace"],
            meta["name"],
            {"status": changes},
            resource_version=meta.get("resourceVersion"),
            subresource="status",
        )


def status_changes(old: Mapping[str, Any], new: Mapping[str, Any], *, is_complete: bool) -> dict[str, Any]:
    """Return the merge patch from the old status to the new one; a field to be removed has the value None."""
    removed = dict.fromkeys(key for key in old if key not in new) if is_complete else {}
    return {**removed, **{key: _patched(old.get(key), value) for key, value in new.items() if old.get(key) != value}}


def _patched(old: Any, new: Any) -> Any:
    """Return the value for a merge patch, which would keep the parts of a map that the new one does not have."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    removed = dict.fromkeys(key for key in old if key not in new)
    return {**removed, **{key: _patched(old.get(key), value) for key, value in new.items()}}
