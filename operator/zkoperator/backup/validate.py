"""A raw ZooKeeperBackup becomes one frozen value, or all of its errors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.backup import ZooKeeperBackup, ZooKeeperBackupSpec, ZooKeeperBackupStatus
from zkoperator.api.backup_storage import DataPolicy, Verification
from zkoperator.api.meta import Condition, ObjectMeta, Truth
from zkoperator.api.parse import parse
from zkoperator.api.reasons import BackupCondition, BackupReason
from zkoperator.backup.model.names import FINALIZER, drill_job
from zkoperator.errors import InvalidError


@dataclass(frozen=True, slots=True)
class ValidatedBackup:
    """A ZooKeeperBackup with a valid spec, and its status as it was last written."""

    meta: ObjectMeta
    spec: ZooKeeperBackupSpec
    status: ZooKeeperBackupStatus
    deleting: bool
    has_finalizer: bool

    @property
    def deletes_data(self) -> bool:
        """Whether the data goes with the object."""
        return self.spec.deletion_policy is DataPolicy.DELETE

    @property
    def is_complete(self) -> bool:
        """Whether the data was stored as a whole."""
        return self.is_true(BackupCondition.COMPLETE)

    @property
    def awaits_drill(self) -> bool:
        """Whether a server has yet to start from the data that was stored."""
        is_done = self.status.drilled_at is not None or self.has_failed_drill
        return self.spec.verification is Verification.DRILL and self.is_complete and not is_done

    @property
    def has_failed_drill(self) -> bool:
        """Whether no server has started from the data, or one with another tree."""
        verified = self.condition(BackupCondition.VERIFIED)
        return verified is not None and verified.reason == BackupReason.DRILL_FAILED

    @property
    def is_to_be_drilled(self) -> bool:
        """Whether that is the next thing to do: the Job that has taken the backup is gone."""
        return self.awaits_drill and self.status.job in ("", drill_job(self.meta.name))

    @property
    def is_given_up(self) -> bool:
        """Whether there is no backup and no further attempt."""
        return self.is_true(BackupCondition.FAILED)

    def is_true(self, kind: BackupCondition) -> bool:
        """Whether the status says so."""
        found = self.condition(kind)
        return found is not None and found.status is Truth.TRUE

    def condition(self, kind: BackupCondition) -> Condition | None:
        """Return a condition as it was last written."""
        return next((condition for condition in self.status.conditions if condition.type == kind.value), None)


def validate(raw: Mapping[str, Any]) -> ValidatedBackup:
    """Return the typed ZooKeeperBackup.

    Raises:
        InvalidError: with every error, paths as in the manifest.
    """
    parsed = parse(ZooKeeperBackup, raw)
    if isinstance(parsed, tuple):
        raise InvalidError(parsed)
    return ValidatedBackup(
        meta=parsed.metadata,
        spec=parsed.spec,
        status=parsed.status,
        deleting=parsed.metadata.deletion_timestamp is not None,
        has_finalizer=FINALIZER in finalizers_of(raw),
    )


def finalizers_of(raw: Mapping[str, Any]) -> list[str]:
    """Return all finalizers of a raw object."""
    return list(raw["metadata"].get("finalizers") or [])
