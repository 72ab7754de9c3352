"""Whether a live object is as its manifest asks, though the API server has filled in defaults."""

from typing import Any

from zkoperator.ensemble.model.quantity import parse_quantity
from zkoperator.kube.port import Manifest

_WHOLE = frozenset({"selector", "matchLabels", "data", "nodeSelector"})
"""Maps in which a key that somebody added changes what the object does."""
_UNASKED = frozenset(
    {
        *("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "initContainers", "serviceAccountName"),
        *("serviceAccount", "hostAliases", "envFrom", "args", "externalIPs", "ordinals"),
    }
)
"""Keys that no server fills in: where a manifest does not have them, somebody added them, and they change much."""
_METADATA = ("labels", "annotations", "ownerReferences")


def covers(live: Manifest, desired: Manifest) -> bool:
    """Tell whether everything in the manifest stands in the live object, and nothing was added that changes it."""
    return all(_covers(_content(live).get(key), value, key) for key, value in _content(desired).items())


def repair_patch(live: Manifest, desired: Manifest) -> Manifest:
    """Return the JSON merge patch that also removes what others added, which server-side apply leaves alone."""
    content = _content(desired)
    metadata = content.pop("metadata")
    return {"metadata": metadata, **_pruned(_content(live), content)}


def _content(manifest: Manifest) -> dict[str, Any]:
    content = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "status", "metadata")}
    metadata = manifest.get("metadata", {})
    return {**content, "metadata": {key: metadata[key] for key in _METADATA if key in metadata}}


def _covers(live: Any, desired: Any, key: str) -> bool:
    match desired:
        case dict():
            there = live or {}
            return (
                isinstance(there, dict)
                and (key not in _WHOLE or desired.keys() <= there.keys())
                and not _strays(there, desired, key)
                and all(_covers(there.get(part), value, part) for part, value in desired.items())
            )
        case list():
            same_length = isinstance(live or [], list) and len(live or []) == len(desired)
            return same_length and all(_covers(*pair, key) for pair in zip(live or [], desired, strict=True))
        case None | "":
            return live in (None, "")
        case _:
            return live == desired or _equal_amounts(live, desired)


def _strays(live: dict[str, Any], desired: dict[str, Any], key: str) -> frozenset[str]:
    """Return the keys that somebody added to a part of the object and that change what it does."""
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
