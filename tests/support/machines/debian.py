"""Programs that some tests need and the testbed does not; a missing one is installed by name."""

import os
import shutil

from testbed.errors import TestbedError
from testbed.processes import run


def ensure(program: str, *packages: str) -> None:
    """Install packages unless the program is there.

    Raises:
        TestbedError: It cannot be installed from here; it says what to install.
    """
    if shutil.which(program) is not None:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise TestbedError(f"{program} is missing; on Debian, as root: apt-get install {' '.join(packages)}")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", env=env)
    run("apt-get", "install", "--yes", "--no-install-recommends", *packages, env=env, what="apt-get install")
