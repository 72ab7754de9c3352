"""Cgroups: what a cluster started is what is in its cgroups, whatever it is called and whoever is its parent."""

import contextlib
import os
import signal
import time
from pathlib import Path

from testbed.errors import TestbedError

_ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Return the mount points of all cgroup hierarchies, of version 1 and 2."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return sorted({Path(fields[1]) for fields in mounts if fields[2] in ("cgroup", "cgroup2")})


def create(*names: str) -> None:
    """Create cgroups, given as paths, in every hierarchy."""
    for hierarchy in hierarchies():
        for name in names:
            directory = hierarchy
            for part in Path(name).parts:
                _delegate(directory)
                directory = directory / part
                directory.mkdir(exist_ok=True)
                _inherit_cpuset(directory)


def join(name: str) -> None:
    """Put the calling process into a cgroup, in every hierarchy."""
    for hierarchy in hierarchies():
        (hierarchy / name / "cgroup.procs").write_text(str(os.getpid()))


def processes(name: str) -> list[int]:
    """Return the ids of all processes in a cgroup and below it."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        for file in (hierarchy / name).glob("**/cgroup.procs"):
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in file.read_text().split())
    return sorted(found)


def kill(name: str, limit_s: float = 20) -> None:
    """End every process in a cgroup and below it, however fast they fork."""
    deadline = time.monotonic() + limit_s
    while alive := processes(name):
        if time.monotonic() > deadline:
            raise TestbedError(f"processes {alive} of the cgroup {name} do not end")
        for pid in alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def remove(name: str) -> None:
    """Remove an empty cgroup and all below it."""
    for hierarchy in hierarchies():
        for directory, _, _ in os.walk(hierarchy / name, topdown=False):
            _remove_one(Path(directory))


def _remove_one(directory: Path, limit_s: float = 5) -> None:
    deadline = time.monotonic() + limit_s
    while True:
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:  # busy: the kernel has not yet buried the last process
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _inherit_cpuset(directory: Path) -> None:
    """In version 1 a cpuset without processors and memory takes no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = directory / name
        if file.exists() and (directory / "tasks").exists() and not file.read_text().strip():
            file.write_text((directory.parent / name).read_text())


def _delegate(directory: Path) -> None:
    """In version 2 a cgroup's controllers are at the disposal of its children only when it says so."""
    available = directory / "cgroup.controllers"
    if available.exists() and available.read_text().strip():
        wanted = " ".join(f"+{controller}" for controller in available.read_text().split())
        (directory / "cgroup.subtree_control").write_text(wanted)
