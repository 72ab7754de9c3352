"""The steps of a plan: a closed union of frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Server
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class RecordBootstrap:
    """Write into status that the ensemble may be founded by this many members, or that it has been.

    `ensemble` is that of the volumes when it is not this object that founds it.
    """

    members: int
    complete: bool
    ensemble: str = ""


@dataclass(frozen=True, slots=True)
class CreateSecret:
    """Create the Secret with the superuser's password, once."""


@dataclass(frozen=True, slots=True)
class ApplyChild:
    """Apply a child's manifest to exactly the object that was observed, or create the object when `uid` is empty."""

    child: Child
    manifest: Manifest
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class NoteOnClaim:
    """Write on a claim whether its member belongs to which ensemble, and whether it is deleted with the cluster."""

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
    """Reconfigure from exactly `from_version` to exactly these `voters`, and commit one more write."""

    joining: tuple[Server, ...]
    leaving: tuple[int, ...]
    from_version: int
    voters: frozenset[int]


@dataclass(frozen=True, slots=True)
class RemovePods:
    """Lower the replicas of the StatefulSet. `removed` are the ids of the pods; none may be a member any more."""

    manifest: Manifest
    uid: str
    resource_version: str
    removed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelPod:
    """Give a pod of ours the labels back by which its StatefulSet, the Services and the disruption budget find it."""

    name: str
    resource_version: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestartPod:
    """Evict one pod; the StatefulSet creates it anew. `harmless` when its server is not part of the quorum now.

    `unguarded` says why it is deleted instead, past its disruption budget; empty for an eviction.
    """

    member: int
    name: str
    uid: str
    why: str
    harmless: bool
    unguarded: str = ""


Disruption = Reconfigure | RemovePods | RestartPod

Step = RecordBootstrap | CreateSecret | ApplyChild | LabelPod | NoteOnClaim | DeleteClaim | Disruption
