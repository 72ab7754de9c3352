"""A wall clock that is wrong, for one process: libfaketime, which Debian has. The monotonic clock stays right."""

import os
import shutil
from pathlib import Path

from testbed.errors import TestbedError
from testbed.processes import run


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
    if shutil.which("faketime") is None:
        if shutil.which("apt-get") is None or os.geteuid() != 0:
            raise TestbedError("libfaketime is missing; on Debian, as root: apt-get install faketime")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", env=env)
        run("apt-get", "install", "--yes", "--no-install-recommends", "faketime", env=env, what="apt-get install")
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
