"""IPv6 on the loopback of this machine. Machines on which servers are tested have it, so that nothing is skipped."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble, Member, ZooKeeperServer
from tests.support.worlds.following import follow
from tests.support.worlds.site import site as open_site
from tests.support.worlds.sync_user import data_is
from zkoperator.ensemble.model.configuration import OPEN
from zkoperator.zk.admin import SocketProbe
from zkoperator.zk.port import Create
from zkoperator.zk.session import connect


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    """A server that listens for clients where the members of our ensembles do."""
    found = Member.allocate(1)
    address = OPEN.rpartition(":")[0]
    line = found.line().replace(f";{found.hosts}", f";{address}:{found.client_port}")
    server = ZooKeeperServer(tmp_path / "zookeeper", found, [line])
    server.start()
    yield found
    server.kill()


async def test_a_member_serves_at_addresses_of_both_families(member: Member) -> None:
    for address in ("127.0.0.1", "::1"):
        assert "Mode:" in await SocketProbe(timeout_s=60).ask(address, member.client_port, "srvr")
    zk = connect([f"[::1]:{member.client_port}"])
    try:
        await zk.create(Create("/six", b"6"))
        assert (await zk.get("/six")).data == b"6"
    finally:
        await zk.close()


@contextlib.asynccontextmanager
async def bridge(host: str, port: int) -> AsyncIterator[int]:
    """A port at ::1 that leads to another address."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                writer.write(part)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "::1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_config_sync_follows_an_ensemble_at_an_address_in_brackets(
    api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path
) -> None:
    host, _, port = zookeeper.hosts.rpartition(":")
    async with bridge(host, int(port)) as number, open_site(api_server, zookeeper, tmp_path) as site:
        hosts = f"[::1]:{number}"
        settings = {"ZKOPERATOR_ALLOWED_HOSTS": hosts, "ZKOPERATOR_BIND_ADDRESS": "::"}
        async with follow(site, settings, zookeeper={"hosts": hosts}) as (plot, _):
            await plot.put(color="green")
            await data_is(plot, {"color": "green"}, within_s=60)
