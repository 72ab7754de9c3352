"""Clusters by kind (https://kind.sigs.k8s.io), where there is a Docker engine on Linux.

Commands run in the network namespace of the control plane's container: there, as in the local cluster, pods and
Services are reached directly. That takes root, by sudo if need be.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from testbed.cache import cache_root
from testbed.errors import TestbedError
from testbed.images import OperatorImage, build_arguments
from testbed.network import resolving
from testbed.processes import require, run

_IMAGE = "zkoperator:dev"
_CHECKOUT = Path(__file__).parent.parent
_CONFIG = Path(__file__).parent / "kind.yaml"
_DNS = "10.96.0.10"
"""The address of the Service kube-dns in kind's default Service range."""
_DROP = ("INPUT -i eth0", "OUTPUT -o eth0", "FORWARD -i eth0", "FORWARD -o eth0")


class Kind:
    """One kind cluster."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._directory = cache_root() / "kind" / name

    def up(self, nodes: int, *, with_operator: bool) -> None:
        """Create the cluster unless it exists."""
        require("kind", "https://kind.sigs.k8s.io/docs/user/quick-start/#installation")
        require("docker", "https://docs.docker.com/engine/install/")
        require("kubectl", "https://kubernetes.io/docs/tasks/tools/")
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._name not in run("kind", "get", "clusters").split():
            config = self._directory / "kind.yaml"
            config.write_text(yaml.safe_dump(configuration(nodes)))
            own = f"--kubeconfig={self._directory / 'outside.kubeconfig'}"  # the user's own file stays as it is
            run("kind", "create", "cluster", f"--name={self._name}", f"--config={config}", own, "--wait=180s")
        internal = run("kind", "get", "kubeconfig", f"--name={self._name}", "--internal")
        # The name in it is known to Docker's name server only; inside, the API server is on loopback too.
        text = internal.replace(f"https://{self._control_plane}:6443", "https://127.0.0.1:6443")
        self.kubeconfig().touch(mode=0o600)
        self.kubeconfig().write_text(text)
        (self._directory / "resolv.conf").write_text(f"nameserver {_DNS}\noptions ndots:1 timeout:1\n")
        if with_operator:
            self.load_operator()

    def down(self, *, logs: bool = False) -> None:
        """Delete the cluster; kind keeps no logs of it, and what is kept here is its kubeconfigs."""
        require("kind", "https://kind.sigs.k8s.io/docs/user/quick-start/#installation")
        own = f"--kubeconfig={self._directory / 'outside.kubeconfig'}"
        run("kind", "delete", "cluster", f"--name={self._name}", own)
        if logs:
            shutil.rmtree(self._directory, ignore_errors=True)

    def is_left(self) -> bool:
        """Whether it was made here and not cleaned up since."""
        return self._directory.exists()

    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig for commands that run inside."""
        return self._directory / "kubeconfig"

    def nodes(self) -> list[str]:
        """The nodes that run pods: the workers, or the only node."""
        names = sorted(run("kind", "get", "nodes", f"--name={self._name}").split())
        return [name for name in names if name != self._control_plane] or names

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Run a command in the network of the control plane's container."""
        return self.on(self._control_plane, argv)

    def on(self, node: str, argv: Sequence[str]) -> list[str]:
        """Run a command in the network of a node's container."""
        pid = run("docker", "inspect", "--format={{.State.Pid}}", node).strip()
        environment = self.environment()
        variables = [f"{key}={environment[key]}" for key in ("PATH", "KUBECONFIG", "HOME")]
        command = resolving(["env", *variables, *argv], self._directory / "resolv.conf")
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        return [*sudo, "nsenter", f"--net=/proc/{pid}/ns/net", "--", *command]

    def environment(self) -> Mapping[str, str]:
        """The environment with KUBECONFIG; kubectl is the user's."""
        return {"HOME": "/", "PATH": os.defpath, **os.environ, "KUBECONFIG": str(self.kubeconfig())}

    def load(self, archive: Path) -> None:
        """Put the images of an archive on every node."""
        run("kind", "load", "image-archive", archive, f"--name={self._name}")

    def load_operator(self) -> None:
        """Build the operator's image with Docker and put it on every node."""
        arguments = [f"--build-arg={name}={value}" for name, value in build_arguments().items()]
        run("docker", "build", *arguments, f"--tag={_IMAGE}", _CHECKOUT)
        run("kind", "load", "docker-image", _IMAGE, f"--name={self._name}")

    def operator_image(self) -> OperatorImage:
        """The image that Docker has under its name."""
        return OperatorImage(_IMAGE, run("docker", "image", "inspect", "--format={{.Id}}", _IMAGE).strip())

    def cut(self, node: str) -> None:
        """Drop everything that the node sends to and gets from others."""
        self._packet_filter(node, "-I")

    def heal(self, node: str) -> None:
        """Drop nothing any more."""
        self._packet_filter(node, "-D")

    def describe(self) -> str:
        """Which cluster it is."""
        return f"the kind cluster {self._name}"

    @property
    def _control_plane(self) -> str:
        return f"{self._name}-control-plane"

    def _packet_filter(self, node: str, action: str) -> None:
        if node not in self.nodes():
            raise TestbedError(f"no node {node!r}: the nodes are {', '.join(self.nodes())}")
        for rule in _DROP:
            run("docker", "exec", node, "iptables", "-w", action, *rule.split(), "-j", "DROP")


def configuration(nodes: int) -> dict[str, object]:
    """Return kind's configuration for a number of nodes that run pods."""
    document: dict[str, list[object]] = yaml.safe_load(_CONFIG.read_text())
    control_plane, *workers = document["nodes"]
    if nodes > len(workers):
        raise TestbedError(f"--nodes {nodes}: testbed/kind.yaml has {len(workers)}")
    # A control plane that is alone runs pods.
    return {**document, "nodes": [control_plane, *(workers[:nodes] if nodes > 1 else [])]}
