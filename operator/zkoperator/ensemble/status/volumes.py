"""What the status, Events and the command `plan` say of volumes. Pure."""

from typing import assert_never

from zkoperator.api.member_volume import MemberVolume
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.steps import (
    ExpandClaim,
    LeavePods,
    ModifyClaim,
    RecordReplacement,
    ReplaceVolume,
    VolumeStep,
)


def volume_of(observed: Observed, member: int) -> MemberVolume | None:
    """Return the volume of a member, None while there is no claim."""
    claim = observed.claims.get(member)
    if claim is None:
        return None
    return MemberVolume(
        requested=claim.requested,
        capacity=claim.capacity or None,
        storage_class_name=claim.storage_class,
        volume_attributes_class_name=claim.attributes or claim.attributes_class or None,
        state=claim.state,
    )


def describe_volume_step(step: VolumeStep) -> str:
    """Return the note of a step that was carried out, or is to be."""
    match step:
        case ExpandClaim(claim, size):
            return f"claim {claim.name} is to grow from {claim.requested} to {size}"
        case ModifyClaim(claim, attributes_class):
            return f"claim {claim.name} is to have the attributes of VolumeAttributesClass {attributes_class}"
        case LeavePods(name):
            return f"StatefulSet {name} is made again with the new claim template; its pods run on"
        case RecordReplacement(approved):
            return f"a person has approved a new volume: {approved}"
        case ReplaceVolume(claim, _, why):
            return f"replacing {claim.name} by a new volume, which its member fills from the others: {why}"
        case _:
            assert_never(step)
