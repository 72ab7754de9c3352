"""What was committed on each side, in that side's own order, with its author: the input of `checkers`.

Both sides give total orders (ZooKeeper's zxid, the order of a watch), so no search for an order is needed. Keys are
those of the ConfigMap; values are whole, as tests write tokens that carry no secret.
"""

import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.models.zk_log import Transaction

OPERATOR = "operator"
ZXID = "zkoperator.dev/zxid"
OURS = ("zkoperator.dev/", "app.kubernetes.io/")

State = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed write. `changes` maps each key that it changed to its new value, None for a deletion.

    `stamp` is the zxid that a pulled ConfigMap claims to equal; `foreign` says whether something was changed that
    belongs to somebody else (labels, annotations, keys outside the selection).
    """

    at: int
    author: str
    changes: Mapping[str, bytes | None]
    stamp: int | None = None
    foreign: tuple[str, ...] = ()

    @property
    def by_operator(self) -> bool:
        return self.author == OPERATOR


History = tuple[Commit, ...]


def replay(history: History, until: int | None = None) -> State:
    """The state after the history, or after all commits up to and including `until`."""
    state: State = {}
    for commit in history:
        if until is not None and commit.at > until:
            break
        _apply(state, commit.changes)
    return state


def _apply(state: State, changes: Mapping[str, bytes | None]) -> None:
    for key, value in changes.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value


def zookeeper_history(
    transactions: Iterable[Transaction], root: str, operator_sessions: Iterable[int], key_of: Callable[[str], str]
) -> History:
    """The commits on a subtree. `key_of` maps a path relative to the root (empty for the root itself) to its key."""
    ours = frozenset(operator_sessions)
    commits = []
    for transaction in transactions:
        changes = {
            key_of(path.removeprefix(root).removeprefix("/")): data
            for path, data in transaction.changes
            if path == root or path.startswith(f"{root}/")
        }
        if changes:
            author = OPERATOR if transaction.session in ours else f"{transaction.session:x}"
            commits.append(Commit(transaction.zxid, author, changes))
    return tuple(commits)


def config_map_history(
    versions: Iterable[Mapping[str, Any]], operator_revisions: Iterable[str], operator_deletions: Iterable[str] = ()
) -> History:
    """The commits on one ConfigMap from its versions as a watch delivers them.

    Args:
        versions: `{"type": ..., "object": ...}` in the order of the watch.
        operator_revisions: The resourceVersions that the operator's own writes were answered with.
        operator_deletions: The uids of what the operator deleted; no answer tells a deletion's resourceVersion.
    """
    ours, deleted = frozenset(operator_revisions), frozenset(operator_deletions)
    commits = []
    before: dict[str, Any] = {}
    for number, event in enumerate(versions, start=1):
        gone, meta = event["type"] == "DELETED", event["object"]["metadata"]
        after = {} if gone else event["object"]
        changes, foreign = _difference(before, after)
        author = OPERATOR if (meta["uid"] in deleted if gone else meta["resourceVersion"] in ours) else "external"
        if changes or foreign:
            commits.append(Commit(number, author, changes, _stamp(before, after), foreign))
        before = after
    return tuple(commits)


def values(config_map: Mapping[str, Any]) -> State:
    """Keys and bytes of a ConfigMap, text and binary alike."""
    text = {key: value.encode() for key, value in (config_map.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (config_map.get("binaryData") or {}).items()}


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    old, new = values(before), values(after)
    changes = {key: new.get(key) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)}
    return changes, tuple(_foreign(before, after)) if before and after else ()


def _foreign(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[str]:
    """Labels and annotations of others that differ."""
    for kind in ("labels", "annotations"):
        old, new = before["metadata"].get(kind) or {}, after["metadata"].get(kind) or {}
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name) and not name.startswith(OURS):
                yield f"{kind}/{name}"


def _stamp(before: Mapping[str, Any], after: Mapping[str, Any]) -> int | None:
    """The zxid claimed by a write that pulled, None for one that left the claim alone."""
    old, new = ((one.get("metadata", {}).get("annotations") or {}).get(ZXID) for one in (before, after))
    return int(new, 16) if new and new != old else None
