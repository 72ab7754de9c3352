"""The workloads that a ConfigSync restarts: their fields in the spec and in the status."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.types import ObjectName

MAX_WORKLOADS = 16
"""Most workloads that one ConfigSync may name."""

_Word = Annotated[str, Field(max_length=253)]


class WorkloadKind(StrEnum):
    """Kinds of workloads that the operator can restart after a change."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    ROLLOUT = "Rollout"
    """The kind of Argo Rollouts."""


class Workload(Model):
    """A workload in the same namespace."""

    kind: WorkloadKind
    """Kind of the workload."""
    name: ObjectName
    """Name of the workload."""


class RolledContent(Model):
    """The content of the ConfigMap as a hash, and since when the ConfigMap has it."""

    hash: _Word = ""
    """Hash of the selected keys and their values."""
    whole: _Word = ""
    """Hash of all keys and their values, selected or not. When only `hash` changes, no value has: `spec.keys` has."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When the ConfigMap got this content, if the API server has recorded that; otherwise when the operator noticed."""


class WorkloadRollout(Model):
    """One workload of `spec.rollout`, and the content that its pods run with."""

    kind: WorkloadKind
    """Kind of the workload."""
    name: _Word
    """Name of the workload."""
    uid: Annotated[str, Field(max_length=64)] = ""
    """uid of the workload. It tells a workload from a new one with the same name."""
    hash: _Word = ""
    """Hash of the content that the workload was restarted with, or that it needed no restart for."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """Since when this entry has this hash and reason."""
    reason: _Word = ""
    """What the operator did, or why it can do nothing."""
