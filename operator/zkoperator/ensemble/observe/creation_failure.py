"""Why the StatefulSet controller cannot create a pod or a claim.

Quotas, priority classes, Pod Security and admission webhooks can refuse its pods. The controller reports that only in
Events of the StatefulSet with the reason FailedCreate (Kubernetes 1.34, `pkg/controller/statefulset`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import EVENTS, KubeApi, Manifest

PATIENCE_S = 2.0
"""Seconds that a pod may be absent before the operator reads Events. A restarted pod is absent for a moment."""
READ_EVERY_S = 10.0
"""Seconds between two reads of Events while a pod stays absent."""
_MESSAGE_LIMIT = 400
_NOTE = re.compile(r"create (?:Pod|Claim) (?P<name>\S+) .*? ?failed error: (?P<why>.*)", re.DOTALL)


@dataclass(slots=True)
class AbsenceState:
    """What is remembered about the absent pods of one cluster. Times are monotonic seconds."""

    since_s: float | None = None
    """Since when a pod has been absent, None while all exist."""
    read_s: float = float("-inf")
    """When the Events were last read."""
    message: str = ""
    """The newest refusal in the Events, "" when there was none."""


class CreationFailureReader:
    """Reads the newest refusal for clusters with an absent pod.

    Args:
        api: lists Events.
        now_s: monotonic time.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float]) -> None:
        self._api = api
        self._now_s = now_s

    async def read(self, stateful_set: Manifest | None, pods: int, state: AbsenceState) -> str:
        """Return why a pod cannot be created, "" when no pod is absent for long or the reason is unknown.

        Args:
            stateful_set: the live StatefulSet, None when there is none.
            pods: number of its pods that exist.
            state: the state of this cluster; it is updated.
        """
        if stateful_set is None or pods >= int(stateful_set["spec"].get("replicas", 1)):
            state.since_s, state.read_s, state.message = None, float("-inf"), ""
            return ""
        now_s = self._now_s()
        state.since_s = now_s if state.since_s is None else state.since_s
        if now_s - state.since_s >= PATIENCE_S and now_s - state.read_s >= READ_EVERY_S:
            state.read_s, state.message = now_s, await self._newest(stateful_set)
        return state.message

    async def _newest(self, stateful_set: Manifest) -> str:
        meta = stateful_set["metadata"]
        fields = f"regarding.kind=StatefulSet,regarding.name={meta['name']},reason=FailedCreate"
        try:
            listing = await self._api.list(EVENTS, meta["namespace"], fields=fields)
        except ForbiddenError:
            # The role of an earlier version does not allow the read. The reason stays unknown; nothing depends on it.
            return ""
        ours = [event for event in listing.items if event["regarding"].get("uid") == meta["uid"]]
        return _text(max(ours, key=_time)) if ours else ""


def _time(event: Manifest) -> str:
    """Return when the Event last happened. RFC 3339 in UTC sorts as text."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    return max(str(time or "") for time in times)


def _text(event: Manifest) -> str:
    note = str(event.get("note", ""))
    found = _NOTE.fullmatch(note)
    return (f"{found['name']} cannot be created: {found['why']}" if found else note)[:_MESSAGE_LIMIT]
