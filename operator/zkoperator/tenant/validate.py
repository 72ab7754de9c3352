"""A raw ZNode becomes one frozen value, or all of its errors. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.meta import ObjectMeta
from zkoperator.api.parse import parse
from zkoperator.api.znode import ZNode, ZNodeOnDelete, ZNodeSpec, ZNodeStatus
from zkoperator.errors import FieldError, InvalidError
from zkoperator.runtime.keys import Key
from zkoperator.tenant.model.names import FINALIZER, OWN_ROOT, owner_text

_RESERVED = ("zookeeper", OWN_ROOT[1:])


@dataclass(frozen=True, slots=True)
class ValidatedZNode:
    """A ZNode with a valid spec, and its status as it was last written."""

    meta: ObjectMeta
    spec: ZNodeSpec
    status: ZNodeStatus
    path: str
    deleting: bool
    has_finalizer: bool

    @property
    def key(self) -> Key:
        """Its namespace and name."""
        return Key(self.meta.namespace, self.meta.name)

    @property
    def cluster(self) -> Key:
        """Namespace and name of the ZooKeeperCluster."""
        return Key(self.spec.cluster_ref.namespace or self.meta.namespace, self.spec.cluster_ref.name)

    @property
    def owner(self) -> str:
        """How the record in the ensemble names it."""
        return owner_text(*self.key)

    @property
    def deletes_znodes(self) -> bool:
        """Whether the znodes go with the object."""
        return self.spec.on_delete is ZNodeOnDelete.DELETE_ZNODES


def validate(raw: Mapping[str, Any]) -> ValidatedZNode:
    """Return the typed ZNode.

    Raises:
        InvalidError: with every error, paths as in the manifest.
    """
    parsed = parse(ZNode, raw)
    if isinstance(parsed, tuple):
        raise InvalidError(parsed)
    meta, spec = parsed.metadata, parsed.spec
    if spec.path is None and meta.namespace in _RESERVED:
        message = f"write a path: the default begins with the name of this namespace, and /{meta.namespace} is reserved"
        raise InvalidError((FieldError("spec.path", message),))
    return ValidatedZNode(
        meta=meta,
        spec=spec,
        status=parsed.status,
        path=spec.path or f"/{meta.namespace}/{meta.name}",
        deleting=meta.deletion_timestamp is not None,
        has_finalizer=FINALIZER in finalizers_of(raw),
    )


def finalizers_of(raw: Mapping[str, Any]) -> list[str]:
    """Return all finalizers of a raw object."""
    return list(raw["metadata"].get("finalizers") or [])
