"""Znodes with numbers in an ensemble of three on `kubelets`, written by one client and read from each member."""

import asyncio
from collections.abc import Sequence

from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

from tests.support.machines.kubelets import Kubelets
from tests.support.worlds.ensemble_writer import connected
from tests.support.worlds.site import Site

PODS = ["main-zk-0", "main-zk-1", "main-zk-2"]
ROOT = "/kept"


def connect(site: Site, kubelets: Kubelets) -> KazooClient:
    assert site.network is not None
    with site.network.on_hub():  # its threads stay where they were started
        client = connected(",".join(kubelets.hosts.values()))
    client.ensure_path(ROOT)
    return client


def end(client: KazooClient) -> None:
    client.stop()
    client.close()


def write(client: KazooClient, name: str, count: int) -> None:
    """Write with a client that has seen all that any member ever had; it goes on where it is let."""
    for each in numbered(name, count):
        KazooRetry(max_tries=600, delay=0.2, backoff=1)(client.ensure_path, f"{ROOT}/{each}")


def numbered(name: str, count: int) -> list[str]:
    return [f"{name}-{number:03}" for number in range(count)]


async def names(site: Site, kubelets: Kubelets) -> list[list[str]]:
    """The names that each member has."""
    return await asyncio.to_thread(_read, site, [kubelets.hosts[pod] for pod in PODS])


def _read(site: Site, hosts: Sequence[str]) -> list[list[str]]:
    assert site.network is not None
    found = []
    with site.network.on_hub():
        for host in hosts:
            client = connected(host)
            client.sync(ROOT)
            found.append(sorted(client.get_children(ROOT)))
            end(client)
    return found
