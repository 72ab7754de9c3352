"""What both sides of a ConfigSync had in common, for somebody who reads docs/consistency.md and not the code.

The page says ("Writers of the whole object"): the operator that wrote the ConfigMap last knows it. After a restart,
over a ConfigMap without annotations, a key that the status names has the value of its znode if nobody wrote it after
`status.zxid`, or the value that was pushed since; else nobody knows it, nor that of a key that waited then. Keys that
neither names are new. Without the status as well, all are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

TWO_WAY, PULL, PUSH = "TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper"
Value = bytes | None


class Unknown(Enum):
    """The common value of a key that had one which nobody remembers."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN
Common = bytes | Unknown | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of one key: its values on both sides, and whether it is a conflict."""

    znode: Value
    config_map: Value
    is_conflict: bool = False

    def deletes(self, znode: Value, config_map: Value) -> bool:
        """Whether a value goes that was there."""
        return (znode is not None and self.znode is None) or (config_map is not None and self.config_map is None)


def settled(direction: str, common: Common, znode: Value, config_map: Value) -> Settled:
    """Return what the table of the page makes of one key."""
    if znode == config_map:
        return Settled(znode, config_map)
    if common is None and znode is not None and config_map is not None:
        return Settled(znode, config_map, is_conflict=True)
    if direction != TWO_WAY:
        source, copy = (znode, config_map) if direction == PULL else (config_map, znode)
        after = copy if common is None and source is None else source
        return Settled(znode, after) if direction == PULL else Settled(after, config_map)
    if common is None:
        both = znode if config_map is None else config_map
        return Settled(both, both)
    if common not in (znode, config_map):
        return Settled(znode, config_map, is_conflict=True)
    edited = znode if common == config_map else config_map
    return Settled(edited, edited)


@dataclass(slots=True)
class RecallWitness:
    """What is known where.

    Args:
        agreed: key -> the value that both sides had last.
        named: keys that the status names, and whether they waited when it was written.
        zxid: of the status.
        pushed: key -> zxid and value (None: deleted) of the last push.
    """

    agreed: dict[str, bytes] = field(default_factory=dict)
    named: dict[str, bool] = field(default_factory=dict)
    zxid: int = 0
    pushed: dict[str, tuple[int, Value]] = field(default_factory=dict)

    def both_are(self, znodes: Mapping[str, bytes], config_map: Mapping[str, bytes]) -> None:
        """Note that everything has settled: what is equal now is common."""
        for key in znodes.keys() | config_map.keys() | self.agreed.keys():
            if znodes.get(key) != config_map.get(key):
                continue
            if key in znodes:
                self.agreed[key] = znodes[key]
            else:
                self.agreed.pop(key, None)

    def status_was_written(self, zxid: int, znodes: Mapping[str, bytes], config_map: Mapping[str, bytes]) -> None:
        """Note what a status names: what is common now, and what waits."""
        equal = {key for key in znodes if znodes[key] == config_map.get(key)}
        gone = self.agreed.keys() - znodes.keys() - config_map.keys()
        self.zxid = zxid
        self.named = {key: key not in equal for key in (self.agreed.keys() | equal) - gone}

    def forget(self, keys: Iterable[str]) -> None:
        """Note that neither status nor ledger names the keys, so that they are new from now on."""
        for key in keys:
            self.agreed.pop(key, None)

    def was_pushed(self, zxid: int, changes: Mapping[str, Value]) -> None:
        """Note what the operator wrote to ZooKeeper."""
        self.pushed.update({key: (zxid, value) for key, value in changes.items()})

    def remembered(self, key: str) -> Common:
        """Return what the process that wrote the ConfigMap last knows, or the ConfigMap's own annotation."""
        return self.agreed.get(key)

    def recalled(self, key: str, znode: Value, mzxid: int) -> Common:
        """Return what a new process knows without the annotation, from status and ledger."""
        zxid, value = self.pushed.get(key, (0, None))
        if zxid > self.zxid:
            if value is None:
                return None
            return value if mzxid == zxid else UNKNOWN
        if key not in self.named:
            return None
        return UNKNOWN if self.named[key] or znode is None or mzxid > self.zxid else znode
