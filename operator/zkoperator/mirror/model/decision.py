"""What has to happen for one key, and why it may be impossible. Pure."""

from enum import StrEnum
from typing import Final, NamedTuple

from zkoperator.api.reasons import SyncReason

_SHOWN_CHARACTERS: Final = 12
_NAME_LIMIT: Final = 100
_COUNTED_LIMIT: Final = 253
"""Longest name in the list of deletions of a status, in characters."""


class Action(StrEnum):
    """What has to happen for a key. A write of an absent value is a deletion."""

    NOTHING = "nothing"
    RECORD = "record"
    """Both sides are equal: only the base moves."""
    FORGET = "forget"
    """Both sides are absent: only the base moves."""
    DETACH = "detach"
    """Deleted on one side, kept on the other: only the base moves."""
    TO_CONFIG_MAP = "to_config_map"
    TO_ZOOKEEPER = "to_zookeeper"
    CONFLICT = "conflict"


class Problem(NamedTuple):
    """A key (or path) that cannot be synchronised. It does not stop the other keys."""

    reason: SyncReason
    name: str
    message: str


class Decision(NamedTuple):
    """One key for which something has to happen.

    `fallen`: path of the znode that had the key and was deleted, where an earlier subtree has another value for it.
    """

    key: str
    path: str
    action: Action
    zookeeper: bytes | None
    config_map: bytes | None
    fallen: str = ""

    @property
    def is_deletion(self) -> bool:
        """Whether it deletes the key on one side."""
        if self.action is Action.TO_CONFIG_MAP:
            return self.zookeeper is None
        return self.action is Action.TO_ZOOKEEPER and self.config_map is None

    @property
    def takes_away(self) -> bool:
        """Whether it follows a deletion: the key goes, or falls back to the value of an earlier subtree."""
        return self.is_deletion or self.fallen != ""

    @property
    def counted(self) -> str:
        """The name under which it counts as a deletion: a key that falls back is still there."""
        return f"/{self.fallen}"[:_COUNTED_LIMIT] if self.fallen else self.key


def short_hash(digest: bytes | None) -> str:
    """Return a digest as status shows it, "" for an absent value."""
    return "" if digest is None else digest.hex()[:_SHOWN_CHARACTERS]


def shown_name(name: str) -> str:
    """Return the name for a message. A long name becomes its beginning, its length and its end."""
    if len(name) <= _NAME_LIMIT:
        return name
    return f"{name[: _NAME_LIMIT // 2]}...({len(name)} characters)...{name[-_NAME_LIMIT // 4 :]}"
