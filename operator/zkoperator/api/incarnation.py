"""The incarnation of an ensemble: how often it has begun again, and from whose data."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model

_Word = Annotated[str, Field(max_length=253)]


class Origin(StrEnum):
    """Where the data of an incarnation comes from."""

    SURVIVOR = "Survivor"
    BACKUP = "Backup"


FOUNDING = "spec.bootstrap.fromBackup"
"""As the approval: the ensemble was created with the data of a backup."""


class Incarnation(Model):
    """The record of the last recovery or restore. It is written before any member is stopped."""

    number: Annotated[int, Field(ge=1)]
    """Counts the recoveries and restores."""
    seed: _Word = ""
    """Name of the pod whose data the ensemble goes on with."""
    from_: Annotated[Origin, Field(alias="from")] = Origin.SURVIVOR
    """Where the data comes from. `Survivor`: it was on the seed's volume. `Backup`: it was put there from a backup."""
    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Epoch from which the seed goes on, above all that any member or client can have seen. A member whose volume is of
    an earlier one puts its data aside and copies the seed's."""
    approved: _Word = ""
    """Text of the annotation `zkoperator.dev/recover` or `zkoperator.dev/restore` that asked for it;
    `spec.bootstrap.fromBackup` for an ensemble that was created with the data of a backup."""
    started_at: _Word | None = None
    """When it was recorded."""
    completed_at: _Word | None = None
    """When the seed led alone; the others join afterwards as in any growth. Absent until then."""

    @property
    def is_open(self) -> bool:
        """Whether the seed has not led yet."""
        return self.completed_at is None
