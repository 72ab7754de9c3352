"""A raw ZooKeeperBackup becomes one frozen value, or all of its errors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.backup import ZooKeeperBackup, ZooKeeperBackupSpec, ZooKeeperBackupStatus
from zkoperator.api.backup_storage import DataPolicy
from zkoperator.api.meta import Condition, ObjectMeta, Truth
from zkoperator.api.parse import parse
from zkoperator.api.reasons import BackupCondition
from zkoperator.backup.model.names import FINALIZER
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
