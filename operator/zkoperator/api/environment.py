"""Environment variables of containers, as in Kubernetes."""

from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.reserved import one_of, unique
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.types import ConfigKey, ObjectName, Quantity


class FieldRef(Model):
    """A field of the pod."""

    field_path: Annotated[
        str,
        Field(min_length=1, max_length=256),
        Rules(
            matching(
                r"(metadata|spec|status)\.[A-Za-z0-9_./\[\]\x27-]+",
                "write a field of the pod, such as metadata.name or status.podIP",
            )
        ),
    ]
    """Path of the field, such as `metadata.name`, `spec.nodeName` or `status.podIP`."""


class ResourceFieldRef(Model):
    """A request or a limit of a container."""

    container_name: Annotated[str, Field(max_length=63)] | None = None
    """Name of the container. The default is the one that has the variable; needed in a volume."""
    resource: Annotated[str, Field(min_length=1, max_length=317)]
    """The resource, such as `limits.memory` or `requests.cpu`."""
    divisor: Quantity | None = None
    """The unit in which the amount is written, such as `1Mi`. The default is 1."""


class KeyRef(Model):
    """A key of an object in the same namespace."""

    name: ObjectName
    """Name of the object."""
    key: ConfigKey
    """The key."""
    optional: bool | None = None
    """True: the container also starts without the object or its key."""


class EnvSource(Model):
    """Where the value of a variable comes from: exactly one of the fields."""

    rules: ClassVar = (
        one_of("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", advice=": the value has one source"),
    )

    field_ref: FieldRef | None = None
    """A field of the pod."""
    resource_field_ref: ResourceFieldRef | None = None
    """A request or a limit of a container."""
    config_map_key_ref: KeyRef | None = None
    """A key of a ConfigMap in the same namespace."""
    secret_key_ref: KeyRef | None = None
    """A key of a Secret in the same namespace."""


class EnvVar(Model):
    """An environment variable."""

    rules: ClassVar = (
        Rule(
            "write value or valueFrom, not both",
            cel="!has(self.value) || !has(self.valueFrom)",
            holds=lambda variable: variable.value is None or variable.value_from is None,
        ),
    )

    name: Annotated[
        str,
        Field(min_length=1, max_length=253),
        Rules(matching(r"[-._a-zA-Z][-._a-zA-Z0-9]*", "write letters, digits, '-', '_' and '.', no digit first")),
    ]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=8192)] | None = None
    """The value. `$(NAME)` stands for a variable that is written before this one."""
    value_from: EnvSource | None = None
    """Where the value comes from."""


Environment = Annotated[
    tuple[EnvVar, ...],
    Field(
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
    Rules(unique("name", "name")),
]
