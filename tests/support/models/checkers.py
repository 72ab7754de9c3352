"""What must hold of the histories of a subtree and its ConfigMap, as pure functions that return every violation.

The properties are S1 to S6 and L1: provenance, conditional writes, no lost update, no time travel, deletions,
isolation, convergence. They need unique tokens as values: then a value names the write that made it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from tests.support.models.histories import Commit, History, State, replay


@dataclass(frozen=True, slots=True)
class Violation:
    """One counter-example."""

    rule: str
    key: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule} {self.key}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Run:
    """Both histories of one run, and what the operator reported.

    `losers` are the (key, value) pairs that a conflict record named, `keys` the keys that were selected.
    """

    zookeeper: History
    config_map: History
    keys: frozenset[str] | None = None
    losers: frozenset[tuple[str, bytes]] = field(default_factory=frozenset)

    def sides(self) -> tuple[tuple[str, History, History], ...]:
        """(name, this side, the other side) for both."""
        return (("ConfigMap", self.config_map, self.zookeeper), ("ZooKeeper", self.zookeeper, self.config_map))


def s1_provenance(run: Run) -> Iterator[Violation]:
    """Every value that the operator wrote was committed on the other side by somebody else."""
    for name, own, other in run.sides():
        origins = {(k, v) for commit in other for k, v in commit.changes.items()}
        for commit, key, value in _written(own, by_operator=True):
            if value is not None and (key, value) not in origins:
                yield Violation("S1", key, f"{name} at {commit.at}: {value!r} was never on the other side")


def s1_snapshots(run: Run) -> Iterator[Violation]:
    """One way from ZooKeeper: each stamped ConfigMap is the whole subtree as it was at that zxid."""
    state: State = {}
    for commit in run.config_map:
        for key, value in commit.changes.items():
            state.pop(key, None)
            if value is not None:
                state[key] = value
        if commit.stamp is None or not commit.by_operator:
            continue
        existed = {k: v for k, v in replay(run.zookeeper, commit.stamp).items() if _selected(run, k)}
        for key in sorted(existed.keys() | state.keys()):
            if _selected(run, key) and existed.get(key) != state.get(key):
                yield Violation(
                    "S1", key, f"ConfigMap at zxid {commit.stamp:x}: {state.get(key)!r}, not {existed.get(key)!r}"
                )


def s2_conditional(run: Run) -> Iterator[Violation]:
    """What the operator overwrote was its own, or had reached the other side, or was reported as a loser."""
    for name, own, other in run.sides():
        known = {(k, v) for commit in other for k, v in commit.changes.items()} | run.losers
        last: dict[str, tuple[Commit, bytes | None]] = {}
        for commit, key, value in _written(own):
            before = last.get(key)
            last[key] = (commit, value)
            if before is None or not commit.by_operator or before[0].by_operator:
                continue
            if before[1] is not None and (key, before[1]) not in known:
                yield Violation("S2", key, f"{name} at {commit.at}: overwrote {before[1]!r}, never seen elsewhere")


def s3_no_lost_update(run: Run) -> Iterator[Violation]:
    """A write of others reached the other side, or a later write of others replaced it, or it lost openly."""
    for name, own, other in run.sides():
        arrived = {(k, v) for commit in other for k, v in commit.changes.items()} | run.losers
        for commit, key, value in _written(own, by_operator=False):
            if value is None or (key, value) in arrived or not _selected(run, key):
                continue
            if not _replaced_by_others(own, commit, key):
                yield Violation("S3", key, f"{name} at {commit.at}: {value!r} reached nobody")


def s4_no_time_travel(run: Run) -> Iterator[Violation]:
    """The zxids that the ConfigMap claims never decrease."""
    highest = -1
    for commit in run.config_map:
        if commit.stamp is not None and commit.by_operator:
            if commit.stamp < highest:
                yield Violation("S4", "", f"zxid {commit.stamp:x} after {highest:x}")
            highest = max(highest, commit.stamp)


def s5_deletions(run: Run) -> Iterator[Violation]:
    """The operator deletes only what somebody deleted, and brings back no value that somebody deleted."""
    for name, own, other in run.sides():
        deleted = {k for commit, k, v in _written(other, by_operator=False) if v is None}
        seen: set[tuple[str, bytes]] = set()
        removed: set[tuple[str, bytes]] = set()
        for commit, key, value in _written(own):
            if value is None:
                if commit.by_operator and key not in deleted:
                    yield Violation("S5", key, f"{name} at {commit.at}: deleted, but nobody deleted it")
                if not commit.by_operator:
                    removed |= {pair for pair in seen if pair[0] == key}
                continue
            if commit.by_operator and (key, value) in removed:
                yield Violation("S5", key, f"{name} at {commit.at}: {value!r} came back after its deletion")
            seen.add((key, value))


def s6_isolation(run: Run) -> Iterator[Violation]:
    """The operator touches declared keys only, and no label or annotation of others."""
    for name, own, _ in run.sides():
        for commit in own:
            if not commit.by_operator:
                continue
            for key in commit.changes:
                if not _selected(run, key):
                    yield Violation("S6", key, f"{name} at {commit.at}: written, but not selected")
            for foreign in commit.foreign:
                yield Violation("S6", foreign, f"{name} at {commit.at}: belongs to somebody else")


def l1_convergence(run: Run) -> Iterator[Violation]:
    """When everybody has stopped, both sides are equal; keys in conflict excepted."""
    left, right = replay(run.zookeeper), replay(run.config_map)
    frozen = {key for key, _ in run.losers}
    for key in sorted(left.keys() | right.keys()):
        if _selected(run, key) and key not in frozen and left.get(key) != right.get(key):
            yield Violation("L1", key, f"ZooKeeper {left.get(key)!r}, ConfigMap {right.get(key)!r}")


def l1_silence(numbers_of_writes: Collection[int]) -> Iterator[Violation]:
    """Counts of the operator's writes, taken during the quiet period, are all the same."""
    if len(set(numbers_of_writes)) > 1:
        yield Violation("L1", "", f"writes in the quiet period: {sorted(set(numbers_of_writes))}")


Check = Callable[[Run], Iterator[Violation]]
TWO_WAY: tuple[Check, ...] = (
    s1_provenance,
    s2_conditional,
    s3_no_lost_update,
    s4_no_time_travel,
    s5_deletions,
    s6_isolation,
    l1_convergence,
)
ONE_WAY: tuple[Check, ...] = (
    s1_provenance,
    s1_snapshots,
    s4_no_time_travel,
    s5_deletions,
    s6_isolation,
    l1_convergence,
)


def check(run: Run, checks: tuple[Check, ...] = TWO_WAY) -> tuple[Violation, ...]:
    """Every violation of the given checks."""
    return tuple(violation for one in checks for violation in one(run))


def _written(history: History, *, by_operator: bool | None = None) -> Iterator[tuple[Commit, str, bytes | None]]:
    for commit in history:
        if by_operator is None or commit.by_operator is by_operator:
            for key, value in commit.changes.items():
                yield commit, key, value


def _selected(run: Run, key: str) -> bool:
    return run.keys is None or key in run.keys


def _replaced_by_others(history: History, commit: Commit, key: str) -> bool:
    """Whether the next write of the key on the same side is somebody else's: seen or not, it is history."""
    for later in history:
        if later.at > commit.at and key in later.changes:
            return not later.by_operator
    return False
