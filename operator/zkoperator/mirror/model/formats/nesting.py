"""Keys as maps within maps, and back: `db__pool` is `pool` in the map `db`. Pure.

A key that has a value and others below it keeps its own value as `__root` of its map, which no name of a path is. A key
that cannot be taken apart, and put together again, stands as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

from zkoperator.mirror.model.keys import ROOT_KEY

MAX_DEPTH: Final = 200
"""Most maps within one another; a key of a ConfigMap has fewer names."""


def nested(values: Mapping[str, str], separator: str) -> dict[str, Any]:
    """Return the values as maps, sorted by name."""
    tree: dict[str, Any] = {}
    for key in sorted(values):
        *above, name = _names(key, separator)
        inner = tree
        for each in above:
            found = inner.get(each)
            if not isinstance(found, dict):
                found = inner[each] = {} if found is None else {ROOT_KEY: found}
            inner = found
        if isinstance(inner.get(name), dict):
            inner[name][ROOT_KEY] = values[key]
        else:
            inner[name] = values[key]
    return _sorted(tree)


def key_at(names: tuple[str, ...], separator: str) -> str:
    """Return the key of the value at this place."""
    return separator.join(names[:-1] if len(names) > 1 and names[-1] == ROOT_KEY else names)


def _names(key: str, separator: str) -> list[str]:
    names = key.split(separator)
    is_whole = len(names) > MAX_DEPTH or any(name in ("", ROOT_KEY) for name in names)
    return [key] if is_whole else names


def _sorted(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: _sorted(tree[name]) if isinstance(tree[name], dict) else tree[name] for name in sorted(tree)}
