"""What one pass has seen of a schedule: its backups, each with what became of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any

from zkoperator.api.backup_storage import Verification
from zkoperator.api.reasons import BackupCondition, BackupReason
from zkoperator.backup.model.names import run_of


class State(Enum):
    """What became of a backup."""

    OPEN = auto()
    """It is neither complete nor given up: it waits, or its Job is at work."""
    COMPLETE = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class BackupView:
    """A backup of the schedule as it was read.

    Args:
        name, uid, version: of the object.
        run: for when it was due.
        state: what became of it.
        deleting: whether the object waits for its end.
        completed_at, verified_at: as in its status, None where it has not got that far.
        znodes, zxid: of a complete one.
        is_drill: whether a server starts from its data.
        drill_failure: why that has failed, "" while it has not.
        words: reason and message of its condition Complete.
    """

    name: str
    uid: str
    version: str
    run: datetime
    state: State
    deleting: bool = False
    completed_at: datetime | None = None
    verified_at: datetime | None = None
    znodes: int = 0
    zxid: str = ""
    words: str = ""
    is_drill: bool = False
    drill_failure: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a schedule.

    Args:
        now: by the wall clock, aware.
        backups: of this schedule, the oldest first.
        taken: the run that was due and whose name belongs to a backup that is not of this schedule.
    """

    now: datetime
    backups: tuple[BackupView, ...] = ()
    taken: datetime | None = None

    @property
    def runs(self) -> tuple[datetime, ...]:
        """The runs that need no backup any more."""
        own = tuple(view.run for view in self.backups)
        return own if self.taken is None else (*own, self.taken)

    @property
    def open(self) -> BackupView | None:
        """The newest backup that is still to be taken, or being taken."""
        return self._newest(State.OPEN)

    @property
    def complete(self) -> tuple[BackupView, ...]:
        """The complete backups, the oldest first, without those that are going."""
        return tuple(view for view in self.backups if view.state is State.COMPLETE and not view.deleting)

    @property
    def ended(self) -> BackupView | None:
        """The newest backup that has ended, well or not."""
        return self._newest(State.COMPLETE, State.FAILED)

    @property
    def last_drill(self) -> datetime | None:
        """The newest run with a drill that has not failed before it had a copy to start from."""
        return self._last_drill(State.OPEN, State.COMPLETE)

    @property
    def last_drill_of_a_copy(self) -> datetime | None:
        """The newest run with a drill that had a copy to start from."""
        return self._last_drill(State.COMPLETE)

    @property
    def drilled(self) -> BackupView | None:
        """The newest backup from which a server has started."""
        return next((view for view in reversed(self.complete) if view.is_drill and view.verified_at is not None), None)

    @property
    def verified(self) -> BackupView | None:
        """The newest complete backup whose data was found sound."""
        return next((view for view in reversed(self.complete) if view.verified_at is not None), None)

    def _last_drill(self, *states: State) -> datetime | None:
        return max((view.run for view in self.backups if view.is_drill and view.state in states), default=None)

    def _newest(self, *states: State) -> BackupView | None:
        return next((view for view in reversed(self.backups) if view.state in states and not view.deleting), None)


def view_of(raw: Mapping[str, Any]) -> BackupView | None:
    """Return the view of a backup with the labels of the schedule, None when its name is not that of a run."""
    meta, status = raw["metadata"], raw.get("status") or {}
    run = run_of(meta["name"])
    if run is None:
        return None
    told = {condition["type"]: condition for condition in status.get("conditions") or ()}
    complete, verified = (told.get(kind, {}) for kind in (BackupCondition.COMPLETE, BackupCondition.VERIFIED))
    return BackupView(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        run=run,
        state=_state_of(told),
        deleting="deletionTimestamp" in meta,
        completed_at=_moment(status.get("completedAt")),
        verified_at=_moment(status.get("verifiedAt")) if _is_true(told, BackupCondition.VERIFIED) else None,
        znodes=int(status.get("znodes") or 0),
        zxid=str(status.get("zxid") or ""),
        is_drill=(raw.get("spec") or {}).get("verification") == Verification.DRILL,
        drill_failure=str(verified.get("message")) if verified.get("reason") == BackupReason.DRILL_FAILED else "",
        words=": ".join(filter(None, (complete.get("reason"), complete.get("message")))),
    )


def _state_of(told: Mapping[str, Mapping[str, Any]]) -> State:
    if _is_true(told, BackupCondition.COMPLETE):
        return State.COMPLETE
    return State.FAILED if _is_true(told, BackupCondition.FAILED) else State.OPEN


def _is_true(told: Mapping[str, Mapping[str, Any]], kind: BackupCondition) -> bool:
    return told.get(kind, {}).get("status") == "True"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
