"""Debian packages that the node size needs; missing ones are installed by name."""

import os
import shutil
from pathlib import Path

from testbed.cache import progress
from testbed.errors import TestbedError
from testbed.processes import run

_PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "conntrack": "conntrack",
    "socat": "socat",
    "ethtool": "ethtool",
    "modprobe": "kmod",
    "nsenter": "util-linux",
    "mount": "mount",
    "sysctl": "procps",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
}
_FILES = {"/usr/lib/cni/bridge": "containernetworking-plugins"}


def missing() -> list[str]:
    """Return the packages that are needed and not there."""
    programs = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    return sorted({*programs, *(package for file, package in _FILES.items() if not Path(file).exists())})


def install() -> None:
    """Install what is missing.

    Raises:
        TestbedError: Something is missing and cannot be installed from here; it says what to install.
    """
    packages = missing()
    if not packages:
        return
    wanted = f"apt-get install {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise TestbedError(f"packages are missing and this is not Debian or Ubuntu; the Debian way is: {wanted}")
    if os.geteuid() != 0:
        raise TestbedError(f"packages are missing; as root: {wanted}")
    progress(f"installing {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", env=env)
    run("apt-get", "install", "--yes", "--no-install-recommends", *packages, env=env, what="installation of packages")
    progress("packages installed")
