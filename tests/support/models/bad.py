"""An object that holds it wrong, with the field and the advice that whoever refuses it must give."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bad:
    """A manifest with one thing wrong.

    `says` is part of the operator's message; `server_says` part of the API server's where that one is in its own words.
    """

    claim: str
    kind: str
    spec: Spec
    field: str
    says: str
    server_says: str = ""
    name: str = "main"
    server_field: str = ""

    def __str__(self) -> str:
        return self.claim.replace(" ", "-")

    @property
    def manifest(self) -> dict[str, Any]:
        return {
            "apiVersion": "zkoperator.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"name": self.name},
            "spec": self.spec,
        }


def bad_cluster(claim: str, spec: Spec, where: str, says: str, server_says: str = "", **more: str) -> Bad:
    return Bad(claim, "ZooKeeperCluster", spec, where, says, server_says, **more)
