"""The workloads that a ConfigSync restarts, as asked for and as observed."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.types import ObjectName

MAX_WORKLOADS = 16
"""Workloads that one ConfigSync restarts."""

_Word = Annotated[str, Field(max_length=253)]


class WorkloadKind(StrEnum):
    """Kinds that can be restarted after a change."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    ROLLOUT = "Rollout"
    """That of Argo Rollouts."""


class Workload(Model):
    """A workload of the same namespace."""

    kind: WorkloadKind
    """Its kind."""
    name: ObjectName
    """Its name."""


class RolledContent(Model):
    """The values of the selected keys, as a hash, and since when the ConfigMap has them."""

    hash: _Word = ""
    """Hash of keys and values."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When they were written, as far as the API server has recorded it."""


class WorkloadRollout(Model):
    """One workload of `spec.rollout`, and the content that its pods were started with."""

    kind: WorkloadKind
    """Its kind."""
    name: _Word
    """Its name."""
    uid: Annotated[str, Field(max_length=64)] = ""
    """The object that this was found for; one that was created again under the name is another."""
    hash: _Word = ""
    """Hash of the content that it has been restarted with, or needed no restart for."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """Since when it is so."""
    reason: _Word = ""
    """What was done, or why nothing can be done."""
