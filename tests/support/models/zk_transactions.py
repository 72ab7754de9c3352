"""What a subtree looked like after each transaction: the oracle for snapshots of it."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.support.fakes.zk_tree import READ, Principal, Tree
from zkoperator.errors import ForbiddenError
from zkoperator.zk.port import Operation
from zkoperator.zk.snapshot import Snapshot, digest_of

Fingerprint = tuple[bytes, int, int, int, int, int, int, int]
State = dict[str, Fingerprint]
SUPER = Principal(is_super=True)


def fingerprint_of(snapshot: Snapshot) -> State:
    """Return everything that a snapshot says of its znodes, values as digests."""
    return {path: (node.digest, *node[2:]) for path, node in snapshot.nodes.items()}


def state_of(tree: Tree, root: str, who: Principal = SUPER) -> State:
    """Return what a reader of the whole subtree sees now, with the stats that a snapshot has."""
    state: State = {}
    hidden: list[str] = []
    for path in tree.walk(root):
        if any(path.startswith(f"{top}/") for top in hidden):
            continue
        try:
            node = tree.get(path, who)
        except ForbiddenError:
            hidden.append(path)
            continue
        stat = node.stat
        relative = path[len(root) :].lstrip("/")
        state[relative] = (
            digest_of(node.data),
            stat.czxid,
            stat.mzxid,
            stat.pzxid,
            stat.version,
            stat.num_children,
            stat.ephemeral_owner,
            stat.data_length,
        )
    return state


@dataclass
class History:
    """The states of one subtree in the order of their zxids; `note` after every transaction."""

    root: str
    who: Principal = SUPER
    zxids: list[int] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def note(self, tree: Tree) -> None:
        """Remember the state as of the tree's zxid."""
        state = state_of(tree, self.root, self.who)
        if not self.states or state != self.states[-1]:
            self.zxids.append(tree.zxid)
            self.states.append(state)

    def at(self, zxid: int) -> State:
        """Return the state that stood at this zxid."""
        index = bisect_right(self.zxids, zxid) - 1
        assert index >= 0, f"no state is known at {zxid:#x}"
        return self.states[index]

    def check(self, snapshot: Snapshot) -> None:
        """Fail unless the snapshot is exactly the subtree at its zxid."""
        expected, seen = self.at(snapshot.zxid), fingerprint_of(snapshot)
        differing = {path for path in expected.keys() | seen.keys() if expected.get(path) != seen.get(path)}
        assert not differing, {path: (expected.get(path), seen.get(path)) for path in differing}
        assert snapshot.root_exists == bool(expected) or bool(snapshot.unreadable)


def replay(tree: Tree, ops: Iterable[Operation]) -> None:
    """Commit the operations one by one."""
    for op in ops:
        tree.commit((op,), SUPER)


__all__ = ["READ", "SUPER", "Fingerprint", "History", "State", "fingerprint_of", "replay", "state_of"]
