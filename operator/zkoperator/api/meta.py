"""What both kinds share: the base model, object metadata and conditions."""

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
    """A part of an object: frozen, camelCase in manifests, snake_case in Python. It ignores unknown fields.

    The docstring below a field is its description in the CRD and in the reference pages.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Conditions on the whole value. Both the API server and the operator check them."""

    def manifest(self) -> dict[str, Any]:
        """Return the value as in a manifest: camelCase, plain types, without fields that are None."""
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
    """The fields of `metadata` that the operator reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    deletion_timestamp: str | None = None


class Truth(StrEnum):
    """The status of a condition. Unknown means that nobody could observe whether it is true or false."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One aspect of the object's state, as observed at a generation."""

    type: Annotated[str, Field(max_length=63)]
    """Name of the aspect."""
    status: Truth
    """Whether the condition is true; `Unknown` while it cannot be observed."""
    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the spec that this condition describes."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=128)]
    """The reason for the status, in one word, for runbooks and alerts."""
    message: Annotated[str, Field(max_length=4096)] = ""
    """What is the case, and what to do about it, for people."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
