"""Label selectors, as in Kubernetes."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
"""A prefix of at most 253 characters, a slash, and a name of at most 63 characters."""
LabelKeys = Annotated[tuple[LabelKey, ...], Field(max_length=16)]


class SelectorOperator(StrEnum):
    """How a label is compared with values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelRequirement(Model):
    """A condition on one label."""

    key: LabelKey
    """The label's key."""
    operator: SelectorOperator
    """How the label is compared with the values."""
    values: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=64)] | None = None
    """The values, for `In` and `NotIn`. Absent for the other operators."""


class LabelSelector(Model):
    """Selects objects that meet all conditions. An empty selector selects all objects."""

    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=64)] | None = None
    """Labels that an object must have, with these values."""
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=16)] | None = None
    """Further conditions on labels."""
