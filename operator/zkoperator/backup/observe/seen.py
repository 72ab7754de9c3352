"""What one pass has seen for a backup. Pure."""

from dataclasses import dataclass
from datetime import datetime

from zkoperator.backup.build.drill import Server
from zkoperator.backup.model.access import Access
from zkoperator.backup.model.job import JobView
from zkoperator.backup.model.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Needs:
    """What a Job needs before it can be made, each as it is now, or as the reason why it cannot be had.

    Args:
        access: to the ensemble; None where the Job reads none.
        storage: why the data cannot be stored or deleted, None when nothing is known against it.
        image: of the operator.
        previous: location of the newest earlier backup of the same ensemble in the same storage.
        server: of a drill, None where there is none.
    """

    access: Access | Waiting | None
    storage: Waiting | None
    image: str | Waiting
    previous: str | None = None
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a backup.

    Args:
        now: by the wall clock, aware.
        job: the Job of the present attempt, or of the deletion of one that is being deleted; None when there is none.
        needs: what the next Job needs; None where none can follow now.
        attempt: before a deletion, the Job that may still take the backup.
        busy: before a deletion, the pods of such Jobs that have not ended.
    """

    now: datetime
    job: JobView | None
    needs: Needs | None = None
    attempt: JobView | None = None
    busy: tuple[str, ...] = ()
