"""What the crash model sees of both sides while it goes on, and its judgement at the end."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.fakes.zk_tree import Change
from tests.support.models.checkers import ONE_WAY, TWO_WAY, Run, Violation, check
from tests.support.models.deletion_witness import DeletionCount
from tests.support.models.histories import OPERATOR, Commit
from tests.support.worlds.mirror import HASH_KEY, NAMESPACE, ROOT, SUPER, World
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, EVENTS, SECRETS
from zkoperator.mirror.model.decision import short_hash
from zkoperator.mirror.model.seal import seal_of
from zkoperator.zk.port import EventType

PATHS = ("z0", "zdir/z1", "zdir/z2", "c0", "cdir/c1", "cdir/c2", "s0", "s1")
PARENTS = frozenset({"zdir", "cdir"})
"""Keys while their znodes have no children yet; nobody deletes them."""
_SOON = 2
"""Transactions within which the answer to a push was under way."""
_ONE_WAY = ("s1_provenance", "s4_no_time_travel", "s6_isolation")


@dataclass(slots=True)
class Recorder:
    """Both sides as they were committed, and everything that was wrong already."""

    zookeeper: list[Commit] = field(default_factory=list)
    config_map: list[Commit] = field(default_factory=list)
    losers: set[tuple[str, bytes]] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


class Witness:
    """Records every commit of both sides with its author, and judges them.

    Args:
        world: what is watched.
        direction: of its ConfigSync.
    """

    def __init__(self, world: World, direction: str) -> None:
        self.world = world
        self.direction = direction
        self.name = "shop"
        """Of the ConfigSync, which people may delete and create under another name."""
        self.record = Recorder()
        self.deletions = DeletionCount()
        self.overwrites = 0
        self._tokens: dict[str, bytes] = {}
        self._doubled: set[str] = set()
        self._recreated: set[str] = set()
        self._interruptions: list[int] = []
        self._is_ours = True
        self.zk_state: dict[str, bytes] = {}
        self._cm_state: dict[str, bytes] = {}
        self._last_stamp: str | None = None
        self._shown: set[str] = set()
        self.emptied: set[str] = set()
        """Keys without a value that a ConfigSync has found in its ConfigMap: they are the ConfigMap's own."""
        self._publish = world.zk.publish
        world.zk.publish = self._published  # type: ignore[method-assign]

    def status(self) -> dict[str, Any]:
        """Return the status of the ConfigSync, empty while there is none."""
        found = self.world.kube.peek(CONFIG_SYNCS, NAMESPACE, self.name) or {}
        return dict(found.get("status") or {})

    def as_others(self, work: Callable[[], Any]) -> None:
        """Do what somebody else does."""
        self._is_ours = False
        try:
            work()
        finally:
            self._is_ours = True
        self.see_config_map(by_operator=False)

    def _published(self, changes: Any) -> None:
        listed: list[Change] = list(changes)
        self._publish(listed)
        state = zk_state(self.world)
        changed = _difference(self.zk_state, state)
        if self._is_ours:
            self._judge_needless(listed, changed)
        if changed:
            before, self.zk_state = self.zk_state, state
            author = OPERATOR if self._is_ours else "client"
            self.record.zookeeper.append(Commit(self.world.zk.zxid, author, changed))
            self.deletions.wrote(changed)
            if self._is_ours:
                self._judge_deletions(changed)
                self._judge_write("ZooKeeper", "z", changed, before)

    def _judge_deletions(self, changed: dict[str, bytes | None]) -> None:
        """The operator deletes no more than the guard lets go, unless somebody has approved what the status showed."""
        sync = self.world.kube.peek(CONFIG_SYNCS, NAMESPACE, self.name) or {"metadata": {}}
        approval = (sync["metadata"].get("annotations") or {}).get("zkoperator.dev/approve-deletions")
        is_approved = approval is not None and approval in self._shown
        gone = [key for key, value in changed.items() if value is None and key not in PARENTS]
        left = self.zk_state.keys() | self._cm_state.keys()
        wrong = self.deletions.deleted(gone, self.world.clock.now_s(), is_approved=is_approved, left=left)
        if wrong:
            self.record.violations.append(f"guard: {wrong}")

    def _judge_needless(self, changes: list[Change], changed: dict[str, bytes | None]) -> None:
        deleted = {change.path for change in changes if change.type is EventType.DELETED}
        for change in changes:
            if change.type is EventType.DATA_CHANGED and change.path.startswith(f"{ROOT}/"):
                if change.path in deleted:
                    continue  # a deletion is preceded by a write, whose answer tells which znode it has hit
                key = change.path.removeprefix(f"{ROOT}/").replace("/", "__")
                if key not in changed and not self._was_made_again(key):
                    self.record.violations.append(f"needless: ZooKeeper {key}: equal bytes were written")

    def _was_made_again(self, key: str) -> bool:
        """Others deleted and created it last: at the same version, a write cannot tell it from the znode that was."""
        last = [commit for commit in self.record.zookeeper if key in commit.changes][-2:]
        return [commit.author for commit in last] == ["client", "client"] and last[0].changes[key] is None

    def see_config_map(self, *, by_operator: bool) -> None:
        manifest = self.world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
        state = self.world.data() or {}
        changed = _difference(self._cm_state, state)
        stamp = ((manifest or {}).get("metadata", {}).get("annotations") or {}).get("zkoperator.dev/zxid")
        moved = stamp if stamp != self._last_stamp else None
        if not changed and moved is None:
            return
        before, self._cm_state, self._last_stamp = self._cm_state, state, stamp
        author = OPERATOR if by_operator else "user"
        number = len(self.record.config_map) + 1
        self.record.config_map.append(Commit(number, author, changed, int(moved, 16) if moved else None))
        self.deletions.wrote(changed)
        if by_operator:
            self._judge_deletions(changed)
            self._judge_write("ConfigMap", "c", changed, before)

    def _judge_write(self, side: str, own: str, changed: dict[str, bytes | None], before: dict[str, bytes]) -> None:
        """The operator never writes a key that is only ever edited on this side, except to undo drift."""
        for key, value in changed.items():
            if key.rpartition("__")[2][0] == own:
                was = before.get(key)
                self.record.violations.append(f"echo: {side} {key}: {was!r} -> {value!r}")

    def _see_status(self) -> None:
        ready = [item["reason"] for item in self.status().get("conditions", []) if item["type"] == "Ready"]
        if ready == ["SourceRegressed"]:
            self.record.violations.append("invented alarm: no backup was ever put back")
        self._shown.add(self.status().get("pending", {}).get("hash", ""))
        for item in self.status().get("conflicts", []):
            if item["key"].rpartition("__")[2][0] != "s":
                self.record.violations.append(f"invented conflict: {item['key']}")
            for side in ("zookeeper", "configMap"):
                token = self._token_of(item.get(side, ""))
                if token is not None:
                    self.record.losers.add((item["key"], token))

    def _token_of(self, shown: str) -> bytes | None:
        """Return the token that a status shows by its hash, which is keyed for a Secret."""
        key = self.world.kube.peek(SECRETS, *HASH_KEY)
        if key is None:
            return self._tokens.get(shown)
        sync = self.world.kube.peek(CONFIG_SYNCS, NAMESPACE, self.name) or {"metadata": {}}
        seal = seal_of(base64.b64decode(key["data"]["key"]), sync["metadata"].get("uid", ""))
        return next((token for token in self._tokens.values() if short_hash(seal.digest(token)) == shown), None)

    def _see_event(self) -> None:
        """An Overwrote event names a foreign re-creation that was overwritten unseen: it lost openly."""
        noted = [item for item in self.world.kube.every(EVENTS) if item["reason"] == "Overwrote"]
        for item in noted[self.overwrites :]:
            self.overwrites += 1
            key = item["note"].split()[1].removeprefix(f"{ROOT}/").replace("/", "__")
            for commit in self.record.zookeeper:
                value = commit.changes.get(key)
                if value is not None:
                    self.record.losers.add((key, value))

    def _judge(self) -> list[str]:
        record = self.record
        keys = PARENTS.union(path.replace("/", "__") for path in PATHS)
        run = Run(tuple(record.zookeeper), tuple(record.config_map), keys, frozenset(record.losers))
        checks = TWO_WAY if self.direction == "TwoWay" else tuple(one for one in ONE_WAY if one.__name__ in _ONE_WAY)
        found = [one for one in check(run, checks) if not self._is_ambiguous(one)]
        return [*record.violations, *map(str, found), *self._ordered(), *self._unequal()]

    def _is_ambiguous(self, violation: Violation) -> bool:
        """Violations that prove nothing.

        A value that two hands wrote names no write: that it came back after one deletion is no resurrection. And a
        re-creation at the same version that was overwritten is told by the answer to the push: not if that was lost.
        """
        if violation.rule == "L1" and self._is_own_empty_key(violation.key):
            return True
        if violation.rule == "S5":
            return any(token in violation.detail for token in self._doubled)
        recreated = [token for token in self._recreated if token in violation.detail]
        return bool(recreated) and any(self._was_overwritten_unanswered(violation.key, token) for token in recreated)

    def _is_own_empty_key(self, key: str) -> bool:
        """An empty key of the ConfigMap's own stays whatever becomes of its znode."""
        return key in self.emptied and (self.world.data() or {}).get(key) == b""

    def _was_overwritten_unanswered(self, key: str, token: str) -> bool:
        current: dict[str, bytes | None] = {}
        for commit in self.record.zookeeper:
            over = repr(current.get(key))
            current.update(commit.changes)
            if commit.by_operator and key in commit.changes and over == token:
                return any(commit.at <= zxid <= commit.at + _SOON for zxid in self._interruptions)
        return False

    def _ordered(self) -> list[str]:
        """On the other side, the values of a key with one writer appear in the order in which they were written."""
        found = []
        for side, own in (("config_map", "z"), ("zookeeper", "c")):
            last: dict[str, int] = {}
            for commit in getattr(self.record, side):
                for key, value in commit.changes.items():
                    if value and commit.by_operator and key.rpartition("__")[2][0] == own:
                        number = int(value[1:])
                        if number <= last.get(key, 0):
                            found.append(f"order: {side} {key}: {value!r} after {last[key]}")
                        last[key] = number
        return found

    def _unequal(self) -> list[str]:
        left, right = zk_state(self.world), self.world.data() or {}
        if self.direction == "TwoWay":
            keys = sorted(key for key in left.keys() | right.keys() if not self._is_own_empty_key(key))
            return [f"unequal: {key}" for key in keys if left.get(key) != right.get(key)]
        source, copy = (left, right) if self.direction == "ZooKeeperToConfigMap" else (right, left)
        return [f"unequal: {key}" for key in sorted(source) if source[key] != copy.get(key)]


def zk_state(world: World) -> dict[str, bytes]:
    """The subtree as keys: znodes with data, and empty leaves that never had children."""
    state: dict[str, bytes] = {}
    pending = [""]
    while pending:
        path = pending.pop()
        full = f"{ROOT}/{path}" if path else ROOT
        data = world.znode(full)
        if data is None:
            continue
        names = world.zk.tree.children(full, SUPER).names
        pending += [f"{path}/{name}" if path else name for name in names]
        had_children = world.zk.tree.get(full, SUPER).stat.cversion > 0
        if data or (path and not had_children):
            state[path.replace("/", "__") if path else "__root"] = data
    return state


def _difference(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, bytes | None]:
    return {key: after.get(key) for key in sorted(before.keys() | after.keys()) if before.get(key) != after.get(key)}
