"""The writes of a backup. Pure."""

from dataclasses import dataclass

from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Put the finalizer on the ZooKeeperBackup, or take it off."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create a Job. Its name is taken when it was created before, so that there is only one."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class RemoveJob:
    """Delete exactly this Job with its pods."""

    name: str
    uid: str


Step = SetFinalizer | CreateJob | RemoveJob
