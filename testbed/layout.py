"""Where everything of one cluster is: names, directories and addresses. Nothing else decides any of them."""

import dataclasses
import ipaddress
import re
from pathlib import Path

from testbed.errors import TestbedError

MAX_NODES = 9

_STATE = Path("/var/lib/zkoperator-testbed")
_RUN = Path("/run/zkoperator-testbed")
_NETNS = Path("/run/netns")
_ZONES = "abc"


@dataclasses.dataclass(frozen=True, slots=True)
class Ranges:
    """IPv4 ranges of a cluster. It has namespaces without an uplink, so two clusters may use the same ones."""

    machines: str = "192.168.90.0/24"
    pods: str = "10.244.0.0/16"
    services: str = "10.96.0.0/16"


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """One node: its place on disk and in the network."""

    number: int
    name: str
    netns: str
    address: str
    pods: str
    zone: str
    state: Path
    run: Path

    @property
    def socket(self) -> Path:
        """The socket of its containerd."""
        return self.run / "containerd.sock"

    @property
    def cgroup(self) -> str:
        """The cgroup of its own processes, relative to the cluster's; the kubelet makes its pods' beside it."""
        return f"{self.name}/system"


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """One cluster."""

    name: str
    nodes: tuple[Node, ...]
    ranges: Ranges

    @property
    def state(self) -> Path:
        """The state directory: logs survive `down`, everything else does not."""
        return _STATE / self.name

    @property
    def run(self) -> Path:
        """Sockets and other files of running processes."""
        return _RUN / self.name

    @property
    def temporary(self) -> Path:
        """The directory for temporary files of running processes."""
        return self.run / "tmp"

    @property
    def logs(self) -> Path:
        """The directory of logs."""
        return self.state / "logs"

    @property
    def record(self) -> Path:
        """The file that says with how many nodes the cluster was brought up; it exists while the cluster does."""
        return self.state / "cluster.json"

    @property
    def inside_resolv_conf(self) -> Path:
        """The resolv.conf of commands that run inside: names of Services and of pods, and no others."""
        return self.state / "inside.resolv.conf"

    @property
    def address(self) -> str:
        """The address of the control plane, which is also the name server's."""
        return str(ipaddress.ip_network(self.ranges.machines)[254])

    @property
    def prefix(self) -> int:
        """The prefix length of the machines' network."""
        return ipaddress.ip_network(self.ranges.machines).prefixlen

    @property
    def dns(self) -> str:
        """The Service address of the name server."""
        return str(ipaddress.ip_network(self.ranges.services)[10])

    @property
    def netns_file(self) -> Path:
        """The network namespace of the control plane."""
        return netns_file(self.name)

    def node(self, name: str) -> Node:
        """Return the node of a name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise TestbedError(f"no node {name!r}: the nodes are {', '.join(node.name for node in self.nodes)}")


def layout(name: str, nodes: int, ranges: Ranges | None = None) -> Layout:
    """Return the layout of a cluster.

    Args:
        name: Lower-case letters, digits and dashes, at most 12: it becomes the name of namespaces and cgroups.
        nodes: 1 to MAX_NODES.
        ranges: IPv4 ranges, the default ones if not given.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,11}", name):
        raise TestbedError(f"--name {name!r}: use 1 to 12 lower-case letters, digits and dashes, a letter first")
    if not 1 <= nodes <= MAX_NODES:
        raise TestbedError(f"--nodes {nodes}: use 1 to {MAX_NODES}")
    ranges = ranges or Ranges()
    return Layout(name, tuple(_node(name, number, ranges) for number in range(1, nodes + 1)), ranges)


def netns_file(name: str) -> Path:
    """Return the file that stands for a network namespace."""
    return _NETNS / name


def _node(cluster: str, number: int, ranges: Ranges) -> Node:
    name = f"node-{number}"
    subnets = list(ipaddress.ip_network(ranges.pods).subnets(new_prefix=24))
    return Node(
        number=number,
        name=name,
        netns=f"{cluster}-n{number}",
        address=str(ipaddress.ip_network(ranges.machines)[10 + number]),
        pods=str(subnets[number]),
        zone=_ZONES[(number - 1) % len(_ZONES)],
        state=_STATE / cluster / name,
        run=_RUN / cluster / name,
    )
