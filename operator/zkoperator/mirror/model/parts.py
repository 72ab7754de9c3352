"""Several subtrees of one ensemble as one: where each begins, what stands before its keys, and which one wins. Pure.

Paths are relative to `/`, so that every znode of every part has a path of its own.
"""

from dataclasses import dataclass

from zkoperator.zk.snapshot import is_at_or_below


@dataclass(frozen=True, slots=True)
class Part:
    """One subtree of several. Of two parts that have the same key, the later one wins.

    Args:
        path: of its root, relative to `/`.
        prefix: text before each of its keys.
    """

    path: str
    prefix: str = ""

    def relative(self, path: str) -> str:
        """Return the path of a znode of this part relative to its root ("" is the root)."""
        return path[len(self.path) + 1 :]


Parts = tuple[Part, ...]
"""In the order of the spec. No part is in another one."""


def number_of(parts: Parts, path: str) -> int | None:
    """Return which of the parts has the znode, by its place in the list; None when none has."""
    return next((number for number, part in enumerate(parts) if is_at_or_below(path, part.path)), None)
