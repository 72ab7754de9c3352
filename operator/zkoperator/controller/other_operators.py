"""Detects other operators by the signatures that they leave on our objects.

A signature of another operator over a status that we have already seen since we started proves that both act at once.
One that was there at our first look proves nothing: its operator may have ended.
"""

from dataclasses import dataclass
from typing import NamedTuple

from zkoperator.kube.port import Manifest, Resource
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key

REPEAT_S = 3600.0
"""An object reports the same other operator once in this time; the metric forgets one that is not seen again."""


class Subject(NamedTuple):
    """One object that carries a signature."""

    resource: Resource
    key: Key


@dataclass(frozen=True, slots=True)
class Finding:
    """A signature of another operator that has to be acted on.

    Args:
        other: the name of the other operator.
        manifest: the object as it was read.
        is_proven: the other operator acts now; otherwise it is not known whether it still runs.
    """

    other: str
    manifest: Manifest
    is_proven: bool


@dataclass(frozen=True, slots=True)
class _Seen:
    """The version at which an object was seen last, and who had signed its status ("" for nobody)."""

    version: int
    signature: str


class OtherOperators:
    """What the signatures on the objects prove about other operators.

    Args:
        name: the signature of this operator.
        clock: monotonic time.
    """

    def __init__(self, name: str, clock: Clock = MONOTONIC) -> None:
        self.name = name
        self._clock = clock
        self._seen: dict[Subject, _Seen] = {}
        self._reported_s: dict[tuple[Subject, str], float] = {}
        self._proven_s: dict[str, float] = {}

    def count(self) -> int:
        """Return how many other operators have written to our objects within the last hour."""
        horizon_s = self._clock.now_s() - REPEAT_S
        return sum(at_s > horizon_s for at_s in tuple(self._proven_s.values()))

    def examine(self, subject: Subject, manifest: Manifest) -> Finding | None:
        """Note the signature of the object; return what has to be acted on, if anything."""
        seen = _seen(manifest)
        before = self._seen.get(subject)
        if before is not None and seen.version <= before.version:
            return None  # older than what we know already: it proves nothing
        self._seen[subject] = seen
        other = seen.signature
        if other in ("", self.name) or (before is not None and before.signature == other):
            return None
        if before is None:
            return Finding(other, manifest, is_proven=False)
        return self._prove(subject, other, manifest)

    def forget(self, subject: Subject) -> None:
        """Drop what is known of an object that is gone."""
        self._seen.pop(subject, None)

    def _prove(self, subject: Subject, other: str, manifest: Manifest) -> Finding | None:
        now_s = self._clock.now_s()
        self._proven_s[other] = now_s
        self._reported_s = {item: at_s for item, at_s in self._reported_s.items() if now_s - at_s < REPEAT_S}
        if (subject, other) in self._reported_s:
            return None
        self._reported_s[(subject, other)] = now_s
        return Finding(other, manifest, is_proven=True)


def _seen(manifest: Manifest) -> _Seen:
    version = str(manifest["metadata"].get("resourceVersion") or "0")
    signature = (manifest.get("status") or {}).get("operator") or ""
    return _Seen(int(version) if version.isdecimal() else 0, str(signature))
