"""The steps of a plan: a closed union of frozen values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.api.incarnation import Incarnation
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.certificate_sources import Version
from zkoperator.ensemble.model.configuration import Server
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.kube.port import Manifest
from zkoperator.pki.rotation import Change


@dataclass(frozen=True, slots=True)
class RecordBootstrap:
    """Write the bootstrap record: this many members may found the ensemble, or have founded it.

    `ensemble` is the uid of the object that founds it or has founded it, "" to leave what is recorded. `incarnation` is
    recorded in the same moment for an ensemble that is not founded empty, but begins with a backup.
    """

    members: int
    complete: bool
    ensemble: str = ""
    incarnation: Incarnation | None = None


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
class RemoveChild:
    """Delete exactly the observed child, for which nobody asks any more."""

    child: Child
    uid: str
    resource_version: str


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

    `unguarded` says why the pod is deleted instead, without the PodDisruptionBudget; "" for an eviction. `lost_node` is
    the node of which somebody has stated that nothing runs there any more: the pod is deleted by force; "" otherwise.
    """

    member: int
    name: str
    uid: str
    why: str
    harmless: bool
    unguarded: str = ""
    lost_node: str = ""


@dataclass(frozen=True, slots=True)
class WriteBinding:
    """Write these entries into exactly the observed binding Secret and drop those, or make it when there is none."""

    entries: Mapping[str, str]
    dropped: frozenset[str]
    live: Version | None


@dataclass(frozen=True, slots=True)
class RecordIncarnation:
    """Write the incarnation into status: the permission to stop all members, or its end. None removes the record."""

    incarnation: Incarnation | None
    complete: bool = False


@dataclass(frozen=True, slots=True)
class StopMembers:
    """Lower the replicas of exactly the observed StatefulSet to nothing, so that no member of the past runs on."""

    uid: str
    resource_version: str
    child: Child = Child.STATEFUL_SET


@dataclass(frozen=True, slots=True)
class StartSeed:
    """Apply the StatefulSet of the seed alone to exactly the observed one, or create it when `uid` is empty.

    No pod of an earlier incarnation may exist.
    """

    manifest: Manifest
    incarnation: int
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class StartRestoreJob:
    """Create a Job that reads a backup.

    `incarnation` is 0 for one that may run beside members, else the epoch of the incarnation that has been recorded: no
    pod of a member may exist.
    """

    manifest: Manifest
    incarnation: int = 0


@dataclass(frozen=True, slots=True)
class RemoveRestoreJob:
    """Delete exactly this Job with its pods."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class CreateSeedClaim:
    """Create the claim of the seed before the seed, for a Job to put a backup there."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class CreateSafetyCopy:
    """Create the ZooKeeperBackup of the data that a restore gives up."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class ExpandClaim:
    """Let exactly the observed claim ask for this size."""

    claim: ClaimView
    size: str


@dataclass(frozen=True, slots=True)
class ModifyClaim:
    """Let exactly the observed claim ask for the attributes of this VolumeAttributesClass."""

    claim: ClaimView
    attributes_class: str


@dataclass(frozen=True, slots=True)
class RecordReplacement:
    """Write into status that the volume is replaced which the annotation with this text names."""

    approved: str


@dataclass(frozen=True, slots=True)
class ReplaceVolume:
    """Delete exactly the observed claim, unless that was done already, and then end the pod that uses it, if any does.

    The StatefulSet makes both again, and the member fills its new volume from the others.
    """

    claim: ClaimView
    restart: RestartPod | None
    why: str


@dataclass(frozen=True, slots=True)
class LeavePods:
    """Delete exactly the observed StatefulSet without its pods; the next pass makes it with other claim templates."""

    name: str
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class FoundAuthority:
    """Make this generation of the cluster's own CA, in exactly the observed Secret, or in a new one."""

    number: int
    secret: Version | None


@dataclass(frozen=True, slots=True)
class WriteCertificate:
    """Change one file of exactly the observed Secret, or make the Secret with it."""

    change: Change
    secret: Version | None


@dataclass(frozen=True, slots=True)
class DropCertificates:
    """Remove files that no member needs from exactly the observed Secret."""

    files: frozenset[str]
    secret: Version


@dataclass(frozen=True, slots=True)
class PublishBundle:
    """Write the CAs by which clients verify members into exactly the observed ConfigMap, or into a new one."""

    bundle: str
    live: Version | None


@dataclass(frozen=True, slots=True)
class RequestCertificate:
    """Ask cert-manager for a certificate; `live` is the present request, None while there is none."""

    manifest: Manifest
    live: Version | None


CertificateStep = FoundAuthority | WriteCertificate | DropCertificates | PublishBundle | RequestCertificate

Disruption = Reconfigure | RemovePods | RestartPod | ReplaceVolume

RestoreStep = StartRestoreJob | RemoveRestoreJob | CreateSeedClaim | CreateSafetyCopy
"""A step that brings a backup to the seed, or comes before that."""

RecoveryStep = RecordIncarnation | StopMembers | StartSeed | RestoreStep
"""A step of an ensemble that begins again from the data of one member."""

VolumeStep = ExpandClaim | ModifyClaim | LeavePods | RecordReplacement | ReplaceVolume
"""A step about the volumes of members that stay members."""

_Disturbing = Reconfigure | RemovePods | RestartPod
PlainStep = RecordBootstrap | CreateSecret | ApplyChild | LabelPod | NoteOnClaim | DeleteClaim | _Disturbing
"""A step about members and what they need, and not about certificates, volumes or a recovery."""

Step = PlainStep | VolumeStep | RecoveryStep | CertificateStep | WriteBinding | RemoveChild
