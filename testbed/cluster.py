"""The node size: a control plane and whole nodes in network namespaces, which run pods.

A cluster is made anew each time, with new certificates and an empty etcd: that is faster than keeping an old one right.
It outlives the command that made it. All that it started is in its cgroups, all that it wrote is in its state and run
directories, so `down` needs no memory of either.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed import addons, binaries, cgroups, image_store, network, node_files
from testbed.control_plane import ControlPlane
from testbed.errors import TestbedError
from testbed.images import Image
from testbed.layout import Layout, Node, layout
from testbed.processes import run, wait_for
from testbed.rest import ApiError, Rest
from testbed.words import testbed

_CHECKOUT = Path(__file__).parent.parent
_CONTROL = "control"
_DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
_LIMIT_S = 120
# Files that containerd, CNI and the kubelet leave outside the directories that they are given.
_SHIM_SOCKETS = "*/containerd/io.containerd.runtime.v2.task/*/*/address"
_CNI_RESULTS = Path("/var/lib/cni/results")
_CONTAINER_LOGS = Path("/var/log/containers")


class Cluster:
    """One cluster on this machine, up or not."""

    def __init__(self, cluster: Layout) -> None:
        self.layout = cluster
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self.plane = ControlPlane(
            binaries=binaries.kubernetes(),
            directory=cluster.state,
            address=cluster.address,
            port=6443,
            etcd_address="127.0.0.1",
            etcd_port=2379,
            etcd_peer_port=2380,
            services=cluster.ranges.services,
        )

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; the address in it is reached from inside only."""
        return self.plane.kubeconfig("admin")

    def up(self, store: Path) -> None:
        """Bring the cluster up and wait until all nodes are ready; when that fails, nothing but the logs stays.

        Args:
            store: An image store for the nodes.
        """
        remove(self.layout.name)
        shutil.rmtree(self.layout.logs, ignore_errors=True)
        try:
            self._bring_up(store)
        except BaseException:
            remove(self.layout.name)
            raise

    def load(self, image: Image) -> None:
        """Put an image on every node."""
        self._on_every_node(lambda node: image_store.load(node.socket, image))

    def load_archive(self, archive: Path) -> None:
        """Put the images of an archive, as `docker save` writes it, on every node."""
        if not archive.is_file():
            raise TestbedError(f"{archive}: no such file")
        importing = ("images", "import", archive.absolute())
        self._on_every_node(lambda node: run(*image_store.ctr(node.socket, *importing), what=f"import of {archive}"))

    def environment(self) -> dict[str, str]:
        """Return the environment of commands that work with the cluster: KUBECONFIG, kubectl in PATH, the audit log."""
        path = f"{self.plane.binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        audit_log = str(self.plane.audit_log)
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path, "TESTBED_AUDIT_LOG": audit_log}

    def memory(self) -> dict[str, dict[str, int]]:
        """Return the resident memory (MB) of the cluster's own processes, by group and process name."""
        groups = [_CONTROL, *(node.cgroup for node in self.layout.nodes)]
        return {group: _memory(cgroups.processes(f"{self.layout.name}/{group}")) for group in groups}

    def _bring_up(self, store: Path) -> None:
        cluster, plane = self.layout, self.plane
        cgroups.create(*(f"{cluster.name}/{group}" for group in (_CONTROL, *(node.cgroup for node in cluster.nodes))))
        cluster.temporary.mkdir(parents=True)
        network.create(cluster)
        authority = plane.write_files()
        node_files.write_control_plane(cluster, plane)
        for node in cluster.nodes:
            node_files.write_node(cluster, plane, authority, node)
        self._control("etcd", plane.etcd())
        self._control("kube-apiserver", plane.apiserver(self._apiserver_flags()))
        for node in cluster.nodes:
            image_store.link(store, node.state / "containerd")
            self._on(node, "containerd", ["containerd", f"--config={node_files.containerd_file(node)}"])
        with network.inside(cluster.name):
            rest = Rest(self.kubeconfig)
            self._wait("the API server", rest.ready)
            self._start_the_rest()
            addons.install(rest, cluster)
            self._wait("the nodes", lambda: _ready_nodes(rest) == len(cluster.nodes))
            self._wait("the default service account", lambda: rest.ready(_DEFAULT_ACCOUNT))
        cluster.record.write_text(json.dumps({"nodes": len(cluster.nodes)}))

    def _start_the_rest(self) -> None:
        plane, state = self.plane, self.layout.state
        self._control(
            "kube-controller-manager",
            plane.controller_manager(["--bind-address=127.0.0.1", "--node-monitor-grace-period=20s"]),
        )
        self._control("kube-scheduler", plane.scheduler())
        for node in self.layout.nodes:
            self._on(node, "kubelet", self._kubelet(node))
            self._on(node, "kube-proxy", self._kube_proxy(node.state / "kube-proxy.json"))
        self._control("kube-proxy", self._kube_proxy(state / "kube-proxy.json"))
        self._control("coredns", [plane.binaries / "coredns", "-conf", state / "Corefile"])
        nodes = str(len(self.layout.nodes))
        self._control(
            "addons", [sys.executable, "-m", "testbed", "--name", self.layout.name, "addons", "--nodes", nodes]
        )

    def _on_every_node(self, act: Callable[[Node], object]) -> None:
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(act, self.layout.nodes))

    def _apiserver_flags(self) -> list[str]:
        pki = self.plane.pki
        return [
            f"--advertise-address={self.plane.address}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _kubelet(self, node: Node) -> list[str | Path]:
        return [
            self.plane.binaries / "kubelet",
            f"--kubeconfig={node_files.kubelet_kubeconfig(node)}",
            f"--config={node.state / 'kubelet.json'}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
            f"--root-dir={node.state / 'kubelet'}",
            f"--node-labels=topology.kubernetes.io/zone={node.zone}",
        ]

    def _kube_proxy(self, config: Path) -> list[str | Path]:
        return [self.plane.binaries / "kube-proxy", f"--config={config}"]

    def _control(self, name: str, argv: Sequence[str | Path]) -> None:
        self._launch(name, self.layout.name, _CONTROL, argv)

    def _on(self, node: Node, name: str, argv: Sequence[str | Path]) -> None:
        self._launch(f"{node.name}-{name}", node.netns, node.cgroup, argv)

    def _launch(self, name: str, netns: str, cgroup: str, argv: Sequence[str | Path]) -> None:
        def settle() -> None:
            os.umask(0o022)
            cgroups.join(f"{self.layout.name}/{cgroup}")

        with (self.layout.logs / f"{name}.log").open("ab") as log:
            self._started[name] = subprocess.Popen(
                network.command_in(netns, argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=_CHECKOUT,
                # What is killed in mid-work leaves its temporary files; here they go with the cluster.
                env={**os.environ, "TMPDIR": str(self.layout.temporary)},
                start_new_session=True,
                preexec_fn=settle,
            )

    def _wait(self, what: str, probe: Callable[[], bool]) -> None:
        def holds() -> bool:
            self._raise_if_one_ended()
            return probe()

        wait_for(f"{what} (logs in {self.layout.logs})", holds, limit_s=_LIMIT_S)

    def _raise_if_one_ended(self) -> None:
        for name, process in self._started.items():
            if process.poll() is not None:
                log = self.layout.logs / f"{name}.log"
                end = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
                raise TestbedError(f"{name} ended with {process.returncode}; the end of {log}:\n{end}")


def find(name: str) -> Cluster:
    """Return a cluster that is up."""
    record = layout(name, 1).record
    if not record.exists() or not layout(name, 1).netns_file.exists():
        raise TestbedError(f"the cluster {name} is not up: {testbed(name)} up")
    return Cluster(layout(name, int(json.loads(record.read_text())["nodes"])))


def remove(name: str) -> None:
    """Remove all of a cluster but its logs: processes, mounts, namespaces, cgroups, files. It need not be up."""
    cluster = layout(name, 1)
    cgroups.kill(name)
    _remove_strays(cluster)
    _unmount(cluster)
    network.remove(name)
    cgroups.remove(name)
    for path in cluster.state.glob("*"):
        if path != cluster.logs:
            _delete(path)
    _delete(cluster.run)
    with contextlib.suppress(OSError):  # another cluster's directory may be beside it
        cluster.run.parent.rmdir()


def _remove_strays(cluster: Layout) -> None:
    for file in cluster.run.glob(_SHIM_SOCKETS):
        Path(file.read_text().removeprefix("unix://")).unlink(missing_ok=True)
        for result in _CNI_RESULTS.glob(f"*-{file.parent.name}-*"):
            result.unlink()
    for link in _CONTAINER_LOGS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(cluster.state):
            link.unlink()


def _unmount(cluster: Layout) -> None:
    points = (Path(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines())
    ours = [point for point in points if any(point.is_relative_to(top) for top in (cluster.state, cluster.run))]
    for point in sorted(ours, reverse=True):
        run("umount", "--lazy", point)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _ready_nodes(rest: Rest) -> int:
    with contextlib.suppress(ApiError):
        conditions = [c for node in rest("GET", "/api/v1/nodes")["items"] for c in node["status"]["conditions"]]
        return sum(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return 0


def _memory(pids: Sequence[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            found[name] = found.get(name, 0) + pages * os.sysconf("SC_PAGE_SIZE") // 2**20
    return found
