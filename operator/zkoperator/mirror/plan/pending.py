"""What waits for approval, or all of a dry run: its counts, and the hash by which an approval names it. Pure."""

from dataclasses import dataclass

from zkoperator.mirror.model.decision import Action, Decision
from zkoperator.mirror.model.merge_base import Side
from zkoperator.mirror.model.roots import oldest, roots_of
from zkoperator.mirror.plan.guard import plan_hash
from zkoperator.zk.snapshot import Snapshot
from zkoperator.zk.zxid import epoch_of


@dataclass(frozen=True, slots=True)
class PendingPlan:
    """The counts of a plan that waits, and the hash by which an approval names it."""

    creates: int
    updates: int
    deletes: int
    hash: str


def pending_plan(items: list[Decision], snapshot: Snapshot, *, is_regressed: bool) -> PendingPlan:
    """Return what waits. `is_regressed`: the ensemble has another history, which waits even without any write."""
    writes = [item for item in items if item.action in (Action.TO_CONFIG_MAP, Action.TO_ZOOKEEPER)]
    deletes = sum(item.takes_away for item in writes)
    creates = sum(_overwritten(item) is None for item in writes)
    changes = [(_target(item), item.key, _overwritten(item) or b"") for item in writes]
    name = plan_hash(history_id(snapshot, is_regressed=is_regressed), changes) if writes or is_regressed else ""
    return PendingPlan(creates, len(writes) - creates - deletes, deletes, name)


def history_id(snapshot: Snapshot, *, is_regressed: bool) -> tuple[int, ...]:
    """Return numbers that identify this history and stay the same while nothing is written."""
    roots = oldest(roots_of(snapshot))
    return (*roots, epoch_of(snapshot.zxid)) if is_regressed else roots


def _target(item: Decision) -> Side:
    return Side.CONFIG_MAP if item.action is Action.TO_CONFIG_MAP else Side.ZOOKEEPER


def _overwritten(item: Decision) -> bytes | None:
    return item.config_map if item.action is Action.TO_CONFIG_MAP else item.zookeeper
