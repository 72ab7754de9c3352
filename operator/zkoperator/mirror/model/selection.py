"""Which znodes of the subtree belong to a ConfigSync, and how their keys are named. Pure."""

import re
from typing import Final

from zkoperator.mirror.model.names import is_reserved
from zkoperator.mirror.model.naming import PLAIN, Naming

ALL: Final = ("**",)


class Selection:
    """The include and exclude globs, and the reserved paths. Answers are cached, as every pass asks for all paths.

    `*` and `?` match within a segment, `**` matches zero or more segments; the path of the root is "". Of several
    subtrees (`naming.parts`, `root` is `/`) the globs match the path below the root of each.
    """

    def __init__(
        self, root: str, include: tuple[str, ...] = ALL, exclude: tuple[str, ...] = (), naming: Naming = PLAIN
    ) -> None:
        self.naming = naming
        self._given = root, include, exclude
        self._root = "" if root == "/" else root
        self._everything = include == ALL and not exclude and self._root != ""
        self._globs = include or ALL
        self._include = _union(self._globs)
        self._exclude = _union(exclude)
        self._known: dict[str, bool] = {}

    def named(self, naming: Naming) -> "Selection":
        """Return the same selection under other names of keys."""
        return Selection(*self._given, naming)

    def takes(self, path: str) -> bool:
        """Whether the znode at this path relative to the root is selected."""
        if self._everything:
            return True
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._decide(path)
        return known

    def takes_key(self, key: str, path: str) -> bool:
        """Whether a key that encodes no path is selected, by its name or by `path`, which its author probably meant."""
        if is_reserved(f"{self._root}/{path}"):
            return False
        names = (key, path)
        is_included = any(self._include.fullmatch(name) is not None for name in names)
        return is_included and all(self._exclude.fullmatch(name) is None for name in names)

    def may_reach(self, path: str) -> bool:
        """Whether the znode at this path, or any that may be below it, can be selected."""
        if is_reserved(f"{self._root}/{path}") or self.takes(path):
            return self.takes(path)
        return self._may_reach_below(self.naming.relative(path))

    def _may_reach_below(self, path: str | None) -> bool:
        if path is None:
            return False
        samples = (f"{path}/{_ANY_NAME}", f"{path}/{_ANY_NAME}/{_ANY_NAME}")
        is_excluded = all(self._exclude.fullmatch(sample) is not None for sample in samples)
        return not is_excluded and any(_reaches_below(glob, path) for glob in self._globs)

    def _decide(self, path: str) -> bool:
        relative = self.naming.relative(path)
        if relative is None or is_reserved(f"{self._root}/{path}"):
            return False
        return self._include.fullmatch(relative) is not None and self._exclude.fullmatch(relative) is None


_ANY_NAME: Final = "\0"
"""Stands for names that no pattern spells out."""


def _reaches_below(glob: str, path: str) -> bool:
    """Whether the pattern can match a path below this one."""
    parts, names = glob.strip("/").split("/"), path.split("/") if path else []
    for part, name in zip(parts, names, strict=False):
        if part == "**":
            return True
        if re.fullmatch(_segment(part), name, re.DOTALL) is None:
            return False
    return len(parts) > len(names)


def _union(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{_regex(glob)})" for glob in globs) or r"(?!)", re.DOTALL)


def _regex(glob: str) -> str:
    """Translate segment by segment, so that `a/**` takes `a` too and `**/b` takes `b`."""
    parts = glob.strip("/").split("/")
    if parts == ["**"]:
        return ".*"
    regex = ""
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        if part == "**":
            regex += "(?:/.*)?" if last else ("(?:[^/]+/)*" if first else "(?:/[^/]+)*")
        else:
            regex += ("" if first or (number == 1 and parts[0] == "**") else "/") + _segment(part)
    return regex


def _segment(part: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in part)
