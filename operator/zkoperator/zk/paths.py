"""Which znode paths exist at all, checked before anything is sent. Pure.

The rules are those of ZooKeeper's own `PathUtils.validatePath`, which the server applies to writes only.
"""

import re

# Java counts a character beyond the BMP as two surrogates, which the server refuses: so do we.
_REFUSED = re.compile("//|/\\.{1,2}(?:/|$)|[\\x00-\\x1f\\x7f-\\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")


def path_problem(path: str) -> str | None:
    """Say what is wrong with an absolute znode path, or None when nothing is."""
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
    """Return the parent's path; that of the root is the root."""
    return path[: path.rfind("/")] or "/"


def join(parent: str, name: str) -> str:
    """Return the path of a child."""
    return f"/{name}" if parent == "/" else f"{parent}/{name}"
