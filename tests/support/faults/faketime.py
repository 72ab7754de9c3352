"""A wall clock that is wrong, for one process: libfaketime, which Debian has. The monotonic clock stays right."""

from pathlib import Path

from tests.support.machines.debian import ensure


def settings(clock: Path) -> dict[str, str]:
    """Variables for a process that reads how wrong its clock is from a file, each time anew: `+3600`, `-3600`, `+0`."""
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_RESET": "1",
    }


def _library() -> Path:
    ensure("faketime", "faketime")
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
