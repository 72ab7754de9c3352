"""Looks at the backups of a schedule. I/O."""

from collections.abc import Callable
from datetime import datetime

from zkoperator.backup.model.names import scheduled_backup
from zkoperator.backup.schedule.build import labels_of
from zkoperator.backup.schedule.due import due_run
from zkoperator.backup.schedule.seen import Seen, view_of
from zkoperator.backup.schedule.validate import ValidatedSchedule
from zkoperator.kube.port import ZOOKEEPER_BACKUPS, KubeApi


class Observer:
    """Looks at schedules, each in its own namespace.

    Args:
        api: the Kubernetes API.
        wall: the time.
    """

    def __init__(self, api: KubeApi, wall: Callable[[], datetime]) -> None:
        self._api = api
        self._wall = wall

    async def observe(self, schedule: ValidatedSchedule) -> Seen:
        """Return one look at a schedule."""
        labels = ",".join(f"{key}={value}" for key, value in labels_of(schedule).items())
        listing = await self._api.list(ZOOKEEPER_BACKUPS, schedule.meta.namespace, labels=labels)
        found = (view_of(item) for item in listing.items)
        backups = tuple(sorted((view for view in found if view is not None), key=lambda view: view.run))
        seen = Seen(self._wall(), backups)
        run = due_run(schedule, seen.runs, seen.now)
        return Seen(seen.now, backups, run) if run is not None and await self._is_taken(schedule, run) else seen

    async def _is_taken(self, schedule: ValidatedSchedule, run: datetime) -> bool:
        """Whether the name of the run belongs to another backup: it is not among those with our labels."""
        name = scheduled_backup(schedule.meta.name, run)
        found = await self._api.get(ZOOKEEPER_BACKUPS, schedule.meta.namespace, name)
        labels = (found or {"metadata": {}})["metadata"].get("labels") or {}
        return found is not None and not labels_of(schedule).items() <= labels.items()
