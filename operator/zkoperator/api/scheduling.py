"""Where the pods of members run, and which labels they have."""

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
    """Key of the taint. An absent key with `Exists` tolerates all taints."""
    operator: TolerationOperator | None = None
    """How key and value are compared with the taint. The default is `Equal`."""
    value: _Text | None = None
    """Value of the taint, for `Equal`."""
    effect: TaintEffect | None = None
    """Effect of the taint. The default is all effects."""
    toleration_seconds: int | None = None
    """How long a `NoExecute` taint is tolerated, in seconds. The default is for ever."""


class Unsatisfiable(StrEnum):
    """What the scheduler does with a member for which the constraint cannot be met."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class InclusionPolicy(StrEnum):
    """Whether the spread counts only nodes that the member may run on."""

    HONOR = "Honor"
    IGNORE = "Ignore"


class TopologySpreadConstraint(Model):
    """How the members are spread over nodes, zones or other domains."""

    max_skew: Annotated[int, Field(ge=1, le=9)]
    """The largest allowed difference between the numbers of members in two domains."""
    topology_key: LabelKey
    """The node label whose values are the domains, such as `topology.kubernetes.io/zone`."""
    when_unsatisfiable: Unsatisfiable
    """Whether a member waits, or is scheduled anyway, when the constraint cannot be met."""
    label_selector: LabelSelector | None = None
    """Which pods are counted. The default is the members of this ensemble."""
    min_domains: Annotated[int, Field(ge=1)] | None = None
    """The smallest number of domains that must exist."""
    node_affinity_policy: InclusionPolicy | None = None
    """Whether only nodes that match node affinity and node selector count."""
    node_taints_policy: InclusionPolicy | None = None
    """Whether only nodes whose taints the member tolerates count."""
    match_label_keys: LabelKeys | None = None
    """Keys of pod labels. Only pods with the same values of these labels as the member are counted."""


Labels = Annotated[dict[str, LabelValue], Field(max_length=64), Rules(no_operator_keys(), label_keys())]
Annotations = Annotated[dict[str, AnnotationValue], Field(max_length=64), Rules(no_operator_keys(), annotation_keys())]


class BasicPlacement(Model):
    """Placement and labels of pods, without what takes much room in the definition."""

    labels: Labels = Field(default_factory=dict)
    """Further labels for the pods."""
    annotations: Annotations = Field(default_factory=dict)
    """Further annotations for the pods."""
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=64), Rules(label_keys())] = Field(
        default_factory=dict
    )
    """Labels that a node must have to run a member."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=64)] = ()
    """Taints of nodes that the members tolerate."""
    topology_spread_constraints: Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=8)] | None = None
    """How members are spread. The default is over nodes and zones, as far as that is possible."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the pods."""


class Placement(BasicPlacement):
    """Placement and labels of the members' pods."""

    affinity: Affinity | None = None
    """Which nodes members must, should or must not run on, as in the spec of a pod."""
    termination_grace_period_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """How long a member may take for a clean stop, in seconds."""
