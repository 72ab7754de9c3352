"""What a user may say about the pods of an ensemble.

A closed list on purpose: no volumes, environment, containers, service account or host settings, through which a person
who may create a ZooKeeperCluster could reach what that person may not reach.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.affinity import Affinity
from zkoperator.api.meta import Model
from zkoperator.api.rules import Rules
from zkoperator.api.selector import LabelKey, LabelKeys, LabelSelector
from zkoperator.api.types import (
    AnnotationValue,
    LabelValue,
    ObjectName,
    annotation_keys,
    label_keys,
    no_operator_keys,
)

_Text = Annotated[str, Field(max_length=317)]


class TolerationOperator(StrEnum):
    """How a toleration's key and value are compared with a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """Lets the members run on nodes with a taint."""

    key: _Text | None = None
    """The taint's key; empty with `Exists` tolerates all."""
    operator: TolerationOperator | None = None
    """`Equal` when absent."""
    value: _Text | None = None
    """The taint's value, for `Equal`."""
    effect: TaintEffect | None = None
    """The taint's effect; all when absent."""
    toleration_seconds: int | None = None
    """How long a `NoExecute` taint is tolerated; for ever when absent."""


class Unsatisfiable(StrEnum):
    """What the scheduler does when a spread cannot be kept."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class InclusionPolicy(StrEnum):
    """Whether nodes are filtered before a spread is computed."""

    HONOR = "Honor"
    IGNORE = "Ignore"


class TopologySpreadConstraint(Model):
    """How the members are spread over nodes, zones or other domains."""

    max_skew: Annotated[int, Field(ge=1, le=9)]
    """By how many members two domains may differ."""
    topology_key: LabelKey
    """The node label whose values are the domains, such as `topology.kubernetes.io/zone`."""
    when_unsatisfiable: Unsatisfiable
    """Whether a member waits or is placed anyway."""
    label_selector: LabelSelector | None = None
    """Which pods are counted; the members of this ensemble when absent."""
    min_domains: Annotated[int, Field(ge=1)] | None = None
    """The least number of domains."""
    node_affinity_policy: InclusionPolicy | None = None
    """Whether node affinity and selector limit the domains."""
    node_taints_policy: InclusionPolicy | None = None
    """Whether taints limit the domains."""
    match_label_keys: LabelKeys | None = None
    """Pod labels whose values narrow the selector."""


Labels = Annotated[dict[str, LabelValue], Field(max_length=64), Rules(no_operator_keys(), label_keys())]
Annotations = Annotated[dict[str, AnnotationValue], Field(max_length=64), Rules(no_operator_keys(), annotation_keys())]


class Pod(Model):
    """Placement and labels of the members' pods."""

    labels: Labels = Field(default_factory=dict)
    """More labels for the pods."""
    annotations: Annotations = Field(default_factory=dict)
    """More annotations for the pods."""
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=64), Rules(label_keys())] = Field(
        default_factory=dict
    )
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=64)] = ()
    """Taints that the members put up with."""
    affinity: Affinity | None = None
    """Nodes that members must or should run on or keep off, in the words of a pod."""
    topology_spread_constraints: Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=8)] | None = None
    """How members are spread; when absent, over nodes and zones as far as that is possible."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""
    termination_grace_period_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds that a member has for a clean stop."""
