"""Computes the status of a ConfigSync from the plan: names, counts and hashes, never a value. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import SYNC_RESTING, SYNC_STALLED, StandardCondition, SyncCondition, SyncReason
from zkoperator.api.sync import MAX_CONFLICTS, ConfigSyncStatus, Conflict, Deletions, Pending, SyncBase
from zkoperator.api.workloads import RolledContent, Workload, WorkloadRollout
from zkoperator.controller.conditions import ConditionBuilder, clip
from zkoperator.controller.kstatus import standard_conditions
from zkoperator.errors import FieldError
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.model.decision import Decision, Problem, short_hash, shown_name
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.names import APPROVE_ANNOTATION, RESOLVE_ANNOTATION, zxid_of, zxid_text
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.plan.guard import BaseState
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.status.rollouts import known_rollouts, rolled_out, rollouts_now
from zkoperator.mirror.validate import Target

_NAMED: Final = 5
_MESSAGE_LIMIT: Final = 1024
_PROBLEM_LIMIT: Final = 450
_MORE_LIMIT: Final = 30
"""Room for the number of further problems, and for notes."""
_GRAVITY: Final = (SyncReason.FORBIDDEN, SyncReason.KEY_INVALID, SyncReason.TOO_LARGE)
_LAGGING: Final = ("zxid", "keys", "bytes", "lastSyncTime", "common", "base", "content")
"""Fields that move with every change. A change of only these fields may be written later."""


@dataclass(frozen=True, slots=True)
class StatusInput:
    """The input of the status beside the plan.

    Args:
        generation: generation of the ConfigSync that the pass has read.
        target: the ConfigMap or Secret, None when it is not known.
        now: the wall clock, RFC 3339.
        wrote: whether the pass has written to either side.
        managers: key -> field manager that last wrote it in the ConfigMap.
        rivals: field managers that keep changing labels or annotations of the ConfigMap.
        config_map_uid: uid of the present ConfigMap, "" when there is none.
        newest: zxid of the last change in the subtree, None when it is not known or the pass has written.
        has_ledger: whether the ConfigSync has a ledger on the ensemble.
        notes: sentences for the message of Ready.
        deleted: keys that were deleted within the guard's window.
        workloads: workloads of `spec.rollout`.
        content: content that the workloads should run with.
        former: hash of the same values under another selection of keys, "" when there is none.
    """

    generation: int
    target: Target | None
    now: str
    wrote: bool = False
    managers: Mapping[str, str] = field(default_factory=dict)
    rivals: tuple[str, ...] = ()
    config_map_uid: str = ""
    newest: int | None = None
    has_ledger: bool = False
    notes: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    workloads: tuple[Workload, ...] = ()
    content: RolledContent | None = None
    former: str = ""


@dataclass(frozen=True, slots=True)
class _Ready:
    status: Truth
    reason: SyncReason
    message: str


def status_of_plan(plan: Plan, previous: ConfigSyncStatus, given: StatusInput) -> dict[str, Any]:
    """Return the status after the plan was carried out."""
    ready = _ready(plan, given)
    conflicts = (*plan.conflicts, *plan.flapping)
    held = plan.pending if plan.stop is None or plan.stop is SyncReason.SOURCE_REGRESSED else None
    conditions = (
        _condition(SyncCondition.READY, ready.status, ready.reason, ready.message, previous, given),
        _condition(SyncCondition.CONNECTED, Truth.TRUE, SyncReason.CONNECTED, "the ensemble answers", previous, given),
        _conflicted(conflicts, previous, given),
        _deletions_held(plan if held is not None else Plan(), previous, given),
    )
    known = plan.zxid > 0
    rollouts, names = _rollouts(previous, {}, given), _names_of_target(previous, given)
    status = ConfigSyncStatus(
        observed_generation=given.generation,
        config_map=names.config_map,
        secret=names.secret,
        zxid=_zxid(plan, previous, given),
        keys=plan.keys if known else previous.keys,
        bytes=plan.bytes if known else previous.bytes,
        last_sync_time=given.now if given.wrote else previous.last_sync_time,
        conflict_count=len(conflicts),
        conflicts=tuple(_conflict(item, previous, given) for item in conflicts[:MAX_CONFLICTS]),
        pending=_pending(plan),
        deletions=_deletions(previous, given) if plan.stop is None else previous.deletions,
        common=plan.common.text if plan.common is not None and known and plan.stop is None else previous.common,
        base=_base(plan.base, given) if plan.stop is None else previous.base,
        content=given.content,
        rollouts=rollouts,
        conditions=(*conditions, *_rolled_out(rollouts, previous, given), *_standard(conditions[0], previous, given)),
    )
    return status.manifest()


def status_of_waiting(waiting: Waiting, previous: ConfigSyncStatus, given: StatusInput) -> dict[str, Any]:
    """Return the status while no plan can be made. Counts and conflicts keep their last known values."""
    conditions = [_condition(SyncCondition.READY, Truth.FALSE, waiting.reason, waiting.message, previous, given)]
    if waiting.connected is False:
        conditions.append(
            _condition(SyncCondition.CONNECTED, Truth.FALSE, waiting.reason, waiting.message, previous, given)
        )
    return _with_conditions(previous, conditions, given)


def status_of_rollouts(
    found: Mapping[Workload, WorkloadRollout], previous: ConfigSyncStatus, given: StatusInput
) -> dict[str, Any]:
    """Return the status with the new entries of workloads."""
    rollouts = _rollouts(previous, found, given)
    status = previous.model_copy(update={"rollouts": rollouts, "content": given.content})
    return _with_conditions(status, _rolled_out(rollouts, previous, given), given)


def status_of_errors(errors: Iterable[FieldError], previous: ConfigSyncStatus, given: StatusInput) -> dict[str, Any]:
    """Return the status of an invalid ConfigSync. The message lists every error with its field."""
    message = _clip("; ".join(map(str, errors)))
    ready = _condition(SyncCondition.READY, Truth.FALSE, SyncReason.INVALID_SPEC, message, previous, given)
    return _with_conditions(previous, [ready], given)


def differs_now(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether the new status has a change that must be written at once."""
    return _without_lagging(old) != _without_lagging(new)


class _TargetNames(NamedTuple):
    """The fields of a status that name the target: one of them is "", both while it is not known."""

    config_map: str
    secret: str


def _names_of_target(previous: ConfigSyncStatus, given: StatusInput) -> _TargetNames:
    if given.target is None:
        return _TargetNames(previous.config_map, previous.secret)
    name = given.target.name
    return _TargetNames("", name) if given.target.end.is_secret else _TargetNames(name, "")


def _kind(given: StatusInput) -> str:
    return given.target.kind if given.target is not None else CONFIG_MAPS.kind


def _ready(plan: Plan, given: StatusInput) -> _Ready:
    if plan.stop is not None:
        return _Ready(Truth.FALSE, plan.stop, plan.message)
    reason, message = _open_reason(plan, given)
    if reason is not None:
        return _Ready(Truth.FALSE, reason, _clip(". ".join((message, *given.notes))))
    if plan.more:
        return _Ready(Truth.FALSE, SyncReason.SYNCING, _clip(". ".join(("more is being written", *given.notes))))
    message = ". ".join((f"{plan.keys} keys are equal on both sides", *given.notes))
    return _Ready(Truth.TRUE, SyncReason.IN_SYNC, _clip(message))


def _open_reason(plan: Plan, given: StatusInput) -> tuple[SyncReason | None, str]:
    """Return the most important reason why some keys differ, with its message; None when all are equal."""
    if plan.pending is not None:
        return SyncReason.DELETIONS_HELD, _held_message(plan)
    if plan.flapping:
        return SyncReason.FLAPPING, f"{_names(plan.flapping)}: both sides keep reverting one another; held for a while"
    if plan.conflicts:
        lost = plan.base_state is BaseState.LOST or (plan.base is not None and plan.base.rebuilt)
        reason = SyncReason.BASE_LOST if lost else SyncReason.CONFLICT
        key = plan.conflicts[0].key
        how = f"make them equal, or annotate with {RESOLVE_ANNOTATION}={key}=zookeeper (or ={key}=configmap)"
        return reason, f"{_names(plan.conflicts)}: edited differently on both sides; {how}"
    for reason in _GRAVITY:
        found = [problem for problem in plan.problems if problem.reason is reason]
        if found:
            return reason, _problem_message(found)
    if plan.contested:
        return SyncReason.FLAPPING, _contested_message(plan.contested, given)
    return None, ""


def _contested_message(marks: tuple[str, ...], given: StatusInput) -> str:
    which = ", ".join(marks[:_NAMED]) + (f" and {len(marks) - _NAMED} more" if len(marks) > _NAMED else "")
    by = f" ({', '.join(given.rivals[:_NAMED])})" if given.rivals else ""
    field_ = "secret" if given.target is not None and given.target.end.is_secret else "configMap"
    return (
        f"another writer{by} keeps changing or removing what the operator sets on the {_kind(given)}: {which}; left "
        f"alone for a while, all keys go on. Let that writer leave it alone, or take it off spec.{field_}"
    )


def _names(items: tuple[Decision, ...]) -> str:
    names = ", ".join(shown_name(item.key) for item in items[:_NAMED])
    return names if len(items) <= _NAMED else f"{names} and {len(items) - _NAMED} more"


def _problem_message(found: list[Problem]) -> str:
    """Name as many problems as there is room for. Long names are shortened, so that there is room for others."""
    shown: list[str] = []
    for problem in found[:_NAMED]:
        text = clip(f"{shown_name(problem.name)}: {problem.message}", _PROBLEM_LIMIT)
        if shown and len("; ".join([*shown, text])) > _MESSAGE_LIMIT - _MORE_LIMIT:
            break
        shown.append(text)
    left = len(found) - len(shown)
    return "; ".join([*shown, *([f"and {left} more"] if left else [])])


def _held_message(plan: Plan) -> str:
    if plan.pending is None:
        return ""
    deletions = tuple(item for item in plan.held if item.takes_away)
    which = f" ({_names(deletions)})" if deletions else ""
    how = f"to let them run, annotate with {APPROVE_ANNOTATION}={plan.pending.hash}"
    return f"{plan.pending.deletes} deletions wait{which}; {how}"


def _conflicted(conflicts: tuple[Decision, ...], previous: ConfigSyncStatus, given: StatusInput) -> Condition:
    if not conflicts:
        return _condition(SyncCondition.CONFLICTED, Truth.FALSE, SyncReason.NO_CONFLICT, "", previous, given)
    managers = sorted({given.managers[item.key] for item in conflicts if item.key in given.managers})
    message = _names(conflicts) + (
        f"; the {_kind(given)} was written by {', '.join(managers[:_NAMED])}" if managers else ""
    )
    return _condition(SyncCondition.CONFLICTED, Truth.TRUE, SyncReason.CONFLICT, _clip(message), previous, given)


def _deletions_held(plan: Plan, previous: ConfigSyncStatus, given: StatusInput) -> Condition:
    if plan.pending is None or not plan.pending.deletes:
        return _condition(SyncCondition.DELETIONS_HELD, Truth.FALSE, SyncReason.NOTHING_HELD, "", previous, given)
    message = _held_message(plan)
    return _condition(SyncCondition.DELETIONS_HELD, Truth.TRUE, SyncReason.DELETIONS_HELD, message, previous, given)


def _condition(
    type_: SyncCondition,
    status: Truth,
    reason: SyncReason,
    message: str,
    previous: ConfigSyncStatus,
    given: StatusInput,
) -> Condition:
    builder = ConditionBuilder(previous.conditions, given.generation, given.now)
    return builder.build(type_, status, reason, _clip(message))


def _rollouts(
    previous: ConfigSyncStatus, found: Mapping[Workload, WorkloadRollout], given: StatusInput
) -> tuple[WorkloadRollout, ...]:
    new = given.content.hash if given.content is not None else ""
    return rollouts_now(known_rollouts(previous), given.workloads, given.former, new, found)


def _rolled_out(
    rollouts: tuple[WorkloadRollout, ...], previous: ConfigSyncStatus, given: StatusInput
) -> list[Condition]:
    condition = rolled_out(rollouts, ConditionBuilder(previous.conditions, given.generation, given.now))
    return [condition] if condition is not None else []


def _standard(ready: Condition, previous: ConfigSyncStatus, given: StatusInput) -> tuple[Condition, Condition]:
    builder = ConditionBuilder(previous.conditions, given.generation, given.now)
    return standard_conditions((ready,), builder, stalled=SYNC_STALLED, resting=SYNC_RESTING)


def _conflict(item: Decision, previous: ConfigSyncStatus, given: StatusInput) -> Conflict:
    before = next((known for known in previous.conflicts if known.key == item.key), None)
    return Conflict(
        key=item.key,
        path=item.path,
        since=before.since if before is not None else given.now,
        zookeeper=short_hash(item.zookeeper),
        config_map=short_hash(item.config_map),
        manager=given.managers.get(item.key, before.manager if before is not None else ""),
    )


def _pending(plan: Plan) -> Pending | None:
    if plan.pending is None:
        return None
    pending = plan.pending
    return Pending(creates=pending.creates, updates=pending.updates, deletes=pending.deletes, hash=pending.hash)


def _zxid(plan: Plan, previous: ConfigSyncStatus, given: StatusInput) -> str:
    """Return the zxid of the state that both sides have. It stays the same while the subtree has not changed.

    After a restart, the operator reads everything again at a higher zxid, which other subtrees have moved. Without this
    rule that would cost one write of the status for each ConfigSync.
    """
    if plan.zxid <= 0 or plan.stop is not None:
        return previous.zxid
    before = zxid_of(previous.zxid)
    is_unchanged = given.newest is not None and given.newest <= before <= plan.zxid and before > 0
    same = (previous.keys, previous.bytes, previous.base) == (plan.keys, plan.bytes, _base(plan.base, given))
    return previous.zxid if is_unchanged and same else zxid_text(plan.zxid)


def _deletions(previous: ConfigSyncStatus, given: StatusInput) -> Deletions | None:
    if not given.deleted:
        return None
    known = previous.deletions
    return known if known is not None and known.keys == given.deleted else Deletions(keys=given.deleted, time=given.now)


def _base(base: Base | None, given: StatusInput) -> SyncBase | None:
    if base is None:
        return None
    digest = hashlib.sha256(repr((base.zxid, base.root_czxid, len(base.digests))).encode()).hexdigest()[:16]
    return SyncBase(config_map_uid=given.config_map_uid, digest=digest, ledger=given.has_ledger)


def _with_conditions(previous: ConfigSyncStatus, changed: list[Condition], given: StatusInput) -> dict[str, Any]:
    known = {item.type: item for item in (*previous.conditions, *changed)}
    if (ready := known.get(SyncCondition.READY)) is not None:
        known |= {item.type: item for item in _standard(ready, previous, given)}
    order = [str(kind) for kind in (*SyncCondition, *StandardCondition)]
    conditions = sorted(known.values(), key=lambda item: order.index(item.type) if item.type in order else 99)
    update = {
        "observed_generation": given.generation,
        **_names_of_target(previous, given)._asdict(),
        "conditions": tuple(conditions),
    }
    return previous.model_copy(update=update).manifest()


def _without_lagging(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in status.items() if key not in _LAGGING}
    conditions = kept.get("conditions") or []
    kept["conditions"] = [{**item, "message": _steady_message(item)} for item in conditions]
    return kept


def _steady_message(condition: Mapping[str, Any]) -> str:
    """Return the message, "" for InSync: its message has a count, which may be written later."""
    return "" if condition["reason"] == SyncReason.IN_SYNC else str(condition.get("message", ""))


def _clip(text: str) -> str:
    return clip(text, _MESSAGE_LIMIT)
