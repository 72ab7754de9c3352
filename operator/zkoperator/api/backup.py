"""ZooKeeperBackup: one copy of the tree of an ensemble. Its spec and its status."""

from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.backup_storage import BackupTemplate
from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.rules import Rule, immutable
from zkoperator.api.sync_fields import WholeEnsemble
from zkoperator.api.sync_source import ClusterRef
from zkoperator.api.types import ObjectName

MAX_NAME_LENGTH = 56
"""Longest name of a ZooKeeperBackup: its Jobs have longer ones, and Kubernetes labels their pods with them."""

_Word = Annotated[str, Field(max_length=253)]
_Count = Annotated[int, Field(ge=0)]
_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class BackupSource(Model):
    """Which ensemble is read, and as whom."""

    cluster_ref: ClusterRef | None = None
    """The ZooKeeperCluster in the same namespace. The Job reads it as its superuser, over TLS once all members have a
    TLS port."""
    hosts: WholeEnsemble | None = None
    """Connect string of any other ensemble, one host for each member. The Job connects from this namespace, without
    TLS."""
    credentials_secret: ObjectName | None = None
    """Name of a Secret in the same namespace with `username` and `password` for digest authentication, only with
    `hosts`. This user must be allowed to read every znode and its ACL."""


def one_ensemble() -> tuple[Rule, ...]:
    """Return the rules on a spec that says which ensemble is read."""
    return (
        Rule(
            "write exactly one of clusterRef (an ensemble of this namespace) and hosts (any other ensemble)",
            cel="has(self.clusterRef) != has(self.hosts)",
            holds=lambda spec: (spec.cluster_ref is None) != (spec.hosts is None),
        ),
        Rule(
            "leave it out with clusterRef: the Job reads the ensemble as its superuser",
            field="credentialsSecret",
            cel="!has(self.credentialsSecret) || has(self.hosts)",
            holds=lambda spec: spec.credentials_secret is None or spec.hosts is not None,
        ),
    )


class ZooKeeperBackupSpec(BackupTemplate, BackupSource):
    """Which ensemble is copied, where the copy goes, and how it is checked. It cannot be changed."""

    rules: ClassVar = (
        immutable("a backup shows one state of the tree; create another ZooKeeperBackup"),
        *one_ensemble(),
    )


class ZooKeeperBackupStatus(Model):
    """What became of the backup, as the operator observed it."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status describes; -1 before the operator has seen the object."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, named by its Lease: `namespace/name`."""
    attempts: _Count = 0
    """Number of Jobs that have ended."""
    retry_at: _Time | None = None
    """When the next Job may start, after one has failed."""
    job: Annotated[str, Field(max_length=63)] = ""
    """The last Job, while it is there: `kubectl logs job/<name>`. That of a complete backup is deleted."""
    directory: Annotated[str, Field(max_length=1024)] = ""
    """The folder in the storage for the backups of this ensemble: namespace, name and uid of the ZooKeeperCluster."""
    zxid: _Word = ""
    """The moment that the copy shows: it holds every transaction up to this one and none after it. Hexadecimal."""
    epoch: _Count = 0
    """The epoch of that zxid."""
    znodes: _Count = 0
    """Number of znodes in the copy, those of the server below `/zookeeper` included."""
    bytes: _Count = 0
    """Size of the snapshot file, unpacked."""
    stored_bytes: _Count = 0
    """Size of the stored object."""
    digest: _Word = ""
    """The digest that ZooKeeper's servers keep of a tree, for the tree in the copy."""
    sha256: _Word = ""
    """SHA-256 of the snapshot file, unpacked."""
    location: Annotated[str, Field(max_length=1024)] = ""
    """Where the data is in the storage: a folder with the snapshot file and `manifest.json`."""
    member: _Word = ""
    """The member that was read."""
    version: _Word = ""
    """Version of ZooKeeper of that member."""
    types_kept: bool | None = None
    """Whether container znodes and znodes with a time to live are such in the copy. `false`: they are ordinary
    persistent znodes there, as no client can read their type."""
    ephemerals_left_out: Annotated[int, Field(ge=0)] | None = None
    """Number of ephemeral znodes that existed and are not in the copy. They belong to sessions, which no copy holds."""
    started_at: _Time | None = None
    """When the Job began to read."""
    completed_at: _Time | None = None
    """When the data was stored as a whole."""
    verified_at: _Time | None = None
    """When the data was checked last."""
    drilled_at: _Time | None = None
    """When a server had started from the data, and taken a write."""
    conditions: Conditions = ()
    """Complete, Verified and Failed; Reconciling and Stalled, which repeat Complete for other tools."""


class ZooKeeperBackup(Model):
    """One exact copy of the tree of an ensemble, made by a Job, as a snapshot file that a ZooKeeper server reads."""

    rules: ClassVar = (
        Rule(
            f"write a shorter name, at most {MAX_NAME_LENGTH} characters: the names of its Jobs begin with it",
            field="metadata.name",
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            holds=lambda backup: len(backup.metadata.name) <= MAX_NAME_LENGTH,
        ),
    )

    metadata: ObjectMeta
    spec: ZooKeeperBackupSpec
    """Which ensemble is copied, where the copy goes, and how it is checked. It cannot be changed."""
    status: ZooKeeperBackupStatus = ZooKeeperBackupStatus()
    """What became of the backup, as the operator observed it."""
