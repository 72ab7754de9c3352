"""The network of a cluster: a namespace for the control plane, with a bridge as the cable, and one for each node.

There is no uplink: nothing in a cluster can reach the machine's own network, and nothing of it leaves the machine.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.errors import TestbedError
from testbed.layout import Layout, Node, netns_file
from testbed.processes import run

_CLONE_NEWNET = 0x40000000
_RESOLV_CONF = "/etc/resolv.conf"
_CABLE = "br0"


def create(cluster: Layout) -> None:
    """Make the namespaces, links, addresses and routes."""
    for name in _namespaces(cluster):
        run("ip", "netns", "add", name)
    services, own = cluster.ranges.services, cluster.address
    _ip(
        cluster.name,
        "link set lo up",
        f"link add {_CABLE} type bridge",
        f"addr add {own}/{cluster.prefix} dev {_CABLE}",
        f"link set {_CABLE} up",
        # Without a route a process of the namespace gets "unreachable" before kube-proxy's rules can act.
        f"route add {services} dev {_CABLE} src {own}",
        *(f"link add {node.name} type veth peer name eth0 netns {node.netns}" for node in cluster.nodes),
        *(f"link set {node.name} master {_CABLE} up" for node in cluster.nodes),
        *(f"route add {node.pods} via {node.address}" for node in cluster.nodes),
    )
    # Frames between two nodes must not meet the Service rules of the namespace whose bridge is the cable.
    _sysctl(cluster.name, "net.bridge.bridge-nf-call-iptables=0")
    for node in cluster.nodes:
        _connect(cluster, node)


def remove(name: str) -> None:
    """Remove the namespaces of a cluster, and with them everything in them."""
    for file in [netns_file(name), *netns_file(name).parent.glob(f"{name}-n[0-9]")]:
        if file.exists():
            run("ip", "netns", "del", file.name)


def cut(cluster: Layout, node: Node) -> None:
    """Pull the node's cable: pods of the node still reach one another, and nobody else."""
    _ip(cluster.name, f"link set {node.name} down")


def heal(cluster: Layout, node: Node) -> None:
    """Put the node's cable back."""
    _ip(cluster.name, f"link set {node.name} up")


def enter(netns: str) -> None:
    """Move the calling thread, and what it starts from now on, into a network namespace."""
    file = netns_file(netns)
    if not file.exists():
        raise TestbedError(f"there is no network namespace {netns}: is the cluster up?")
    _set(file)


@contextlib.contextmanager
def inside(netns: str) -> Iterator[None]:
    """Have the calling thread in a network namespace for a while."""
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(netns)
        try:
            yield
        finally:
            _set_descriptor(own)
    finally:
        os.close(own)


def resolving(argv: Sequence[str], resolv_conf: Path) -> list[str]:
    """Return a command line that runs another one with its own resolv.conf, in a mount namespace of its own."""
    script = f'mount --bind "$0" {_RESOLV_CONF} && exec "$@"'
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, str(resolv_conf), *argv]


def command_in(netns: str, argv: Sequence[str | Path]) -> list[str]:
    """Return a command line that runs another one in a network namespace.

    `ip netns exec` would also mount a fresh /sys and so hide the cgroups.
    """
    return ["nsenter", f"--net={netns_file(netns)}", "--", *map(str, argv)]


def _connect(cluster: Layout, node: Node) -> None:
    others = [other for other in cluster.nodes if other != node]
    _ip(
        node.netns,
        "link set lo up",
        f"addr add {node.address}/{cluster.prefix} dev eth0",
        "link set eth0 up",
        f"route add {cluster.ranges.services} dev eth0 src {node.address}",
        *(f"route add {other.pods} via {other.address}" for other in others),
    )
    # Pods of one node meet the Service and policy rules too, though they share a bridge.
    _sysctl(node.netns, "net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1")


def _namespaces(cluster: Layout) -> list[str]:
    return [cluster.name, *(node.netns for node in cluster.nodes)]


def _ip(netns: str, *lines: str) -> None:
    run("ip", "-n", netns, "-batch", "-", text_in="\n".join(lines), what="ip")


def _sysctl(netns: str, *settings: str) -> None:
    run(*command_in(netns, ["sysctl", "-qw", *settings]))


def _set(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        _set_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _set_descriptor(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise TestbedError(f"setns: {os.strerror(number)}; network namespaces need root")
