"""A cluster on this machine, with everything that it is made of built or installed first."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed import binaries, cluster, image_store, images, jars, packages
from testbed.cache import progress
from testbed.cluster import Cluster
from testbed.errors import TestbedError
from testbed.layout import layout


def prepare(*, with_operator: bool) -> Path:
    """Install and build what is missing and return the image store of the nodes."""
    packages.require_root()
    packages.install()
    with ThreadPoolExecutor(max_workers=2) as pool:  # the compiler waits for nothing, the images wait for the network
        compiled = pool.submit(binaries.kubernetes)
        store = pool.submit(_store, with_operator=with_operator)
        compiled.result()
        return store.result()


def up(name: str, nodes: int, *, with_operator: bool = False) -> Cluster:
    """Bring a cluster up, or return it when it is up with as many nodes."""
    wanted = layout(name, nodes)
    if _is_up(name):
        running = cluster.find(name)
        if len(running.layout.nodes) != nodes:
            raise TestbedError(
                f"the cluster {name} is up with {len(running.layout.nodes)} nodes: python -m testbed --name {name} down"
            )
        progress(f"the cluster {name} is up already")
        return running
    store = prepare(with_operator=with_operator)
    started = time.monotonic()
    made = Cluster(wanted)
    made.up(store)
    progress(f"{nodes} {'node is' if nodes == 1 else 'nodes are'} ready after {time.monotonic() - started:.1f} s")
    return made


def load_operator(running: Cluster) -> None:
    """Build the operator's image from the checkout as it is and put it on every node."""
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
