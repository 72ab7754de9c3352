"""Reads why a Job gets no pod, or its pod no running container, from the Events about them. I/O."""

from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import EVENTS, KubeApi, Manifest, Resource

_LIMIT = 400


async def newest_warning(api: KubeApi, resource: Resource, about: Manifest) -> str:
    """Return the note of the newest warning about the object, "" when there is none or Events may not be read."""
    meta = about["metadata"]
    fields = f"regarding.kind={resource.kind},regarding.name={meta['name']},type=Warning"
    try:
        listing = await api.list(EVENTS, meta["namespace"], fields=fields)
    except ForbiddenError:
        return ""
    ours = [event for event in listing.items if event["regarding"].get("uid") == meta["uid"]]
    newest = max(ours, key=_time, default=None)
    return f"{newest.get('reason')}: {newest.get('note')}"[:_LIMIT] if newest is not None else ""


def _time(event: Manifest) -> str:
    """Return when the Event last happened. RFC 3339 in UTC sorts as text."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    return max(str(time or "") for time in times)
