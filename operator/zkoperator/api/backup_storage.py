"""Where the data of backups goes, how it is checked, and what becomes of it. Both kinds of backups share this."""

from enum import StrEnum

from zkoperator.api.meta import Model
from zkoperator.api.types import ObjectName


class ClaimStorage(Model):
    """A PersistentVolumeClaim in the same namespace."""

    claim_name: ObjectName
    """Name of the PersistentVolumeClaim. The data goes to the folder `<namespace>/<cluster>/<uid of the cluster>` of
    its volume."""


class BackupStorage(Model):
    """Where the data goes."""

    persistent_volume_claim: ClaimStorage
    """A PersistentVolumeClaim in the same namespace."""


class Verification(StrEnum):
    """How the data is checked after it was stored."""

    STRUCTURE = "Structure"
    NONE = "None"


class DataPolicy(StrEnum):
    """What happens to the data when the object is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class BackupTemplate(Model):
    """Where the data goes, how it is checked, and what becomes of it."""

    storage: BackupStorage
    """Where the data goes."""
    verification: Verification = Verification.STRUCTURE
    """How the data is checked after it was stored. `Structure`: it is read back, and its form, digest and counts are
    those of the tree that was read."""
    deletion_policy: DataPolicy = DataPolicy.DELETE
    """What happens to the data when the object is deleted. `Delete`: it is deleted too. `Retain`: it stays."""
