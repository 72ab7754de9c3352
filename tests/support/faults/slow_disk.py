"""Disks that are slow or full: a library that makes `fsync` wait, and small file systems in memory."""

import contextlib
import errno
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path

from testbed.processes import run
from tests.support.machines.debian import ensure

_SOURCE = Path(__file__).parent / "slow_fsync.c"
_FILLER = "filler"


def library(directory: Path) -> Path:
    """Compile the library into a directory; it is preloaded by a process that is to have a slow disk."""
    ensure("cc", "gcc", "libc6-dev")
    made = directory / "slow_fsync.so"
    if not made.exists():
        run("cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", made, _SOURCE, "-ldl", what="cc")
    return made


def settings(directory: Path, delay: Path) -> dict[str, str]:
    """Variables for a process whose `fsync` takes as many seconds as the file `delay` says; none while it is absent."""
    return {"LD_PRELOAD": str(library(directory)), "SLOW_FSYNC_FILE": str(delay)}


@contextlib.contextmanager
def small(directory: Path, mebibytes: int) -> Iterator[None]:
    """Put a file system of this size over a directory for the length of a `with` block."""
    directory.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", directory)
    try:
        yield
    finally:
        run("umount", "--lazy", directory)


def fill(directory: Path) -> None:
    """Leave no byte free."""
    with (directory / _FILLER).open("wb", buffering=0) as file:
        while _fits(file, 65536) or _fits(file, 1):
            pass


def _fits(file: RawIOBase, size: int) -> bool:
    try:
        return bool(file.write(bytes(size)))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False


def free(directory: Path) -> None:
    """Give back what `fill` took."""
    (directory / _FILLER).unlink()
