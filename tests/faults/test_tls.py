"""TLS is turned on and off under a client that writes all the while; real servers decide whether they understand it."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl

from testbed import jars
from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults import faketime
from tests.support.machines.kubelets import Kubelets, grounds
from tests.support.models.foreign_pki import Signed, authority, new_key, pem, pkcs8
from tests.support.waiting import eventually
from tests.support.worlds.certified_servers import (
    Company,
    asked,
    certified,
    condition,
    hosts_of,
    java_client,
    of_company,
    served,
    trusts,
    uids,
    until_served,
    writing,
)
from tests.support.worlds.cluster_workloads import edit_cluster
from tests.support.worlds.ensemble_writer import Writer
from tests.support.worlds.kept_writes import one, progress, written
from tests.support.worlds.site import Plot, Site

pytestmark = pytest.mark.timeout(900)
SELF_SIGNED: dict[str, Any] = {"certificate": {"selfSigned": {}}}


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with grounds(api_server, zookeeper, tmp_path, 3) as opened:
        yield opened


def client(plaintext: str) -> dict[str, Any]:
    return {"client": {**SELF_SIGNED, "plaintext": plaintext}}


async def turned(plot: Plot, tls: dict[str, Any] | None) -> None:
    """Edit `spec.tls`, and wait until the cluster is Ready with it."""
    await edit_cluster(plot, {"tls": tls})

    async def is_there() -> bool:
        cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
        conditions = {one["type"]: one for one in cluster["status"]["conditions"]}
        assert conditions["Ready"]["status"] == "True", conditions
        assert conditions["Ready"]["observedGeneration"] == cluster["metadata"]["generation"]
        return True

    await eventually(is_there, within_s=300)


async def open_ports(site: Site, kubelets: Kubelets) -> set[tuple[str, int]]:
    """The ports for clients that a host outside of the pods reaches, by pod."""
    assert site.network is not None
    found = set()
    for pod, address in kubelets.hosts.items():
        for port in (2180, 2181, 2281):
            if await asyncio.to_thread(_is_open, site, address.rpartition(":")[0], port):
                found.add((pod, port))
    return found


def _is_open(site: Site, host: str, port: int) -> bool:
    assert site.network is not None
    with site.network.on_hub():
        try:
            socket.create_connection((host, port), 2).close()
        except OSError:
            return False
    return True


async def speak_tls(site: Site, kubelets: Kubelets, port: int) -> bool:
    """Whether all pods end a handshake at the port with a certificate."""
    return -1 not in (await served(site, kubelets, port)).values()


async def test_clients_move_to_tls_and_back_and_lose_nothing(site: Site) -> None:
    async with written(site) as (plot, kubelets, writer):
        await turned(plot, client("Allowed"))
        assert await open_ports(site, kubelets) == {(pod, port) for pod in kubelets.hosts for port in (2181, 2281)}
        await progress(writer)
        await turned(plot, client("Refused"))
        await progress(writer)
        assert await open_ports(site, kubelets) == {(pod, 2281) for pod in kubelets.hosts}
        assert await speak_tls(site, kubelets, 2281)
        await turned(plot, {"client": client("Allowed")["client"], "quorum": {}})
        assert await speak_tls(site, kubelets, 2281) and await speak_tls(site, kubelets, 3888)
        await turned(plot, None)
        assert await open_ports(site, kubelets) == {(pod, 2181) for pod in kubelets.hosts}


async def rest(writer: Writer, name: str, record: Callable[[str, object], None]) -> None:
    """Let the writer go on, and record its longest gap of late."""
    await progress(writer)
    record(f"longest gap, {name}, s", round(writer.reset_gap(), 2))


async def short_lived(site: Site, kubelets: Kubelets, company: Company) -> Signed:
    """Have all pods show a certificate that ends soon: as soon as the machine can bring it to them in time."""
    for seconds in (40, 120, 400):
        leaf = await company.deliver(company.leaf(end=datetime.now(UTC) + timedelta(seconds=seconds)))
        with contextlib.suppress(AssertionError):
            await until_served(site, kubelets, leaf, within_s=seconds - 5)
            return leaf
    raise AssertionError("no certificate came in time")


async def test_renewals_reach_members_that_serve_and_an_expired_certificate_heals_without_a_restart(
    site: Site, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with (
        certified(site, tmp_path, 3, of_company()) as (plot, kubelets, company),
        writing(site, kubelets, company) as writer,
    ):
        pods, starts = await uids(plot), dict(kubelets.starts)
        await rest(writer, "before", record_property)
        began_s = time.monotonic()
        await until_served(site, kubelets, await company.deliver())
        record_property("from Secret to served, s", round(time.monotonic() - began_s, 1))
        await rest(writer, "renewal", record_property)

        last = await short_lived(site, kubelets, company)
        await eventually(lambda: datetime.now(UTC) > last.certificate.not_valid_after_utc, within_s=420)
        assert await asked(site, hosts_of(kubelets), company.anonymous, KazooClient.server_version) == "refused"
        leader = await one(kubelets, "leader")
        await kubelets.kill(leader)
        starts[leader] += 1
        await asyncio.sleep(5)  # what must not happen: an election among members that refuse one another
        assert "leader" not in (await kubelets.modes()).values()
        await until_served(site, kubelets, await company.deliver())
        await progress(writer)
        assert (await uids(plot), dict(kubelets.starts)) == (pods, starts), "nobody was restarted"


async def test_a_refused_secret_changes_nothing_and_a_ca_is_replaced_while_all_serve(
    site: Site, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    async with (
        certified(site, tmp_path, 3, of_company(), settings=faketime.settings(clock)) as (plot, kubelets, company),
        writing(site, kubelets, company) as writer,
    ):
        pods = await uids(plot)
        old = await company.deliver()
        await until_served(site, kubelets, old)
        await company.deliver(key=pkcs8(new_key()))

        async def is_refused() -> bool:
            found = await condition(plot, "Degraded")
            return found["reason"] == "CertificateInvalid" and "tls.key: it fits no certificate" in found["message"]

        await eventually(is_refused, within_s=90)
        await until_served(site, kubelets, old)
        await rest(writer, "refused", record_property)

        company.change_ca()
        new = await company.deliver()
        await eventually(lambda: trusts(plot, 2), within_s=90)
        await until_served(site, kubelets, old)
        clock.write_text("+300\n")
        await company.look()
        await until_served(site, kubelets, new)
        await rest(writer, "another CA", record_property)
        clock.write_text("+7200\n")
        await company.look()
        await eventually(lambda: trusts(plot, 1), within_s=90)
        await rest(writer, "old CA gone", record_property)
        assert await uids(plot) == pods, "nobody was restarted"
        await kubelets.kill(await one(kubelets, "leader"))
        await progress(writer)


async def test_a_subject_is_an_identity_and_whoever_is_trusted_changes_without_a_restart(
    site: Site, tmp_path: Path
) -> None:
    apps, others = authority("apps"), authority("others")

    async def prepare(company: Company) -> None:
        await company.deliver()
        await company.write("apps-ca", {"ca.crt": pem(apps.certificate)})

    spec = of_company(authentication="Required", trustedCASecretName="apps-ca", plaintext="Allowed")
    async with certified(site, tmp_path, 1, spec, prepare=prepare) as (plot, kubelets, company):
        hosts, pods = hosts_of(kubelets), await uids(plot)
        with plain_client(site, kubelets):
            await eventually(lambda: plaintext_clients(plot, 1), within_s=120)
        shop, stranger = company.identity("shop", apps), company.identity("stranger", apps)

        def make(client: KazooClient) -> str:
            return str(client.create("/shop", b"open", acl=[make_acl("x509", "CN=shop", all=True)]))

        def read(client: KazooClient) -> bytes:
            return bytes(client.get("/shop")[0])

        assert await asked(site, hosts, shop, make) == "/shop"
        assert await asked(site, hosts, shop, read) == b"open"
        assert await asked(site, hosts, stranger, read) == "NoAuthError"
        assert await asked(site, hosts, company.anonymous, read) == "refused"
        assert await asked(site, hosts, company.identity("shop", others), read) == "refused"
        assert "open" in await asyncio.to_thread(java_client, site, hosts, company, shop["certfile"], "get", "/shop")
        said = await asyncio.to_thread(java_client, site, hosts, company, stranger["certfile"], "get", "/shop")
        assert "Insufficient permission" in said, said

        await company.write("apps-ca", {"ca.crt": pem(others.certificate)})
        await eventually(lambda: is_let_in(site, hosts, company.identity("shop", others)), within_s=120)
        assert await asked(site, hosts, shop, read) == "refused"
        assert await uids(plot) == pods, "nobody was restarted"

        # Everybody must have a certificate, and the operator, which has one, still changes the configuration.
        await edit_cluster(plot, {"config": {"enforce.auth.enabled": "true", "enforce.auth.schemes": "x509"}})
        await eventually(lambda: plaintext_clients(plot, 0), within_s=120)
        await turned(plot, {"client": {"plaintext": "Refused"}})
        assert await is_let_in(site, hosts, company.identity("shop", others))
        assert await open_ports(site, kubelets) == {("main-zk-0", 2281)}


@contextlib.contextmanager
def plain_client(site: Site, kubelets: Kubelets) -> Iterator[None]:
    """Have somebody connected without TLS."""
    assert site.network is not None
    (address,) = kubelets.hosts.values()
    host, _, port = address.rpartition(":")
    with site.network.on_hub():
        line = socket.create_connection((host, int(port)), 5)
    with line:
        yield


async def plaintext_clients(plot: Plot, number: int) -> bool:
    """Whether the status counts so many."""
    cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
    return bool(cluster["status"]["tls"]["client"].get("plaintextClients", 0) == number)


async def is_let_in(site: Site, hosts: str, options: Mapping[str, Any]) -> bool:
    return bool(await asked(site, hosts, options, lambda client: client.get("/shop")[0]) == b"open")


async def test_a_pod_whose_first_certificate_nears_its_end_is_replaced(site: Site, tmp_path: Path) -> None:
    async def prepare(company: Company) -> None:
        now = datetime.now(UTC)
        await company.deliver(company.leaf(begin=now - timedelta(hours=2), end=now + timedelta(minutes=20)))

    async with certified(site, tmp_path, 1, of_company(), prepare=prepare) as (plot, kubelets, company):
        pods = await uids(plot)
        better = await company.deliver()
        await eventually(lambda: are_others(plot, pods), within_s=120)
        await until_served(site, kubelets, better)


async def are_others(plot: Plot, before: Mapping[str, str]) -> bool:
    now = await uids(plot)
    return now.keys() == before.keys() and not set(now.values()) & set(before.values())


@pytest.mark.parametrize("quorum", ["own", "company"])
async def test_members_of_the_oldest_release_meet_by_tls(site: Site, tmp_path: Path, quorum: str) -> None:
    oldest = {"image": f"docker.io/library/zookeeper:{jars.VERSIONS[0]}"}
    tls = of_company()["tls"] if quorum == "company" else of_company()["tls"] | {"quorum": {}}
    async with (
        certified(site, tmp_path, 3, {**oldest, "tls": tls}) as (plot, kubelets, company),
        writing(site, kubelets, company) as writer,
    ):
        cluster = await plot.site.kube.get(f"{plot.custom}/zookeeperclusters/main")
        assert (cluster["status"]["version"], cluster["status"]["tls"]["phase"]) == (jars.VERSIONS[0], "QuorumTLS")
        await kubelets.kill(await one(kubelets, "leader"))
        await progress(writer)
