"""Who owns which field of an object: as much of server-side apply as the operator relies on.

A field is the path to a leaf. A list that Kubernetes merges by key is descended by that key; any other list is a leaf.
"""

import json
import marshal
from collections.abc import Iterator
from typing import Any, TypeVar

Json = Any
Path = tuple[str, ...]

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
SERVER_FIELDS = frozenset(
    {
        "creationTimestamp",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    }
)


_T = TypeVar("_T")
_WITHOUT_REFERENCES = 2
"""The last version of `marshal` that writes an object twice which stands in two places."""


def copy(value: _T) -> _T:
    """Return a deep copy of plain JSON, some ten times faster than `copy.deepcopy`."""
    return marshal.loads(marshal.dumps(value, _WITHOUT_REFERENCES))  # type: ignore[arg-type, no-any-return]


def leaves(value: Json, path: Path = (), name: str = "") -> Iterator[tuple[Path, Json]]:
    """Yield every leaf with its path in the notation of `fieldsV1`."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from leaves(each, (*path, f"f:{key}"), key)
    elif isinstance(value, list) and value and name in MERGE_KEYS:
        for item in value:
            yield from leaves(item, (*path, _key_element(name, item)))
    else:
        yield path, value


def owned_fields(manifest: Json) -> dict[Path, Json]:
    """Return the leaves that a write of this manifest claims: all but what the server itself keeps."""
    claimed = {key: each for key, each in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}
    metadata = {key: each for key, each in manifest.get("metadata", {}).items() if key not in SERVER_FIELDS}
    if metadata:
        claimed["metadata"] = metadata
    return {path: each for path, each in leaves(claimed) if path}


def with_containers(paths: set[Path]) -> set[Path]:
    """Return the leaves and all that they stand in: a map that was a leaf while it was empty is one no longer."""
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def merge(live: Json, applied: Json, name: str = "") -> Json:
    """Return the live value with the applied one over it."""
    if isinstance(live, dict) and isinstance(applied, dict):
        merged = dict(live)
        for key, each in applied.items():
            merged[key] = merge(live[key], each, key) if key in live else copy(each)
        return merged
    if isinstance(live, list) and isinstance(applied, list) and name in MERGE_KEYS:
        merged_items = {_key_element(name, item): item for item in live}
        for item in applied:
            element = _key_element(name, item)
            merged_items[element] = merge(merged_items[element], item) if element in merged_items else copy(item)
        return list(merged_items.values())
    return copy(applied)


def remove(value: Json, path: Path, name: str = "") -> None:
    """Take the leaf at the path out of the object, with the containers that it leaves empty."""
    element, rest = path[0], path[1:]
    if element.startswith("f:"):
        key = element[2:]
        if not isinstance(value, dict) or key not in value:
            return
        if rest:
            remove(value[key], rest, key)
        if not rest or value[key] in ({}, []):
            del value[key]
    elif isinstance(value, list):
        for item in [item for item in value if _key_element(name, item) == element]:
            if len(path) > 2 or path[1][2:] not in MERGE_KEYS[name]:
                remove(item, rest)
            elif set(item) <= set(MERGE_KEYS[name]):
                value.remove(item)


def is_merge_key(path: Path, name: str = "") -> bool:
    """Whether the leaf is part of the key of a list item: it goes last, and with it the item."""
    if len(path) == 2 and path[0].startswith("k:"):
        return path[1][2:] in MERGE_KEYS[name]
    return len(path) > 2 and is_merge_key(path[1:], path[0][2:])


def fields_v1(paths: set[Path]) -> dict[str, Any]:
    """Return the paths as the nested objects of a `managedFields` entry."""
    tree: dict[str, Any] = {}
    for path in sorted(paths):
        branch = tree
        for element in path:
            branch = branch.setdefault(element, {})
    return tree


def merge_patch(value: Json, patch: Json) -> Json:
    """Return the value after a JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return copy(patch)
    merged = dict(value) if isinstance(value, dict) else {}
    for key, each in patch.items():
        if each is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), each)
    return merged


def _key_element(name: str, item: Json) -> str:
    return "k:" + json.dumps({key: item[key] for key in MERGE_KEYS[name]}, separators=(",", ":"))
