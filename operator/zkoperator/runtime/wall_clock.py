"""Texts of the wall clock, as objects of Kubernetes carry them. They are for readers, and to go on after a restart."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the present time, aware."""
    return datetime.now(UTC)


def time_text(moment: datetime | None = None) -> str:
    """Return a moment (default: now) as `metav1.Time`: RFC 3339 in UTC, in seconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_time_text(moment: datetime | None = None) -> str:
    """Return a moment (default: now) as `metav1.MicroTime`: RFC 3339 in UTC, in microseconds."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_since(text: str) -> float:
    """Return how long ago a time of a status was; 0 for one that cannot be read or is yet to come."""
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
