"""A cluster on this machine, with everything that it is made of built or installed first."""

import contextlib
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed import binaries, cluster, image_store, images, jars, machine, network, packages
from testbed.cache import progress
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.images import OperatorImage
from testbed.layout import layout
from testbed.words import testbed


def prepare(*, with_operator: bool) -> Path:
    """Install and build what is missing and return the image store of the nodes."""
    machine.require_root()
    packages.install()
    machine.raise_limits()
    with ThreadPoolExecutor(max_workers=2) as pool:  # the compiler waits for nothing, the images wait for the network
        compiled = pool.submit(binaries.kubernetes)
        store = pool.submit(_store, with_operator=with_operator)
        compiled.result()
        return store.result()


def bring_up(name: str, nodes: int, *, with_operator: bool = False) -> Cluster:
    """Bring a cluster up, or return it when it is up with as many nodes."""
    wanted = layout(name, nodes)
    if _is_up(name):
        running = cluster.find(name)
        if len(running.layout.nodes) != nodes:
            raise TestbedError(f"the cluster {name} is up with {len(running.layout.nodes)} nodes: {testbed(name)} down")
        progress(f"the cluster {name} is up already")
        if with_operator:
            _load_operator(running)
        return running
    store = prepare(with_operator=with_operator)
    started = time.monotonic()
    made = Cluster(wanted)
    made.up(store)
    progress(f"{nodes} {'node is' if nodes == 1 else 'nodes are'} ready after {time.monotonic() - started:.1f} s")
    return made


class Local:
    """The provider of clusters on this machine."""

    def __init__(self, name: str) -> None:
        self._name = name

    def up(self, nodes: int, *, with_operator: bool) -> None:
        """Bring it up, with everything that is missing installed and built first."""
        bring_up(self._name, nodes, with_operator=with_operator)

    def down(self, *, logs: bool = False) -> None:
        """Remove all of it; one that never was needs no rights to be removed."""
        state = layout(self._name, 1).state
        if state.exists():
            machine.require_root()
            cluster.remove(self._name)
        if logs and state.exists():
            shutil.rmtree(state)
            with contextlib.suppress(OSError):  # another cluster's directory may be beside it
                state.parent.rmdir()

    def is_left(self) -> bool:
        """Whether it was made here and not cleaned up since."""
        return layout(self._name, 1).state.exists()

    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._running.kubeconfig

    def nodes(self) -> list[str]:
        """All nodes; the control plane is none."""
        return [node.name for node in self._running.layout.nodes]

    def inside(self, argv: Sequence[str]) -> list[str]:
        """Run a command in the control plane's network namespace, with the cluster's name server."""
        return self._in_netns(self._running.layout.name, argv)

    def on(self, node: str, argv: Sequence[str]) -> list[str]:
        """Run a command in a node's network namespace, with the cluster's name server."""
        return self._in_netns(self._running.layout.node(node).netns, argv)

    def environment(self) -> Mapping[str, str]:
        """KUBECONFIG, and kubectl in PATH."""
        return self._running.environment()

    def load(self, archive: Path) -> None:
        """Put the images of an archive on every node."""
        self._running.load_archive(archive)

    def load_operator(self) -> None:
        """Build the operator's image and put it on every node."""
        _load_operator(self._running)

    def operator_image(self) -> OperatorImage:
        """The image that was built from the checkout."""
        image = images.operator()
        return OperatorImage(image.reference, image.layout.name)

    def cut(self, node: str) -> None:
        """Pull the node's cable."""
        network.cut(self._running.layout, self._running.layout.node(node))

    def heal(self, node: str) -> None:
        """Put the cable back."""
        network.heal(self._running.layout, self._running.layout.node(node))

    def describe(self) -> str:
        """The memory of the cluster's own processes."""
        lines = []
        for group, processes in self._running.memory().items():
            detail = ", ".join(f"{name} {size}" for name, size in sorted(processes.items()))
            lines.append(f"{group:14} {sum(processes.values()):5} MB: {detail}")
        return "\n".join(lines)

    @property
    def _running(self) -> Cluster:
        return cluster.find(self._name)

    def _in_netns(self, netns: str, argv: Sequence[str]) -> list[str]:
        return network.command_in(netns, network.resolving(argv, self._running.layout.inside_resolv_conf))


def _load_operator(running: Cluster) -> None:
    image = images.operator()
    started = time.monotonic()
    running.load(image)
    progress(f"{image.reference} is on all nodes after {time.monotonic() - started:.1f} s")


def _is_up(name: str) -> bool:
    try:
        cluster.find(name)
    except TestbedError:
        return False
    return True


def _store(*, with_operator: bool) -> Path:
    constant = [images.pause(), *(images.zookeeper(version) for version in jars.VERSIONS)]
    base = image_store.store("image-store", constant)
    if not with_operator:
        return base
    return image_store.store("image-store-operator", [images.operator()], base)
