"""How a new ensemble begins: with the data of a backup instead of empty."""

from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.backup_storage import BackupStorage
from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.types import ObjectName

LOCATION = r"([A-Za-z0-9_-][A-Za-z0-9._-]*/)+[0-9]{8}T[0-9]{6}Z-[0-9a-f]{1,16}"
"""Where a backup is below its storage: `<namespace>/<cluster>/<uid>/<time>-<zxid>`."""


class FromBackup(Model):
    """The backup with whose data the ensemble begins."""

    rules: ClassVar = (
        Rule(
            "write exactly one of name (a ZooKeeperBackup of this namespace) and storage (any other backup)",
            cel="has(self.name) != has(self.storage)",
            holds=lambda origin: (origin.name is None) != (origin.storage is None),
        ),
        Rule(
            "write it exactly where storage is written: the location of the backup in that storage",
            field="path",
            cel="has(self.path) == has(self.storage)",
            holds=lambda origin: (origin.path is None) == (origin.storage is None),
        ),
    )

    name: ObjectName | None = None
    """Name of a ZooKeeperBackup in the same namespace."""
    storage: BackupStorage | None = None
    """Where the backup is, as in a ZooKeeperBackup, for one that was taken in another Kubernetes or namespace."""
    path: (
        Annotated[
            str,
            Field(max_length=1024),
            Rules(
                matching(
                    LOCATION,
                    "write the backup's status.location: <namespace>/<cluster>/<uid>/<time>-<zxid>",
                )
            ),
        ]
        | None
    ) = None
    """The backup's location in this storage: `status.location` of its ZooKeeperBackup, the folder that has its
    `manifest.json`."""


class Beginning(Model):
    """How a new ensemble begins."""

    from_backup: FromBackup
    """The backup with whose data the ensemble begins. Volumes that an earlier ensemble of this name has left come
    first: then the ensemble goes on with their data, and no backup is used."""
