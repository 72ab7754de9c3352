"""Computes the status of a ZooKeeperBackup: counts, hashes and places, never a value of a znode. Pure."""

from collections.abc import Iterable
from typing import Any

from zkoperator.api.backup import ZooKeeperBackupStatus
from zkoperator.api.backup_storage import Verification
from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import BACKUP_STALLED, BackupCondition, BackupReason
from zkoperator.backup.order import Facts
from zkoperator.backup.plan.progress import Drill, Progress
from zkoperator.backup.validate import ValidatedBackup
from zkoperator.controller.conditions import ConditionBuilder
from zkoperator.controller.kstatus import standard_conditions
from zkoperator.errors import FieldError

_OF_DRILLS = (BackupReason.DRILLED, BackupReason.DRILLING, BackupReason.DRILL_FAILED)


def status_of(backup: ValidatedBackup, progress: Progress, now: str) -> dict[str, Any]:
    """Return the status after a pass. `now` is RFC 3339 in seconds."""
    builder = ConditionBuilder(backup.status.conditions, backup.meta.generation, now)
    facts = _of_facts(progress.facts) if progress.facts is not None else {}
    if progress.drill is not None and progress.drill.reason is BackupReason.DRILLED:
        facts |= {"verified_at": now, "drilled_at": now}
    known = backup.status.model_copy(update=facts)
    changes = {
        "observed_generation": backup.meta.generation,
        "attempts": progress.attempts,
        "retry_at": progress.retry_at.strftime("%Y-%m-%dT%H:%M:%SZ") if progress.retry_at is not None else None,
        "job": progress.job,
        "directory": progress.directory,
        "conditions": _conditions(backup, progress, known, builder),
    }
    return known.model_copy(update=changes).manifest()


def status_of_errors(
    raw: dict[str, Any], errors: Iterable[FieldError], previous: tuple[Condition, ...], now: str
) -> dict[str, Any]:
    """Return the status of a backup whose spec is invalid: the message lists every error with its field."""
    generation = int(raw["metadata"].get("generation", 0))
    builder = ConditionBuilder(previous, generation, now)
    message = "; ".join(map(str, errors))
    complete = builder.build(BackupCondition.COMPLETE, Truth.FALSE, BackupReason.INVALID_SPEC, message)
    failed = builder.build(BackupCondition.FAILED, Truth.TRUE, BackupReason.INVALID_SPEC, message)
    own = (complete, failed, *standard_conditions((complete,), builder, stalled=BACKUP_STALLED, resting=()))
    kept = [known for known in previous if known.type not in {each.type for each in own}]
    conditions = [each.manifest() for each in (*own, *kept)]
    return {**(raw.get("status") or {}), "observedGeneration": generation, "conditions": conditions}


def _conditions(
    backup: ValidatedBackup, progress: Progress, known: ZooKeeperBackupStatus, builder: ConditionBuilder
) -> tuple[Condition, ...]:
    done = progress.reason is BackupReason.COMPLETE
    complete = builder.build(BackupCondition.COMPLETE, _truth(done), progress.reason, progress.message)
    failed = (
        builder.build(BackupCondition.FAILED, Truth.TRUE, progress.reason, progress.message)
        if progress.given_up or backup.is_given_up
        else builder.build(BackupCondition.FAILED, Truth.FALSE, BackupReason.NOT_FAILED, "")
    )
    stalled = {*BACKUP_STALLED, *([progress.reason] if progress.given_up else [])}
    own = (complete, _verified(backup, progress, known, builder), failed)
    return (*own, *standard_conditions(own[:1], builder, stalled=stalled, resting=()))


def _verified(
    backup: ValidatedBackup, progress: Progress, known: ZooKeeperBackupStatus, builder: ConditionBuilder
) -> Condition:
    kind = BackupCondition.VERIFIED
    if progress.reason is BackupReason.DIGEST_DIFFERS:
        return builder.build(kind, Truth.FALSE, progress.reason, progress.message)
    drill = _of_drill(backup, progress)
    if drill is not None:
        return builder.build(kind, _truth(drill.reason is BackupReason.DRILLED), drill.reason, drill.message)
    if known.verified_at is not None:
        message = "the data was read back: its form, digest and counts are those of the tree that was read"
        return builder.build(kind, Truth.TRUE, BackupReason.VERIFIED, message)
    wanted = backup.spec.verification is not Verification.NONE
    message = "" if wanted else "spec.verification is None"
    return builder.build(kind, Truth.FALSE, BackupReason.NOT_VERIFIED, message)


def _of_drill(backup: ValidatedBackup, progress: Progress) -> Drill | None:
    """Return where the drill stands, None where there is none to be: what was said of it stays."""
    if progress.reason is not BackupReason.COMPLETE or backup.spec.verification is not Verification.DRILL:
        return None
    before = backup.condition(BackupCondition.VERIFIED)
    if progress.drill is None and before is not None and before.reason in _OF_DRILLS:
        return Drill(BackupReason(before.reason), before.message)
    return progress.drill or Drill(BackupReason.DRILLING, "the data was read back; the drill follows")


def _truth(value: bool) -> Truth:
    return Truth.TRUE if value else Truth.FALSE


def _of_facts(facts: Facts) -> dict[str, Any]:
    return {
        "zxid": facts.zxid,
        "epoch": facts.epoch,
        "znodes": facts.znodes,
        "bytes": facts.bytes,
        "stored_bytes": facts.stored_bytes,
        "digest": facts.digest,
        "sha256": facts.sha256,
        "location": facts.location,
        "member": facts.member,
        "version": facts.version,
        "types_kept": facts.types_kept,
        "ephemerals_left_out": facts.ephemerals_left_out,
        "started_at": facts.started_at,
        "completed_at": facts.completed_at,
        "verified_at": facts.verified_at,
    }
