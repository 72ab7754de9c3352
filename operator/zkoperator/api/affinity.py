"""Which nodes members must or should run on, by the nodes' labels and by the pods that run there already.

Every field of Kubernetes' own type is declared here. An object without declared fields could be nested to any
depth. An object that is too deep to be read would hide the objects of all namespaces from the operator.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.selector import LabelKey, LabelKeys, LabelSelector

_Weight = Annotated[int, Field(ge=1, le=100)]


class NodeOperator(StrEnum):
    """How a node's label or field is compared with values."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


class NodeRequirement(Model):
    """A condition on one label or field of a node."""

    key: LabelKey
    """The key of the label or the name of the field."""
    operator: NodeOperator
    """How the node's value is compared with the values."""
    # The name of a node may be longer than the value of a label.
    values: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=64)] | None = None
    """The values, for `In` and `NotIn`. One whole number for `Gt` and `Lt`. Absent for the other operators."""


_NodeRequirements = Annotated[tuple[NodeRequirement, ...], Field(max_length=16)]


class NodeTerm(Model):
    """Selects nodes that meet all conditions. A term without conditions selects no node."""

    match_expressions: _NodeRequirements | None = None
    """Conditions on the node's labels."""
    match_fields: _NodeRequirements | None = None
    """Conditions on the node's fields. Kubernetes supports `metadata.name`."""


class NodeSelector(Model):
    """Selects nodes that at least one term selects."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Field(min_length=1, max_length=16)]
    """The terms. A node needs to match only one of them."""


class PreferredNodes(Model):
    """A preference for some nodes."""

    weight: _Weight
    """Weight of this preference against the others."""
    preference: NodeTerm
    """Which nodes are preferred."""


class NodeAffinity(Model):
    """Which nodes members run on, by the labels of the nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """Nodes that a member must run on."""
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredNodes, ...], Field(max_length=16)] | None
    ) = None
    """Nodes that a member should run on."""


class PodTerm(Model):
    """Selects pods, and the domain that each of them is in."""

    label_selector: LabelSelector | None = None
    """Which pods, by their labels. Without a selector, no pods."""
    namespaces: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=64)] | None = None
    """Namespaces of the pods. Without this and `namespaceSelector`, the namespace of this ensemble."""
    namespace_selector: LabelSelector | None = None
    """Further namespaces of the pods, by labels. An empty selector selects all namespaces."""
    topology_key: LabelKey
    """The node label whose values are the domains, such as `kubernetes.io/hostname`."""
    match_label_keys: LabelKeys | None = None
    """Keys of pod labels. Only pods with the same values of these labels as the member are selected."""
    mismatch_label_keys: LabelKeys | None = None
    """Keys of pod labels. Only pods with other values of these labels than the member are selected."""


class PreferredPods(Model):
    """A preference for, or against, the domain of some pods."""

    weight: _Weight
    """Weight of this preference against the others."""
    pod_affinity_term: PodTerm
    """Which pods, and which domain of theirs."""


class PodAffinity(Model):
    """Which nodes members run on or avoid, by the pods that run there already."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodTerm, ...], Field(max_length=16)] | None = (
        None
    )
    """Terms that must hold for a member, all of them."""
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredPods, ...], Field(max_length=16)] | None
    ) = None
    """Terms that should hold for a member."""


class Affinity(Model):
    """Where members must, should or must not run."""

    node_affinity: NodeAffinity | None = None
    """Members run on nodes with these labels."""
    pod_affinity: PodAffinity | None = None
    """Members run in the same domain as these pods."""
    pod_anti_affinity: PodAffinity | None = None
    """Members run in other domains than these pods."""
