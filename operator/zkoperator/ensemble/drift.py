"""Whether a live object is as its manifest asks, though the API server has filled in defaults."""

from typing import Any

from zkoperator.ensemble.quantity import parse_quantity
from zkoperator.kube.port import Manifest

_WHOLE = frozenset({"selector", "matchLabels", "data", "nodeSelector"})
"""Maps in which a key that somebody added changes what the object does."""
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
            whole = key not in _WHOLE or set(live or {}) == set(desired)
            return (
                isinstance(live or {}, dict)
                and whole
                and all(_covers((live or {}).get(part), value, part) for part, value in desired.items())
            )
        case list():
            same_length = isinstance(live or [], list) and len(live or []) == len(desired)
            return same_length and all(_covers(*pair, key) for pair in zip(live or [], desired, strict=True))
        case None | "":
            return live in (None, "")
        case _:
            return live == desired or _equal_amounts(live, desired)


def _equal_amounts(live: Any, desired: Any) -> bool:
    if isinstance(live, bool) or isinstance(desired, bool):
        return False
    try:
        return parse_quantity(live) == parse_quantity(desired)
    except (ArithmeticError, TypeError):
        return False


def _pruned(live: Any, desired: Any) -> Any:
    if not isinstance(desired, dict) or not isinstance(live, dict):
        return desired
    patch = {key: _pruned(live.get(key), value) for key, value in desired.items()}
    for key in desired.keys() & _WHOLE:
        if isinstance(patch[key], dict) and isinstance(live.get(key), dict):
            patch[key] |= dict.fromkeys(live[key].keys() - desired[key].keys())
    return patch
