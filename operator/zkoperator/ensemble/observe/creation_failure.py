"""Why the StatefulSet controller cannot create a pod or a claim.

Quotas, priority classes, Pod Security and admission webhooks refuse pods to the StatefulSet controller. It reports that
only in Events of its own object, reason FailedCreate (Kubernetes 1.34, `pkg/controller/statefulset`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import EVENTS, KubeApi, Manifest

PATIENCE_S = 2.0
"""Seconds for which a pod may be absent before anybody asks why: after a restart it is absent for a moment."""
READ_EVERY_S = 10.0
"""Seconds between two reads while a pod stays absent."""
_MESSAGE_LIMIT = 400
_NOTE = re.compile(r"create (?:Pod|Claim) (?P<name>\S+) .*? ?failed error: (?P<why>.*)", re.DOTALL)


@dataclass(slots=True)
class AbsenceState:
    """What is remembered of the absent pods of one cluster. Times are monotonic seconds."""

    since_s: float | None = None
    """When a pod was first found absent; None while all are there."""
    read_s: float = float("-inf")
    """When the Events were read last."""
    message: str = ""
    """What they said then; empty when there were none."""


class CreationFailureReader:
    """Reads the newest refusal for clusters that lack a pod.

    Args:
        api: lists Events.
        now_s: monotonic time.
    """

    def __init__(self, api: KubeApi, now_s: Callable[[], float]) -> None:
        self._api = api
        self._now_s = now_s

    async def read(self, stateful_set: Manifest | None, pods: int, state: AbsenceState) -> str:
        """Return why a pod cannot be created, empty while none is absent for long or nothing is known.

        Args:
            stateful_set: the live StatefulSet, None when there is none.
            pods: how many of its pods exist.
            state: of this cluster, from the last pass.
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
            # Roles of an earlier version: the reason stays unknown, and nothing depends on it.
            return ""
        ours = [event for event in listing.items if event["regarding"].get("uid") == meta["uid"]]
        return _text(max(ours, key=_time)) if ours else ""


def _time(event: Manifest) -> str:
    """Return when the Event was seen last; RFC 3339 in UTC sorts as text."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    return max(str(time or "") for time in times)


def _text(event: Manifest) -> str:
    note = str(event.get("note", ""))
    found = _NOTE.fullmatch(note)
    return (f"{found['name']} cannot be created: {found['why']}" if found else note)[:_MESSAGE_LIMIT]
