"""A member's PersistentVolumeClaim as a value, from its manifest. Pure."""

from dataclasses import dataclass

from zkoperator.ensemble.model.names import MEMBERSHIP
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A member's claim. `membership` is the operator's note, `owners` are the uids that it is deleted with."""

    name: str
    uid: str
    resource_version: str
    member: int
    membership: str = ""
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
        owners=tuple(reference["uid"] for reference in meta.get("ownerReferences") or ()),
        deleting="deletionTimestamp" in meta,
    )
