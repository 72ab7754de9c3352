"""Observers: members without a vote, which serve reads and cost no write its speed."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.resources import Resources
from zkoperator.api.scheduling import BasicPlacement
from zkoperator.api.types import StorageSize

MAX_OBSERVERS = 20


class ObserverStorageType(StrEnum):
    """Where observers keep their data."""

    EPHEMERAL = "Ephemeral"


class ObserverStorage(Model):
    """The volume of each observer. It holds a copy of what the voters have."""

    type: ObserverStorageType = ObserverStorageType.EPHEMERAL
    """`Ephemeral`: the data goes with the pod, and the next one copies it from the leader."""
    size: StorageSize = "10Gi"
    """The most that each volume may hold."""


class ObserverService(StrEnum):
    """Which clients are led to observers."""

    SEPARATE = "Separate"
    SHARED = "Shared"


class Observers(Model):
    """Members without a vote. They serve reads, and pass writes on to the leader."""

    replicas: Annotated[int, Field(ge=0, le=MAX_OBSERVERS)] | None = None
    """Number of observers. 0: none run, and what was made for them stays. Absent: as many as the StatefulSet
    `<name>-zk-observers` is scaled to, as by a HorizontalPodAutoscaler; 1 at first."""
    resources: Resources | None = None
    """Compute resources of each observer. The default is `spec.resources`."""
    storage: ObserverStorage = ObserverStorage()
    """The volume of each observer."""
    pod: BasicPlacement | None = None
    """Placement and labels of the observers' pods, instead of those in `spec.pod`. All else is as in `spec.pod`."""
    service: ObserverService = ObserverService.SEPARATE
    """`Separate`: the Service `<name>-zk-read` leads to them. `Shared`: the client Service leads to them as well."""
    master_port: bool = False
    """True: followers serve observers too (port 2191), which relieves the leader. A change restarts all members."""
