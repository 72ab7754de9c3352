"""Compute resources and pull policy of a container, as in Kubernetes."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.types import Quantity


class PullPolicy(StrEnum):
    """When the kubelet pulls the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


_ResourceName = Annotated[str, Field(min_length=1, max_length=317)]


class Resources(Model):
    """Compute resources, as in the spec of a container."""

    requests: Annotated[dict[_ResourceName, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """What the scheduler reserves, such as `cpu: 500m` and `memory: 1Gi`."""
    limits: Annotated[dict[_ResourceName, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """The most that may be used."""
