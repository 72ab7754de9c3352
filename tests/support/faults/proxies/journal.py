"""Every mutating request that passed a proxy, numbered over both sides, and the trap that a crash run sets in it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum


class Side(StrEnum):
    """Which server a write goes to."""

    KUBERNETES = "kubernetes"
    ZOOKEEPER = "zookeeper"


class Phase(StrEnum):
    """The moment of a write: nothing forwarded yet, or committed and not answered yet."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Write:
    """One mutating request. `outcome` is the HTTP status or ZooKeeper's error code, None while there is none.

    `revision` is the resourceVersion or zxid of the result, `deleted` the uid of the object that was deleted; both are
    empty where there is none.
    """

    number: int
    side: Side
    verb: str
    target: str
    at_s: float
    outcome: int | None = None
    revision: str = ""
    deleted: str = ""

    def __str__(self) -> str:
        return f"#{self.number} {self.side} {self.verb} {self.target} -> {self.outcome}"


@dataclass(frozen=True, slots=True)
class Trap:
    """Call `spring` at write `number` in `phase`; the proxies then cut that request."""

    number: int
    phase: Phase
    spring: Callable[[], None]


class TrapSprungError(Exception):
    """The request at hand is the one that the client must not survive."""


class Journal:
    """Numbers writes from 1 in the order in which they reach the proxies that share it."""

    def __init__(self, *, ignored: frozenset[str] = frozenset({"leases", "events"})) -> None:
        # A lease is renewed by the clock and an Event is posted beside the work, so neither has a stable number.
        self._ignored = ignored
        self._writes: list[Write] = []
        self._counted = 0
        self._trap: Trap | None = None
        self.sprung: Write | None = None

    @property
    def writes(self) -> tuple[Write, ...]:
        """All writes so far, ignored resources left out."""
        return tuple(write for write in self._writes if write.number)

    @property
    def everything(self) -> tuple[Write, ...]:
        """All writes so far; those on ignored resources have the number 0."""
        return tuple(self._writes)

    def set_trap(self, trap: Trap | None) -> None:
        self._trap = trap
        self.sprung = None

    def start_over(self) -> None:
        """Forget everything and count from 1 again."""
        self._writes.clear()
        self._counted = 0
        self.set_trap(None)

    def begin(self, side: Side, verb: str, target: str) -> int:
        """Note a write that has arrived; returns its handle for `end`. Raises `TrapSprungError` before the commit."""
        counts = target.split("/", 1)[0] not in self._ignored or side is Side.ZOOKEEPER
        self._counted += counts
        number = self._counted if counts else 0
        self._writes.append(Write(number, side, verb, target, time.monotonic()))
        handle = len(self._writes) - 1
        self._spring_at(handle, Phase.BEFORE)
        return handle

    def end(self, handle: int, outcome: int, revision: str = "", deleted: str = "") -> None:
        """Note the answer of the server. Raises `TrapSprungError` after the commit."""
        if handle >= len(self._writes):  # the journal was started over while the request was under way
            return
        self._writes[handle] = replace(self._writes[handle], outcome=outcome, revision=revision, deleted=deleted)
        self._spring_at(handle, Phase.AFTER)

    def _spring_at(self, handle: int, phase: Phase) -> None:
        trap, write = self._trap, self._writes[handle]
        if trap is None or not write.number or (write.number, phase) != (trap.number, trap.phase):
            return
        self._trap = None
        self.sprung = write
        trap.spring()
        raise TrapSprungError(str(write))
