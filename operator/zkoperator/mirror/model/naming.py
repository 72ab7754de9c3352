"""How the keys of one ConfigSync are named: separator, stripped prefix, and short keys for long paths. Pure.

With the default separator and no prefix, every key stands for exactly one path. Otherwise two paths of a tree may have
one key: whoever only pulls sees it in the tree at hand. Whoever pushes must know the path of a key without a tree, so
that only a path that its key leads back to has a key there.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from zkoperator.mirror.model.keys import (
    MAX_KEY,
    ROOT_KEY,
    SEPARATOR,
    Unmappable,
    advice,
    is_taken,
    key_of,
    literal_path,
    path_of,
    read,
    too_long,
    written,
)
from zkoperator.mirror.model.parts import Parts, number_of

INDEX_KEY: Final = "__index"
"""Key with the paths of all short keys. No path is written as a key that begins with a separator."""

_SHORT: Final = "__long-"
_SHORT_DIGITS: Final = 32
_REMEMBERED: Final = 65_536
_OUTSIDE: Final = "the znode is in none of spec.zookeeper.sources"
_NOT_PULLED: Final = "only direction: ZooKeeperToConfigMap writes this key, for a path that is too long; remove it"


@dataclass(frozen=True, slots=True)
class Naming:
    """How paths and keys correspond.

    Args:
        separator: between the names of a path.
        strip_prefix: text that is left off the beginning of keys.
        shortens: whether a path whose key is too long gets a short key, from which the path does not follow.
        parts: the subtrees, where there are several. Paths are then relative to `/`, and follow from no key.
    """

    separator: str = SEPARATOR
    strip_prefix: str = ""
    shortens: bool = False
    parts: Parts = ()

    @property
    def is_plain(self) -> bool:
        """Whether keys are named as they are without any field that says otherwise."""
        return self.separator == SEPARATOR and not self.strip_prefix and not self.parts

    @property
    def without_short_keys(self) -> "Naming":
        """The same names, as a base remembers them: direction says whether there are short keys."""
        return replace(self, shortens=False)

    def irregular(self, keys: Iterable[str]) -> Iterable[str]:
        """Return those of the keys from which the path may not follow."""
        return filter(is_short, keys) if self.is_plain else keys

    def key_of(self, path: str) -> str | Unmappable:
        """Return the key of a path relative to the root ("" is the root itself)."""
        if self.parts:
            return self._of_part(path)
        if self.is_plain and not self.shortens:
            return key_of(path)
        if path == "":
            return ROOT_KEY
        key = _written(self, path)
        if len(key) > MAX_KEY:
            return short_key(path) if self.shortens else Unmappable(path, too_long(key))
        if self.is_plain or self.shortens or self._read(key) == path:
            return key
        return self.unfit(path, path)

    def unfit(self, name: str, path: str) -> Unmappable:
        """Return why the path has no key here, for the path or the key that it had elsewhere (`name`)."""
        return Unmappable(name, _NOT_PULLED if is_short(name) else self._not_bijective(path, _written(self, path)))

    def path_of(self, key: str) -> str | Unmappable:
        """Return the path that follows from the key alone, `Unmappable` if only the tree at hand tells it."""
        if self.parts or is_short(key) or key == INDEX_KEY:
            return Unmappable(key, _NOT_PULLED)
        if self.is_plain:
            return path_of(key)
        if not is_taken(key):
            return Unmappable(key, "not a key that a ConfigMap takes")
        path = self._read(key)
        return path if path is not None else Unmappable(key, self._advice(key))

    def number_of(self, path: str) -> int | None:
        """Return which of the subtrees has the znode, 0 for the only one; None when none has."""
        return number_of(self.parts, path) if self.parts else 0

    def relative(self, path: str) -> str | None:
        """Return the path relative to the root of its subtree, None when it is in none."""
        number = self.number_of(path)
        if number is None or not self.parts:
            return path if number is not None else None
        return self.parts[number].relative(path)

    def path_in(self, number: int, key: str) -> str | None:
        """Return the path that the key stands for in one of several subtrees, None when it does not follow from it."""
        part = self.parts[number]
        text = key.removeprefix(part.prefix)
        relative = "" if text == ROOT_KEY else read(self.strip_prefix + text, self.separator)
        if relative is None:
            return None
        path = f"{part.path}/{relative}" if relative else part.path
        return path if self.key_of(path) == key else None

    def _of_part(self, path: str) -> str | Unmappable:
        number = self.number_of(path)
        if number is None:
            return Unmappable(path, _OUTSIDE)
        part = self.parts[number]
        relative = part.relative(path)
        key = part.prefix + (_written(self, relative) if relative else ROOT_KEY)
        return key if len(key) <= MAX_KEY else short_key(part.prefix + relative)

    def meant_by(self, key: str) -> str:
        """Return the path that the author of a key without a path probably meant."""
        return literal_path(self.strip_prefix + key, self.separator)

    def _read(self, key: str) -> str | None:
        return "" if key == ROOT_KEY else _read(self, key)

    def _advice(self, key: str) -> str:
        path = self.meant_by(key)
        return advice(key, path, self.key_of(path))

    def _not_bijective(self, path: str, key: str) -> str:
        other = self._read(key)
        stands = f"stands for znode {other}" if other is not None else "stands for no znode"
        return (
            f"znode {path} would be key {key}, which {stands}: what is pushed needs keys from which the path follows; "
            "exclude it (spec.keys.exclude), or change spec.keys.separator or stripPrefix"
        )


def _written(naming: Naming, path: str) -> str:
    key = written(path, naming.separator)
    rest = key.removeprefix(naming.strip_prefix)
    is_key = rest not in ("", ".") and not rest.startswith(("..", "__"))
    return rest if is_key else key


@lru_cache(maxsize=_REMEMBERED)
def _read(naming: Naming, key: str) -> str | None:
    path = read(naming.strip_prefix + key, naming.separator)
    return path if path is not None and _written(naming, path) == key else None


def short_key(path: str) -> str:
    """Return the short key of a path: the same path always has the same."""
    return _SHORT + hashlib.sha256(path.encode()).hexdigest()[:_SHORT_DIGITS]


def is_short(key: str) -> bool:
    """Whether this is the short key of some path."""
    return key.startswith(_SHORT)


PLAIN: Final = Naming()
"""The names of keys where the spec says nothing else."""
