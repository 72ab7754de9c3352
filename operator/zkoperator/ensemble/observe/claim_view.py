"""A member's PersistentVolumeClaim as a value, from its manifest. Pure."""

from dataclasses import dataclass

from zkoperator.ensemble.model.names import ENSEMBLE, MEMBERSHIP
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A member's claim. `membership` and `ensemble` are notes of the operator, `owners` the uids it is deleted with."""

    name: str
    uid: str
    resource_version: str
    member: int
    membership: str = ""
    ensemble: str = ""
    owners: tuple[str, ...] = ()
    deleting: bool = False


def claim_view(member: int, manifest: Manifest) -> ClaimView:
    """Return the claim of a member."""
    meta = manifest["metadata"]
    return ClaimView(
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        member=member,
        membership=(meta.get("annotations") or {}).get(MEMBERSHIP, ""),
        ensemble=(meta.get("annotations") or {}).get(ENSEMBLE, ""),
        owners=tuple(reference["uid"] for reference in meta.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in meta,
    )
