"""The binding Secret as a value. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from zkoperator.ensemble.model.certificate_sources import Version
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class BindingView:
    """The binding Secret.

    `known` is False while it could not be read. `identity` is its name, labels and owners, None when there is none;
    `entries` are those that the operator writes, and `version` is None unless the Secret is the cluster's own.
    """

    known: bool = False
    identity: Manifest | None = None
    entries: Mapping[str, str] = field(default_factory=dict)
    version: Version | None = None


UNREAD = BindingView()
