"""Which znode paths are valid, checked before a request is sent. Pure.

The rules are those of ZooKeeper's `PathUtils.validatePath`, which the server applies to writes only.
"""

import re

# For Java, a character beyond the BMP is two surrogates, which the server refuses; so do we.
_REFUSED = re.compile("//|/\\.{1,2}(?:/|$)|[\\x00-\\x1f\\x7f-\\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")


def path_problem(path: str) -> str | None:
    """Return what is wrong with an absolute znode path, None for a valid one."""
    if not path.startswith("/"):
        return "must start with '/'"
    if path == "/":
        return None
    if path.endswith("/"):
        return "must not end with '/'"
    found = _REFUSED.search(path)
    if found is None:
        return None
    if "/" in found.group():
        return "must not contain empty, '.' or '..' segments"
    return f"must not contain the character {found.group()!r}"


def parent_of(path: str) -> str:
    """Return the path of the parent; the parent of the root is the root."""
    return path[: path.rfind("/")] or "/"


def join(parent: str, name: str) -> str:
    """Return the path of a child."""
    return f"/{name}" if parent == "/" else f"{parent}/{name}"
