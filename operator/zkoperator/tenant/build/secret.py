"""The Secret with which an application connects, in the form of servicebinding.io. It is never written again. Pure."""

import base64
from dataclasses import dataclass

from zkoperator.controller.secret_texts import text_in
from zkoperator.kube.port import Manifest
from zkoperator.tenant.model.names import ZNODE_LABEL, secret_name, username
from zkoperator.tenant.validate import ValidatedZNode

_TYPE = "zookeeper"


@dataclass(frozen=True, slots=True)
class Binding:
    """What the Secret says, except the password."""

    namespace: str
    znode: str
    endpoint: str
    path: str

    @property
    def username(self) -> str:
        """The user."""
        return username(self.namespace, self.znode)

    @property
    def name(self) -> str:
        """Name of the Secret."""
        return secret_name(self.znode)


def binding_of(znode: ValidatedZNode, endpoint: str) -> Binding:
    """Return what the Secret of a ZNode says."""
    return Binding(znode.meta.namespace, znode.meta.name, endpoint, znode.path)


def secret(binding: Binding, password: str) -> Manifest:
    """Return the Secret.

    It has no owner: with `onDelete: Retain` the znodes stay, and whoever has them needs the password.
    """
    host, _, port = binding.endpoint.rpartition(":")
    texts = {
        "type": _TYPE,
        "provider": "zkoperator",
        "host": host,
        "port": port,
        "uri": f"zookeeper://{binding.endpoint}{binding.path}",
        "connectionString": f"{binding.endpoint}{binding.path}",
        "username": binding.username,
        "password": password,
    }
    labels = {"app.kubernetes.io/managed-by": "zkoperator", ZNODE_LABEL: binding.znode}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": binding.name, "namespace": binding.namespace, "labels": labels},
        "type": f"servicebinding.io/{_TYPE}",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()},
    }


def is_made_for(found: Manifest, znode: ValidatedZNode) -> bool:
    """Return whether a Secret was made for the ZNode of this name and path."""
    _, _, path = text_in(found, "connectionString").partition("/")
    label = (found["metadata"].get("labels") or {}).get(ZNODE_LABEL)
    return label == znode.meta.name and f"/{path}" == znode.path
