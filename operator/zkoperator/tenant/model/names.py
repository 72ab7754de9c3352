"""The names that ZNode puts on objects and znodes. They are public: nothing here may change. Pure."""

from typing import Final
from urllib.parse import quote, unquote

from zkoperator.zk.paths import parent_of

FINALIZER: Final = "zkoperator.dev/znode"
"""On a ZNode, only while its `onDelete` asks for the deletion of znodes."""
ZNODE_LABEL: Final = "zkoperator.dev/znode"
"""On a Secret: the ZNode that it was made for."""

OWN_ROOT: Final = "/zkoperator"
RECORDS: Final = f"{OWN_ROOT}/znodes"
"""Its children say which ZNode a path belongs to. Only the superuser may write there."""
QUOTAS: Final = "/zookeeper/quota"
LIMITS: Final = "zookeeper_limits"
STATS: Final = "zookeeper_stats"


def record_path(path: str) -> str:
    """Return the znode that says which ZNode this path belongs to."""
    return f"{RECORDS}/{quote(path, safe='')}"


def recorded_path(name: str) -> str:
    """Return the path that a child of `RECORDS` is about."""
    return unquote(name)


def quota_path(path: str) -> str:
    """Return the parent of the quota znodes of a path."""
    return QUOTAS + path


def secret_name(name: str) -> str:
    """Return the Secret for the application of the ZNode with this name."""
    return f"{name}-zk"


def username(namespace: str, name: str) -> str:
    """Return the user of a credential that the operator makes."""
    return f"{namespace}.{name}"


def owner_text(namespace: str, name: str) -> str:
    """Return how a record names a ZNode."""
    return f"{namespace}/{name}"


def overlap(one: str, other: str) -> bool:
    """Return whether the paths are equal, or one is below the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def parents_of(path: str, top: str = "/") -> tuple[str, ...]:
    """Return the parents of a path below `top`, the highest first."""
    found: list[str] = []
    parent = parent_of(path)
    while parent not in (top, "/"):
        found.insert(0, parent)
        parent = parent_of(parent)
    return tuple(found)
