"""The object in Kubernetes whose keys are kept equal with the znodes: a ConfigMap, or a Secret."""

from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, matching
from zkoperator.api.sync_fields import NOT_OURS, ShortText
from zkoperator.api.types import LabelValue, ObjectName, annotation_keys, label_keys

_TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a type


class ConfigMapSide(Model):
    """The ConfigMap."""

    name: ObjectName | None = None
    """Name of the ConfigMap, in the same namespace. The default is the name of the ConfigSync. The operator creates a
    missing ConfigMap, except with direction `ConfigMapToZooKeeper`. With that direction only, the name can be changed
    and the ConfigMap can be immutable."""
    labels: Annotated[dict[str, LabelValue], Field(max_length=16), Rules(NOT_OURS, label_keys())] = Field(
        default_factory=dict
    )
    """Labels that the operator keeps on the ConfigMap. It never removes a label, even when it is removed here."""
    annotations: Annotated[dict[str, ShortText], Field(max_length=16), Rules(NOT_OURS, annotation_keys())] = Field(
        default_factory=dict
    )
    """Annotations that the operator keeps on the ConfigMap, in the same way as labels."""


SecretType = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Rules(
        matching(
            r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?",
            "write the type of a Secret, such as Opaque or kubernetes.io/tls",
        ),
        Rule(
            "choose another type: Kubernetes itself writes credentials of service accounts into Secrets of this one",
            cel=f"self != '{_TOKEN_TYPE}'",
            holds=lambda given: given != _TOKEN_TYPE,
        ),
    ),
]


class SecretSide(Model):
    """The Secret. In the names of directions and policies, `ConfigMap` stands for it."""

    name: ObjectName | None = None
    """Name of the Secret, in the same namespace. The default is the name of the ConfigSync. The operator creates a
    missing Secret, except with direction `ConfigMapToZooKeeper`. With that direction only, the name can be changed
    and the Secret can be immutable."""
    type: SecretType | None = None
    """Type of the Secret that the operator creates; without it, `Opaque`. The type of an existing Secret never changes:
    it has to be this one, where there is one here. A type that needs keys, such as `kubernetes.io/tls`, is created once
    the znodes for all of them are there."""
    labels: Annotated[dict[str, LabelValue], Field(max_length=16), Rules(NOT_OURS, label_keys())] = Field(
        default_factory=dict
    )
    """Labels that the operator keeps on the Secret. It never removes a label, even when it is removed here."""
    annotations: Annotated[dict[str, ShortText], Field(max_length=16), Rules(NOT_OURS, annotation_keys())] = Field(
        default_factory=dict
    )
    """Annotations that the operator keeps on the Secret, in the same way as labels."""
