"""A member's PersistentVolumeClaim as a value, from its manifest. Pure."""

from dataclasses import dataclass
from decimal import Decimal

from zkoperator.api.member_volume import VolumeState
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.model.names import ENSEMBLE, MEMBERSHIP
from zkoperator.kube.port import Manifest

_FILE_SYSTEM_WAITS = "FileSystemResizePending"
_INFEASIBLE = "Infeasible"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A member's claim. `membership` and `ensemble` are notes of the operator, `owners` the uids it is deleted with.

    `requested` is the size that it asks for, `capacity` the size that its volume has, empty while there is none.
    `volume` is the name of the volume, `selected_node` the node for which the scheduler asked for it.
    `attributes_class` is the VolumeAttributesClass that it asks for, `attributes` the one that its volume has, and
    `cannot_modify` whether the storage has said that it cannot be given the former.
    `file_system_waits_since` is when the volume had grown and its file system had not (RFC 3339), empty otherwise.
    """

    name: str
    uid: str
    resource_version: str
    member: int
    membership: str = ""
    ensemble: str = ""
    owners: tuple[str, ...] = ()
    deleting: bool = False
    requested: str = ""
    capacity: str = ""
    storage_class: str = ""
    state: VolumeState = VolumeState.PENDING
    file_system_waits_since: str = ""
    volume: str = ""
    selected_node: str = ""
    attributes_class: str = ""
    attributes: str = ""
    cannot_modify: bool = False


def claim_view(member: int, manifest: Manifest) -> ClaimView:
    """Return the claim of a member."""
    meta, spec, status = manifest["metadata"], manifest.get("spec") or {}, manifest.get("status") or {}
    return ClaimView(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        member=member,
        membership=(meta.get("annotations") or {}).get(MEMBERSHIP, ""),
        ensemble=(meta.get("annotations") or {}).get(ENSEMBLE, ""),
        owners=tuple(reference["uid"] for reference in meta.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in meta,
        requested=_requested(manifest),
        capacity=_capacity(manifest),
        storage_class=spec.get("storageClassName") or "",
        state=VolumeState.TERMINATING if "deletionTimestamp" in meta else _state(manifest),
        file_system_waits_since=next((str(each.get("lastTransitionTime") or "") for each in _waits(status)), ""),
        volume=spec.get("volumeName") or "",
        selected_node=(meta.get("annotations") or {}).get(_SELECTED_NODE, ""),
        attributes_class=spec.get("volumeAttributesClassName") or "",
        attributes=status.get("currentVolumeAttributesClassName") or "",
        cannot_modify=(status.get("modifyVolumeStatus") or {}).get("status") == _INFEASIBLE,
    )


def _requested(manifest: Manifest) -> str:
    resources = (manifest.get("spec") or {}).get("resources") or {}
    return str((resources.get("requests") or {}).get("storage", ""))


def _capacity(manifest: Manifest) -> str:
    return str(((manifest.get("status") or {}).get("capacity") or {}).get("storage", ""))


def _state(manifest: Manifest) -> VolumeState:
    status = manifest.get("status") or {}
    requested, capacity = _requested(manifest), _capacity(manifest)
    if status.get("phase") == "Lost":
        return VolumeState.LOST
    if status.get("phase") != "Bound" or not capacity:
        return VolumeState.PENDING
    if str((status.get("allocatedResourceStatuses") or {}).get("storage", "")).endswith(_INFEASIBLE):
        return VolumeState.INFEASIBLE
    if _waits(status):
        return VolumeState.FILE_SYSTEM_RESIZE_PENDING
    if _amount(requested) > _amount(capacity):
        return VolumeState.EXPANDING
    return VolumeState.MODIFYING if _is_modified(manifest) else VolumeState.BOUND


def _is_modified(manifest: Manifest) -> bool:
    """Whether the volume has other attributes than the claim asks for. Some storages never say which it has."""
    status = manifest.get("status") or {}
    wanted = (manifest.get("spec") or {}).get("volumeAttributesClassName")
    present = status.get("currentVolumeAttributesClassName")
    return bool(status.get("modifyVolumeStatus") or (wanted and present and wanted != present))


def _amount(text: str) -> Decimal:
    return parse_quantity(text or "0")


def _waits(status: Manifest) -> tuple[Manifest, ...]:
    """Return the condition that the file system waits to be mounted anew, if it does."""
    conditions = status.get("conditions") or ()
    return tuple(each for each in conditions if (each["type"], each["status"]) == (_FILE_SYSTEM_WAITS, "True"))
