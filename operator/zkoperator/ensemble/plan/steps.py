"""The steps of a plan: a closed union of frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Server
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class RecordBootstrap:
    """Write the bootstrap record: this many members may found the ensemble, or have founded it.

    `ensemble` is the uid of the object that founds it or has founded it, "" to leave what is recorded.
    """

    members: int
    complete: bool
    ensemble: str = ""


@dataclass(frozen=True, slots=True)
class CreateSecret:
    """Create the Secret with the superuser's password, once."""


@dataclass(frozen=True, slots=True)
class ApplyChild:
    """Apply the manifest of a child to exactly the observed object, or create the object when `uid` is empty."""

    child: Child
    manifest: Manifest
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class NoteOnClaim:
    """Annotate a claim with its member's membership and ensemble, and set whether the cluster owns the claim."""

    claim: ClaimView
    membership: str
    owned: bool
    ensemble: str = ""


@dataclass(frozen=True, slots=True)
class DeleteClaim:
    """Delete the claim of a member that has left the ensemble."""

    claim: ClaimView


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Reconfigure from exactly `from_version` to exactly these `voters`, and then commit one more write."""

    joining: tuple[Server, ...]
    leaving: tuple[int, ...]
    from_version: int
    voters: frozenset[int]


@dataclass(frozen=True, slots=True)
class RemovePods:
    """Lower the replicas of the StatefulSet. `removed` has the ids of the removed pods; none may still be a member."""

    manifest: Manifest
    uid: str
    resource_version: str
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelPod:
    """Restore the labels of a pod, by which the StatefulSet, the Services and the PodDisruptionBudget select it."""

    name: str
    resource_version: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestartPod:
    """Evict one pod; the StatefulSet creates it again. `harmless`: its server is not part of the quorum now.

    `unguarded` says why the pod is deleted instead, without the PodDisruptionBudget; "" for an eviction.
    """

    member: int
    name: str
    uid: str
    why: str
    harmless: bool
    unguarded: str = ""


Disruption = Reconfigure | RemovePods | RestartPod

Step = RecordBootstrap | CreateSecret | ApplyChild | LabelPod | NoteOnClaim | DeleteClaim | Disruption
