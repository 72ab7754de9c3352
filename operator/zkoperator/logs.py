"""Log lines: text for people, JSON for machines, each with the object it is about.

Modules log through `logging.getLogger(__name__)` with a constant message and `extra=about(...)`. A line reports a
transition and never contains a value or a credential.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

QUIET = ("aiohttp", "asyncio", "kazoo", "kopf", "kubernetes", "urllib3")
"""Libraries that log every request, so that only their warnings are shown."""


def about(kind: str, namespace: str, name: str, **more: object) -> dict[str, Any]:
    """Return the `extra` of a line about one object; `more` are further fields, such as a reason or a zxid."""
    return {"about": {"kind": kind, "namespace": namespace, "name": name, **more}}


class TextFormatter(logging.Formatter):
    """`2026-01-02T03:04:05.678Z INFO ZooKeeperCluster demo/main: message (reason=...)`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = dict(getattr(record, "about", {}))
        subject = f"{fields.pop('kind')} {fields.pop('namespace')}/{fields.pop('name')}: " if "kind" in fields else ""
        more = f" ({', '.join(f'{key}={value}' for key, value in fields.items())})" if fields else ""
        line = f"{_time(record)} {record.levelname} {subject}{record.getMessage()}{more}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message and the fields of `about`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {"time": _time(record), "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage(), **getattr(record, "about", {})}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logs(*, log_format: str, level: str) -> None:
    """Send every line of the process to standard error in the given format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
