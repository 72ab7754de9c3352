"""The volume of a member, as its claim reports it. Part of the status of a ZooKeeperCluster."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model

_Amount = Annotated[str, Field(max_length=64)]


class VolumeState(StrEnum):
    """How far the claim of a member is."""

    PENDING = "Pending"
    """There is no volume yet."""
    BOUND = "Bound"
    """The volume is there, with the size that the claim asks for."""
    EXPANDING = "Expanding"
    """The volume grows."""
    FILE_SYSTEM_RESIZE_PENDING = "FileSystemResizePending"
    """The volume has grown, its file system has not: it does so while it is mounted, or when the member starts."""
    INFEASIBLE = "Infeasible"
    """The storage cannot make the volume as large as the claim asks for."""
    MODIFYING = "Modifying"
    """The volume has not the attributes yet that the claim asks for."""
    TERMINATING = "Terminating"
    """The deletion of the claim was asked for: the volume goes when the member's pod ends."""
    LOST = "Lost"
    """The volume that the claim was bound to does not exist any more."""


class MemberVolume(Model):
    """The volume of one member."""

    requested: _Amount = ""
    """Size that the claim asks for."""
    capacity: _Amount | None = None
    """Size that the volume has; absent while there is none."""
    storage_class_name: Annotated[str, Field(max_length=253)] = ""
    """StorageClass of the claim."""
    volume_attributes_class_name: Annotated[str, Field(max_length=253)] | None = None
    """VolumeAttributesClass that the volume has; absent without one."""
    state: VolumeState = VolumeState.PENDING
    """How far the claim is. `Pending`: no volume yet. `Bound`: as asked for. `Expanding`: the volume grows.
    `FileSystemResizePending`: its file system has to follow. `Infeasible`: the storage cannot make it so large.
    `Modifying`: its attributes change. `Terminating`: it goes with the member's pod. `Lost`: it is gone."""


class VolumeReplacement(Model):
    """The last replacement of a volume that a person has approved. It is written before anything is deleted."""

    approved: Annotated[str, Field(max_length=512)] = ""
    """Text of the annotation `zkoperator.dev/replace-volume` that asked for it."""
    started_at: Annotated[str, Field(max_length=64)] | None = None
    """When it was recorded."""
