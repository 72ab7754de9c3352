"""Compares a live object, into which the API server has filled defaults, with the manifest of the operator. Pure."""

from collections.abc import Iterator
from typing import Any

from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.model.names import USER_METADATA
from zkoperator.kube.port import FIELD_MANAGER, Manifest

_WHOLE = frozenset({"selector", "matchLabels", "data", "nodeSelector"})
"""Maps in which any added key changes what the object does."""
_UNASKED = frozenset(
    {
        *("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers", "serviceAccountName"),
        *("serviceAccount", "hostAliases", "envFrom", "args", "externalIPs", "ordinals"),
    }
)
"""Keys that the API server never fills in. A key that the manifest does not have was added by another client."""
_METADATA = ("labels", "annotations", "ownerReferences")


def covers(live: Manifest, desired: Manifest) -> bool:
    """Whether the live object has everything in the manifest, and nothing was added that changes what it does."""
    same = _user_metadata(live) == _user_metadata(desired)
    return same and next(_changes(_content(live), _content(desired)), None) is None


def changed_fields(live: Manifest, desired: Manifest) -> tuple[str, ...]:
    """Return the paths of the fields in which the live object differs, `spec.replicas` for example."""
    return tuple(_changes(_content(live), _content(desired)))


def edit_of(live: Manifest, desired: Manifest) -> str:
    """Return who changed which fields of the object, empty when what differs was changed by nobody else.

    The field managers are those of `metadata.managedFields`: an edit makes its author the owner of the field.
    """
    changed = changed_fields(live, desired)
    entries = [each for each in live["metadata"].get("managedFields") or () if each.get("manager") != FIELD_MANAGER]
    found = {(each["manager"], path) for each in entries for path in changed if _owns(each.get("fieldsV1"), path)}
    managers, fields = (", ".join(sorted({edit[part] for edit in found})) for part in (0, 1))
    return f"{managers} changed {fields}" if found else ""


def _user_metadata(manifest: Manifest) -> Any:
    """Return the digest by which a label or annotation that the spec has dropped is noticed: an apply removes it."""
    return (manifest.get("metadata", {}).get("annotations") or {}).get(USER_METADATA)


def repair_patch(live: Manifest, desired: Manifest) -> Manifest:
    """Return the JSON merge patch that also removes what other clients added; server-side apply would keep that."""
    content = _content(desired)
    metadata = content.pop("metadata")
    return {"metadata": metadata, **_pruned(_content(live), content)}


def _content(manifest: Manifest) -> dict[str, Any]:
    content = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "status", "metadata")}
    metadata = manifest.get("metadata", {})
    return {**content, "metadata": {key: metadata[key] for key in _METADATA if key in metadata}}


def _owns(owned: Any, path: str) -> bool:
    """Whether the field of `fieldsV1` is there; owners of list items are not looked for further than the list."""
    for part in path.partition("[")[0].split("."):
        owned = owned.get(f"f:{part}") if isinstance(owned, dict) else None
    return owned is not None


def _changes(live: dict[str, Any], desired: dict[str, Any]) -> Iterator[str]:
    for key, value in desired.items():
        yield from _changed(live.get(key), value, key, key)


def _changed(live: Any, desired: Any, key: str, path: str) -> Iterator[str]:
    match desired:
        case dict():
            yield from _changed_parts(live or {}, desired, key, path)
        case list():
            there = live or []
            if not isinstance(there, list) or len(there) != len(desired):
                yield path
                return
            for number, (found, wanted) in enumerate(zip(there, desired, strict=True)):
                yield from _changed(found, wanted, key, f"{path}[{number}]")
        case None | "":
            if live not in (None, ""):
                yield path
        case _:
            if live != desired and not _equal_amounts(live, desired):
                yield path


def _changed_parts(live: Any, desired: dict[str, Any], key: str, path: str) -> Iterator[str]:
    if not isinstance(live, dict):
        yield path
        return
    missing = desired.keys() - live.keys() if key in _WHOLE else frozenset()
    yield from sorted(f"{path}.{part}" for part in (*missing, *_strays(live, desired, key)))
    for part, value in desired.items():
        if part not in missing:
            yield from _changed(live.get(part), value, part, f"{path}.{part}")


def _strays(live: dict[str, Any], desired: dict[str, Any], key: str) -> frozenset[str]:
    """Return the keys that were added to this part of the object and that change what it does."""
    added = live.keys() - desired.keys()
    return frozenset(added if key in _WHOLE else (part for part in added & _UNASKED if live[part]))


def _equal_amounts(live: Any, desired: Any) -> bool:
    if isinstance(live, bool) or isinstance(desired, bool):
        return False
    try:
        return parse_quantity(live) == parse_quantity(desired)
    except (ArithmeticError, TypeError):
        return False


def _pruned(live: Any, desired: Any, key: str = "") -> Any:
    if not isinstance(desired, dict) or not isinstance(live, dict):
        return desired
    patch = {part: _pruned(live.get(part), value, part) for part, value in desired.items()}
    return patch | dict.fromkeys(_strays(live, desired, key))
