"""Built artefacts, kept outside the checkout and found again by the content that they were built from.

An artefact is a directory. Its name holds a hash of all its inputs, so that a change of an input builds a new one, an
unchanged one is never built twice, and two checkouts share what is equal in both.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

Input: TypeAlias = str | Path

_KEPT_OF_A_KIND = 3


def cache_root() -> Path:
    """Return the directory of all artefacts, made if it is not there."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = Path(base) / "zkoperator-testbed"
    root.mkdir(parents=True, exist_ok=True)
    return root


def fingerprint(*inputs: Input) -> str:
    """Return a hash of strings and of the names, modes and bytes of files and directory trees."""
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, Path):
            for file in _files(item):
                _feed(digest, str(file.relative_to(item.parent)), str(file.stat().st_mode & 0o111 != 0))
                _feed(digest, file.read_bytes())
        else:
            _feed(digest, item)
    return digest.hexdigest()[:20]


def artefact(kind: str, inputs: tuple[Input, ...], build: Callable[[Path], None]) -> Path:
    """Return the directory of an artefact; build it first when it is not there.

    Args:
        kind: What it is, as a file name; at most a few of one kind are kept.
        inputs: Everything that the result depends on.
        build: Fills an empty directory. It runs in one process at a time, and a half-built directory is never seen.
    """
    path = cache_root() / f"{kind}-{fingerprint(*inputs)}"
    with _exclusive(kind):
        if not path.exists():
            _build(kind, path, build)
            _forget_old(kind, keep=path)
        os.utime(path)
    return path


def progress(message: str) -> None:
    """Tell the person who waits what is being done."""
    print(f"testbed: {message}", file=sys.stderr, flush=True)


def _build(kind: str, path: Path, build: Callable[[Path], None]) -> None:
    started = time.monotonic()
    progress(f"{kind}: building (once; kept in {path.parent})")
    scratch = Path(tempfile.mkdtemp(prefix=f".{kind}-", dir=path.parent))
    try:
        scratch.chmod(0o755)
        build(scratch)
        scratch.rename(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    progress(f"{kind}: built in {time.monotonic() - started:.0f} s")


def _forget_old(kind: str, keep: Path) -> None:
    hash_length = len(fingerprint())
    same_kind = [p for p in keep.parent.glob(f"{kind}-*") if len(p.name) == len(kind) + 1 + hash_length]
    newest_first = sorted(same_kind, key=lambda p: p.stat().st_mtime, reverse=True)
    for path in newest_first[_KEPT_OF_A_KIND:]:
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for child in sorted(path.rglob("*")):
        if child.is_file() and "__pycache__" not in child.parts:
            yield child


def _feed(digest: "hashlib._Hash", *values: str | bytes) -> None:
    for value in values:
        data = value.encode() if isinstance(value, str) else value
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)


@contextlib.contextmanager
def _exclusive(kind: str) -> Iterator[None]:
    with (cache_root() / f".{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
