"""The incarnation of an ensemble: how often it has begun again from the data of one member, and from which."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model

_Word = Annotated[str, Field(max_length=253)]


class Origin(StrEnum):
    """Where the data of an incarnation comes from."""

    SURVIVOR = "Survivor"


class Incarnation(Model):
    """The record of the last recovery. It is written before any member is stopped."""

    number: Annotated[int, Field(ge=1)]
    """Counts the recoveries."""
    seed: _Word = ""
    """Name of the pod whose data the ensemble goes on with."""
    from_: Annotated[Origin, Field(alias="from")] = Origin.SURVIVOR
    """Where the data comes from. `Survivor`: it was on the seed's volume."""
    epoch: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Epoch from which the seed goes on, above all that any member or client can have seen. A member whose volume is of
    an earlier one puts its data aside and copies the seed's."""
    approved: _Word = ""
    """Text of the annotation `zkoperator.dev/recover` that asked for it."""
    started_at: _Word | None = None
    """When it was recorded."""
    completed_at: _Word | None = None
    """When the seed led alone; the others join afterwards as in any growth. Absent until then."""

    @property
    def is_open(self) -> bool:
        """Whether the seed has not led yet."""
        return self.completed_at is None
