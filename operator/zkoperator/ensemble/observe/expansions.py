"""What is remembered of claims that change: since when, and which changes the API server has refused. Pure.

Both are lost with the process: it then waits anew, or asks once more and hears the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.api.member_volume import VolumeState
from zkoperator.ensemble.observe.claim_view import ClaimView

ASK_AGAIN_S = 60.0
"""Seconds after which a refused change is asked for again: somebody may have raised a quota."""

GROWING = (
    VolumeState.EXPANDING,
    VolumeState.FILE_SYSTEM_RESIZE_PENDING,
    VolumeState.INFEASIBLE,
    VolumeState.MODIFYING,
)


@dataclass(frozen=True, slots=True)
class Expansion:
    """What is known of one claim: for how long it has been in its state, and what the API server said to what.

    `refused_wish` is the size or the VolumeAttributesClass that it was asked for.
    """

    waiting_s: float = 0.0
    refused_wish: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Refusal:
    wish: str
    why: str
    at_s: float


class ExpansionWatch:
    """Remembers the changing claims of one cluster by their uid. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since_s: dict[tuple[str, VolumeState], float] = {}
        self._refusals: dict[str, _Refusal] = {}

    def refuse(self, uid: str, wish: str, why: str, now_s: float) -> None:
        """Note that the API server has refused this claim this size, or this VolumeAttributesClass."""
        self._refusals[uid] = _Refusal(wish, why, now_s)

    def read(self, claims: Mapping[int, ClaimView], now_s: float) -> Mapping[int, Expansion]:
        """Return what is known, for claims that change or were refused to; what is over is forgotten."""
        growing = {(claim.uid, claim.state) for claim in claims.values() if claim.state in GROWING}
        self._since_s = {key: self._since_s.get(key, now_s) for key in growing}
        self._refusals = {
            claim.uid: found
            for claim in claims.values()
            if (found := self._refusals.get(claim.uid)) is not None and now_s - found.at_s < ASK_AGAIN_S
        }
        known = {member: self._expansion(claim, now_s) for member, claim in claims.items()}
        return {member: expansion for member, expansion in known.items() if expansion is not None}

    def _expansion(self, claim: ClaimView, now_s: float) -> Expansion | None:
        since_s, refusal = self._since_s.get((claim.uid, claim.state)), self._refusals.get(claim.uid)
        if since_s is None and refusal is None:
            return None
        waiting_s = now_s - since_s if since_s is not None else 0.0
        return Expansion(waiting_s, refusal.wish, refusal.why) if refusal is not None else Expansion(waiting_s)
