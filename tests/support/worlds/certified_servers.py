"""Real servers with TLS whose certificates come from a company: what it delivers, and what is served and trusted."""

import asyncio
import base64
import contextlib
import itertools
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from testbed import jars
from tests.support.machines.api_client import Manifest
from tests.support.machines.kubelets import Kubelets
from tests.support.models.foreign_pki import DAY, Signed, authority, pem, pkcs8, secret_of
from tests.support.waiting import eventually
from tests.support.worlds.cluster_workloads import Cluster, edit_cluster
from tests.support.worlds.ensemble_writer import Writer, connected
from tests.support.worlds.site import Plot, Site

TLS_PORT, ELECTION_PORT = 2281, 3888
DELIVERED = "company-tls"
"""The Secret that the company writes."""
ROOT = "/written"


def of_company(**client: Any) -> Manifest:
    """The spec of TLS at both kinds of ports with the certificate of the company."""
    source = {"certificate": {"secretName": DELIVERED}}
    return {"tls": {"client": {**source, "plaintext": "Refused", **client}, "quorum": source}}


class Company:
    """A company with a CA, which signs certificates of members and of clients.

    Args:
        plot: where the ensemble is.
        directory: where clients have their files.
    """

    def __init__(self, plot: Plot, directory: Path) -> None:
        self._plot = plot
        self._directory = directory
        self._numbers = itertools.count(1)
        self.ca = authority("company 1")
        self.trusted = directory / "trusted.pem"
        self._trust()

    def change_ca(self) -> None:
        """Begin to sign with another CA; clients trust both."""
        self.ca = authority("company 2")
        self._trust()

    def _trust(self) -> None:
        with self.trusted.open("ab") as file:
            file.write(pem(self.ca.certificate))

    def leaf(self, *, begin: datetime | None = None, end: datetime | None = None) -> Signed:
        """A certificate of the members; by default for 90 days, since yesterday."""
        space, now = self._plot.namespace, datetime.now(UTC)
        names = (f"main-zk.{space}.svc.cluster.local", f"*.main-zk-members.{space}.svc.cluster.local")
        return self.ca.signs(names, begin=begin or now - DAY, end=end or now + 90 * DAY)

    async def deliver(self, leaf: Signed | None = None, *, key: bytes = b"") -> Signed:
        """Write a certificate into the Secret, and have the operator look at once rather than within the minute."""
        leaf = leaf or self.leaf()
        await self.write(DELIVERED, secret_of(leaf, self.ca, key=key))
        return leaf

    async def store(self, leaf: Signed) -> None:
        """Write a certificate into the Secret, and let the operator find it."""
        await self._put(DELIVERED, secret_of(leaf, self.ca))

    async def write(self, name: str, data: Mapping[str, bytes]) -> None:
        await self._put(name, data)
        await self.look()

    async def _put(self, name: str, data: Mapping[str, bytes]) -> None:
        kube, core = self._plot.site.kube, self._plot.core
        encoded = {key: base64.b64encode(content).decode() for key, content in data.items()}
        if await kube.find(f"{core}/secrets/{name}") is None:
            await kube.create(f"{core}/secrets", {"metadata": {"name": name}, "data": encoded})
        else:
            await kube.merge(f"{core}/secrets/{name}", {"data": encoded})

    async def look(self) -> None:
        """Have the operator read everything: a spec of another generation is a reason for it, whatever has changed."""
        if await self._plot.site.kube.find(f"{self._plot.custom}/zookeeperclusters/main") is not None:
            client = {"additionalNames": [f"look-{next(self._numbers)}.example.com"]}  # no part of a Secret's names
            await edit_cluster(self._plot, {"tls": {"client": client}})

    def identity(self, subject: str, ca: Signed | None = None) -> dict[str, str]:
        """The options of kazoo for a client with a certificate of this subject."""
        signed = (ca or self.ca).signs(subject=subject)
        file = self._directory / f"{subject}-{next(self._numbers)}.pem"
        file.write_bytes(pkcs8(signed.key) + pem(signed.certificate))
        return {**self.anonymous, "certfile": str(file), "keyfile": str(file)}

    @property
    def anonymous(self) -> dict[str, Any]:
        """The options of kazoo for a client that shows no certificate."""
        return {"use_ssl": True, "ca": str(self.trusted)}


def hosts_of(kubelets: Kubelets) -> str:
    return ",".join(f"{address.rpartition(':')[0]}:{TLS_PORT}" for address in kubelets.hosts.values())


async def served(site: Site, kubelets: Kubelets, port: int) -> dict[str, int]:
    """The number of the certificate that each pod shows at the port; -1 where it speaks no TLS."""
    addresses = {pod: address.rpartition(":")[0] for pod, address in kubelets.hosts.items()}
    return {pod: await asyncio.to_thread(_served, site, address, port) for pod, address in addresses.items()}


def _served(site: Site, address: str, port: int) -> int:
    assert site.network is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with site.network.on_hub():
            line = socket.create_connection((address, port), 2)
        with line, context.wrap_socket(line) as shown:
            found = shown.getpeercert(binary_form=True)
    except OSError:
        return -1
    assert found is not None
    return x509.load_der_x509_certificate(found).serial_number


async def until_served(site: Site, kubelets: Kubelets, leaf: Signed, *, within_s: float = 180) -> None:
    """Wait until every pod shows the certificate at the port for clients and at that for elections."""

    async def is_served() -> bool:
        found = [await served(site, kubelets, port) for port in (TLS_PORT, ELECTION_PORT)]
        assert {number for each in found for number in each.values()} == {leaf.certificate.serial_number}, found
        return True

    await eventually(is_served, within_s=within_s, every_s=0.2)


async def uids(plot: Plot) -> dict[str, str]:
    found = (await plot.site.kube.get(f"{plot.core}/pods"))["items"]
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}


async def trusts(plot: Plot, number: int) -> bool:
    """Whether members and clients trust so many CAs of members."""
    found = await plot.site.kube.get(f"{plot.core}/secrets/main-zk-tls")
    bundles = (base64.b64decode(found["data"][name]) for name in ("quorum-ca.pem", "ca.crt"))
    return all(bundle.count(b"BEGIN CERTIFICATE") == number for bundle in bundles)


async def condition(plot: Plot, kind: str) -> Manifest:
    cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    found: Manifest = next(each for each in cluster["status"]["conditions"] if each["type"] == kind)
    return found


async def asked(site: Site, hosts: str, options: Mapping[str, Any], act: Callable[[KazooClient], Any]) -> Any:
    """What a client with these options gets when it acts; the name of what stopped it, "refused" without a session."""
    return await asyncio.to_thread(_asked, site, hosts, options, act)


def _asked(site: Site, hosts: str, options: Mapping[str, Any], act: Callable[[KazooClient], Any]) -> Any:
    assert site.network is not None
    try:
        with site.network.on_hub():
            client = connected(hosts, 10.0, **options)
    except KazooTimeoutError:
        return "refused"
    try:
        return act(client)
    except (KazooException, KazooTimeoutError) as error:
        return type(error).__name__
    finally:
        client.stop()
        client.close()


def java_client(site: Site, hosts: str, company: Company, pem_file: str, *command: str) -> str:
    """What ZooKeeper's own client says to a command; it takes its certificate from this file."""
    assert site.network is not None
    settings = {
        "client.secure": "true",
        "clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
        "ssl.trustStore.location": str(company.trusted),
        "ssl.keyStore.location": pem_file,
        "ssl.hostnameVerification": "false",
    }
    flags = [f"-Dzookeeper.{key}={value}" for key, value in settings.items()]
    argv = ["java", *flags, "-cp", f"{jars.release(jars.VERSIONS[-1])}/*", "org.apache.zookeeper.ZooKeeperMain"]
    argv = site.network.command("api", [*argv, "-server", hosts, *command])
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


@contextlib.asynccontextmanager
async def certified(
    site: Site,
    directory: Path,
    replicas: int,
    spec: Manifest,
    *,
    prepare: Callable[[Company], Awaitable[object]] = Company.deliver,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[Plot, Kubelets, Company]]:
    """An ensemble with certificates of the company, which delivers the first ones, and its operator."""
    cluster = Cluster(replicas=replicas, spec=spec, within_s=300)
    async with site.plot() as plot, Kubelets(plot) as kubelets:
        company = Company(plot, directory)
        await prepare(company)
        await cluster.create(plot)
        with site.operator({**plot.settings, **(settings or {})}):
            await cluster.complete(plot)
            yield plot, kubelets, company
            await cluster.complete(plot)


@contextlib.asynccontextmanager
async def writing(site: Site, kubelets: Kubelets, company: Company) -> AsyncIterator[Writer]:
    """A client that writes by TLS all the while; at the end every acknowledged write is there."""
    assert site.network is not None
    network, hosts = site.network, hosts_of(kubelets)

    def begin() -> Writer:
        with network.on_hub():  # its threads stay where they were started
            writer = Writer(hosts, ROOT, pause_s=0.02, patience_s=300, options=company.anonymous)
            return writer.__enter__()

    writer = await asyncio.to_thread(begin)
    try:
        yield writer
    finally:
        report = await asyncio.to_thread(writer.stop)
    assert report.failed == 0, "a write was never acknowledged"
    assert report.created, "the writer wrote nothing"
    for address in hosts.split(","):
        names = await asked(site, address, company.anonymous, _names)
        assert {f"n{number:08}" for number in report.created} <= set(names), address


def _names(client: KazooClient) -> list[str]:
    client.sync(ROOT)
    found: list[str] = client.get_children(ROOT)
    return found
