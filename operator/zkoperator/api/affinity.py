"""Which nodes members must or should run on, by the nodes' labels and by the pods that run there already.

Every field of Kubernetes' own type is written out. A free object may be nested as deeply as somebody likes, and one
that is too deep to be read hides the objects of all namespaces from the operator.
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
    # The name of a node is longer than a label's value.
    values: Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=64)] | None = None
    """The values, for `In` and `NotIn`; one whole number for `Gt` and `Lt`; none for the other operators."""


_NodeRequirements = Annotated[tuple[NodeRequirement, ...], Field(max_length=16)]


class NodeTerm(Model):
    """Nodes that meet all conditions; without any condition none does."""

    match_expressions: _NodeRequirements | None = None
    """Conditions on the node's labels."""
    match_fields: _NodeRequirements | None = None
    """Conditions on the node's fields; Kubernetes knows `metadata.name`."""


class NodeSelector(Model):
    """Nodes that fit one of the terms or more."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Field(min_length=1, max_length=16)]
    """The terms, of which one is enough."""


class PreferredNodes(Model):
    """Nodes that are better than others."""

    weight: _Weight
    """How much better, in comparison with the other preferences."""
    preference: NodeTerm
    """Which nodes."""


class NodeAffinity(Model):
    """Which nodes members run on, by what the nodes are."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    """Nodes that a member must be on."""
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredNodes, ...], Field(max_length=16)] | None
    ) = None
    """Nodes that a member should be on."""


class PodTerm(Model):
    """Pods, and the domain that is theirs."""

    label_selector: LabelSelector | None = None
    """Which pods, by their labels; none when absent."""
    namespaces: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=64)] | None = None
    """The namespaces of the pods; with `namespaceSelector` absent too, the namespace of this ensemble."""
    namespace_selector: LabelSelector | None = None
    """The namespaces of the pods, by labels, beside those of `namespaces`; an empty selector selects all."""
    topology_key: LabelKey
    """The node label whose values are the domains, such as `kubernetes.io/hostname`."""
    match_label_keys: LabelKeys | None = None
    """Pod labels whose values narrow the selector to pods that have the member's own."""
    mismatch_label_keys: LabelKeys | None = None
    """Pod labels whose values narrow the selector to pods that have others than the member."""


class PreferredPods(Model):
    """Pods whose domain is better or worse than others."""

    weight: _Weight
    """How much better or worse, in comparison with the other preferences."""
    pod_affinity_term: PodTerm
    """Which pods, and which domain."""


class PodAffinity(Model):
    """Which nodes members run on or keep off, by the pods that are there."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodTerm, ...], Field(max_length=16)] | None = (
        None
    )
    """What a member must keep to: all of the terms."""
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[tuple[PreferredPods, ...], Field(max_length=16)] | None
    ) = None
    """What a member should keep to."""


class Affinity(Model):
    """Where members must or should run."""

    node_affinity: NodeAffinity | None = None
    """On which nodes, by the nodes' labels."""
    pod_affinity: PodAffinity | None = None
    """In the same domain as which pods."""
    pod_anti_affinity: PodAffinity | None = None
    """In another domain than which pods."""
