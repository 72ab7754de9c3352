"""What is below a cluster that the testbed made on this machine: the processes of its pods, the cables of its nodes."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from testbed import cluster, network
from testbed.errors import TestbedError
from testbed.layout import Layout
from tests.support.waiting import eventually

Manifest = dict[str, Any]
_PROC = Path("/proc")


class Machine:
    """Faults that no API of Kubernetes has."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    @classmethod
    def below(cls, kubeconfig: Path) -> "Machine | None":
        """The machine below the cluster of a kubeconfig; None when the testbed did not make it here."""
        try:
            found = cluster.find(kubeconfig.parent.name).layout
        except TestbedError:
            return None
        return cls(found) if found.state == kubeconfig.parent and os.geteuid() == 0 else None

    def kill(self, pod: Manifest, program: str = "java") -> None:
        """End the server of a pod by a signal that it cannot see coming."""
        os.kill(_server(pod, program), signal.SIGKILL)

    @contextlib.asynccontextmanager
    async def frozen(self, pod: Manifest) -> AsyncIterator[None]:
        """Have the server of a pod stand still for a while: the kernel accepts for it, and nobody answers."""
        pid = _server(pod)
        os.kill(pid, signal.SIGSTOP)
        try:
            await eventually(lambda: _stands_still(pid))
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def cut_off(self, node: str) -> Iterator[None]:
        """Have the cable of a node pulled for a while."""
        network.cut(self._layout, self._layout.node(node))
        try:
            yield
        finally:
            network.heal(self._layout, self._layout.node(node))


def _server(pod: Manifest, program: str = "java") -> int:
    """The process that the kubelet started for the pod's container; its control groups are named after the uid."""
    uid = pod["metadata"]["uid"]
    found = [int(file.parent.name) for file in _PROC.glob("[0-9]*/cgroup") if _is_server(file, uid, program)]
    assert len(found) == 1, f"{pod['metadata']['name']} has {len(found)} servers"
    return found[0]


def _is_server(file: Path, uid: str, program: str) -> bool:
    try:
        return f"pod{uid}/" in file.read_text() and (file.parent / "comm").read_text().strip().startswith(program)
    except OSError:  # it has ended meanwhile
        return False


def _stands_still(pid: int) -> bool:
    states = [file.read_text().rpartition(")")[2].split()[0] for file in (_PROC / str(pid) / "task").glob("*/stat")]
    return set(states) == {"T"}
