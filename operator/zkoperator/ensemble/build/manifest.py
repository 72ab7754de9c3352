"""The common parts of all children: name, labels and owner."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from zkoperator.ensemble.model.names import USER_METADATA
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


class OwnMetadata(Protocol):
    """Labels and annotations for one child alone."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels for it."""
        ...

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations for it."""
        ...


def manifest(
    cluster: ValidatedCluster, api_version: str, kind: str, name: str, *, own: OwnMetadata | None = None, **parts: Any
) -> Manifest:
    """Return a child's manifest.

    Args:
        cluster: the validated cluster.
        api_version: of the child.
        kind: of the child.
        name: of the child.
        own: labels and annotations of this child alone.
        parts: its top-level fields beside `metadata`.
    """
    labels = {**cluster.spec.common_labels, **(own.labels if own is not None else {})}
    annotations = {**cluster.spec.common_annotations, **(own.annotations if own is not None else {})}
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": cluster.names.namespace,
        "labels": {**labels, **cluster.names.labels_of(cluster.component)},
        "ownerReferences": [cluster.owner],
    }
    if labels or annotations:
        metadata["annotations"] = {**annotations, USER_METADATA: _digest([labels, annotations])}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
