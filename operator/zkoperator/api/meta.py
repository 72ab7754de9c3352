"""What both kinds are made of: the base model, object metadata and conditions."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from zkoperator.api.rules import Rule, check, schema_of

GROUP = "zkoperator.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Model(BaseModel):
    """A part of an object: frozen, camelCase in manifests, snake_case in Python, unknown fields ignored.

    The text under a field is its description in the CRD and in the reference pages.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Conditions on the whole value, for the API server and the operator alike."""

    def manifest(self) -> dict[str, Any]:
        """Return the value as its manifest reads: camelCase, plain types, nothing that is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        check(self.rules, self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the rules of the class to its schema."""
        inner = handler.resolve_ref_schema(handler(schema))
        inner.update(schema_of(cls.rules))
        return inner


class ObjectMeta(Model):
    """The part of `metadata` that decisions need; the rest belongs to the API server."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: str | None = None


class Truth(StrEnum):
    """The status of a condition. Unknown is a value of its own: not observed, therefore neither."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of the object's state, as observed at a generation."""

    type: Annotated[str, Field(max_length=63)]
    """Which aspect."""
    status: Truth
    """Whether it holds; `Unknown` while it cannot be observed."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the spec that this speaks of."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    """One word for machines."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """One sentence for people: what is the case, and what to do about it."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
