"""What a machine must allow before there can be a cluster on it."""

import os
import subprocess
from pathlib import Path

from testbed.cache import progress
from testbed.errors import TestbedError

# A kubelet, a containerd and each component that re-reads its certificates take inotify instances, of which Linux
# allows a user 128 by default: enough for three or four nodes. Nothing is reserved by a higher limit.
_LIMITS = {"fs/inotify/max_user_instances": 4096, "fs/inotify/max_user_watches": 524288}


def require_root() -> None:
    """Raise a TestbedError unless the process may make namespaces and cgroups."""
    if os.geteuid() != 0:
        raise TestbedError("the local cluster makes namespaces and cgroups: run it as root")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        raise TestbedError("this machine does not let root make network namespaces: a container without privileges?")


def raise_limits() -> None:
    """Raise the limits that several nodes would exceed; lower ones are never set."""
    for name, wanted in _LIMITS.items():
        file = Path("/proc/sys") / name
        if int(file.read_text()) < wanted:
            progress(f"raising {name.replace('/', '.')} of this machine to {wanted}")
            file.write_text(str(wanted))
