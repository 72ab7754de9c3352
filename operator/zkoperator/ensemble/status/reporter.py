"""Writes the status when it changed, and speaks of transitions in Events and logs."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from zkoperator.api.meta import Condition, ObjectMeta
from zkoperator.controller.events import Notice, event
from zkoperator.ensemble.plan.steps import Step
from zkoperator.ensemble.status.events import of_step, transitions
from zkoperator.ensemble.status.meter import UNMETERED, Meter
from zkoperator.ensemble.status.status import Status, differs, zxid_differs
from zkoperator.errors import ConflictError, ForbiddenError, InvalidError, TransientError
from zkoperator.kube.port import EVENTS, ZOOKEEPER_CLUSTERS, KubeApi, Manifest
from zkoperator.runtime.keys import Key

ZXID_S = 10.0
"""Transaction ids alone are written at most this often: a busy ensemble must not become a busy API server."""

_log = logging.getLogger(__name__)


class Reporter:
    """Reports on clusters.

    Args:
        api: the Kubernetes API.
        now_s: monotonic time, for the pace of writes.
        wall: the time of day, for people.
        meter: counts clusters by what is reported of them.
    """

    def __init__(
        self,
        api: KubeApi,
        now_s: Callable[[], float],
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        meter: Meter = UNMETERED,
    ) -> None:
        self._api = api
        self._meter = meter
        self._now_s = now_s
        self._wall = wall
        self._written: dict[Key, float] = {}

    @property
    def now(self) -> str:
        """The time for conditions: RFC 3339 in seconds."""
        return self._wall().strftime("%Y-%m-%dT%H:%M:%SZ")

    def forget(self, key: Key) -> None:
        """Drop what is kept of a cluster that is gone."""
        self._written.pop(key, None)
        self._meter.forgot(key)

    async def write(self, raw: Manifest, new: Status) -> None:
        """Write the status unless it says the same already. `ConflictError` when the object was older than thought."""
        meta, old = raw["metadata"], raw.get("status") or {}
        key = Key(meta["namespace"], meta["name"])
        self._meter.told(key, new)
        if not differs(old, new) and not (zxid_differs(old, new) and self._zxid_is_due(key)):
            return
        await self._api.patch(
            ZOOKEEPER_CLUSTERS,
            key.namespace,
            key.name,
            {"status": new},
            resource_version=meta["resourceVersion"],
            subresource="status",
        )
        self._written[key] = self._now_s()
        before = tuple(Condition.model_validate(condition) for condition in old.get("conditions") or ())
        await self.tell(ObjectMeta.model_validate(meta), transitions(before, new["conditions"]))

    async def tell_step(self, meta: ObjectMeta, step: Step) -> None:
        """Speak of a step that was carried out."""
        notice = of_step(step)
        await self.tell(meta, (notice,) if notice is not None else ())

    async def tell(self, meta: ObjectMeta, notices: tuple[Notice, ...]) -> None:
        """Log the notices and create their Events. An Event that cannot be written stops nothing."""
        for notice in notices:
            level = logging.INFO if notice.type == "Normal" else logging.WARNING
            subject = {"kind": "ZooKeeperCluster", "namespace": meta.namespace, "name": meta.name}
            _log.log(level, "%s", notice.note, extra={"about": {**subject, "reason": notice.reason}})
            stamp = self._wall().isoformat(timespec="microseconds").replace("+00:00", "Z")
            try:
                await self._api.create(EVENTS, meta.namespace, event("ZooKeeperCluster", meta, notice, stamp))
            except (TransientError, ConflictError, ForbiddenError, InvalidError) as error:
                _log.debug("an Event was not written: %s", error, extra={"about": subject})

    def _zxid_is_due(self, key: Key) -> bool:
        return self._now_s() - self._written.get(key, -ZXID_S) >= ZXID_S
