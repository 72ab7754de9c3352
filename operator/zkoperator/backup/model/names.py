"""The names that backups put on objects. They are public: nothing here may change. Pure."""

from typing import Final

FINALIZER: Final = "zkoperator.dev/backup"
"""On a ZooKeeperBackup with `deletionPolicy: Delete`, from before its first Job until its data is deleted."""
BACKUP_LABEL: Final = "zkoperator.dev/backup"
"""On Jobs and their pods: the name of the ZooKeeperBackup."""
LABELS: Final = {"app.kubernetes.io/name": "zkoperator-backup", "app.kubernetes.io/managed-by": "zkoperator"}
"""On Jobs and their pods. No Service, budget or policy of an ensemble selects them."""


def attempt_job(backup: str, attempt: int) -> str:
    """Return the Job that takes a backup. Its name follows from the number, so that none is made twice."""
    return f"{backup}-take{attempt}"


def deletion_job(backup: str) -> str:
    """Return the Job that deletes the data of a backup."""
    return f"{backup}-delete"
