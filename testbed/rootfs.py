"""Debian file systems that images start from, made by debootstrap from the mirror that the machine itself uses."""

import contextlib
import shutil
from pathlib import Path

from testbed.cache import artefact, cache_root
from testbed.errors import TestbedError
from testbed.processes import run

SUITE = "bookworm"

_LEFT_OUT = tuple(
    f"./{path}/*"
    for path in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
)


def rootfs(kind: str, packages: tuple[str, ...], script: str = "") -> Path:
    """Return a tar archive of a minimal Debian.

    Args:
        kind: What it is for, as a file name.
        packages: Packages beyond the minimal ones.
        script: Shell commands that are run in it at the end.
    """

    def build(directory: Path) -> None:
        root, debs = directory / "root", cache_root() / "debs"
        debs.mkdir(exist_ok=True)
        include = ",".join(packages)
        run(
            "debootstrap", "--variant=minbase", f"--cache-dir={debs}", f"--include={include}", SUITE, root, *_mirror(),
            what=f"debootstrap of {kind}",
        )  # fmt: skip
        if script:
            run("chroot", root, "sh", "-euc", script)
        excludes = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
        run("tar", "-C", root, "--sort=name", *excludes, "-cf", directory / "rootfs.tar", ".")
        shutil.rmtree(root)

    return artefact(f"rootfs-{kind}", (SUITE, *packages, script, *_LEFT_OUT), build) / "rootfs.tar"


def _mirror() -> tuple[str, ...]:
    """Return the machine's own mirror, which can be reached from it; nothing where debootstrap's default has to do."""
    with contextlib.suppress(TestbedError):
        for line in run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)").splitlines():
            mirror, _, release = line.partition(" ")
            if release == SUITE and mirror.rstrip("/").endswith("/debian"):
                return (mirror.rstrip("/"),)
    return ()
