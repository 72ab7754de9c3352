"""Members of an ensemble are cut off from one another; what was acknowledged is on all of them afterwards.

The client is the operator's own session: what it counts as acknowledged is what the operator would count on.
"""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.faults.partition import PartitionedEnsemble
from tests.support.waiting import eventually
from zkoperator.errors import TransientError
from zkoperator.zk import session
from zkoperator.zk.port import Create, NodeExistsError, Zk


@pytest.fixture
def ensemble() -> Iterator[PartitionedEnsemble]:
    with PartitionedEnsemble(3) as ensemble, ensemble.clients():
        yield ensemble


class Writer:
    """Creates numbered znodes one after the other; an unknown outcome is tried again under the same name."""

    def __init__(self, zk: Zk) -> None:
        self._zk = zk
        self.acknowledged: list[str] = []
        self._task = asyncio.create_task(self._write())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self) -> None:
        number = 0
        while True:
            path = f"/w/{number}"
            try:
                await self._zk.create(Create(path, b""))
            except NodeExistsError:
                pass  # the outcome was unknown, and it did happen
            except TransientError:
                await asyncio.sleep(0.05)
                continue
            self.acknowledged.append(path)
            number += 1


async def _written_everywhere(ensemble: PartitionedEnsemble, paths: list[str]) -> None:
    for server in ensemble.servers:
        zk = session.connect([server.hosts])
        try:
            await zk.sync("/")
            names = set((await zk.children("/w")).names)
            assert {path.removeprefix("/w/") for path in paths} <= names
        finally:
            await zk.close()


async def _progress(writer: Writer, by: int = 20) -> None:
    before = len(writer.acknowledged)
    await eventually(lambda: len(writer.acknowledged) >= before + by, within_s=60)


async def _survives(ensemble: PartitionedEnsemble, writer: Writer) -> None:
    await _progress(writer)
    await writer.stop()
    await eventually(lambda: all(server.mode() for server in ensemble.servers), within_s=60)
    await _written_everywhere(ensemble, writer.acknowledged)


async def test_a_leader_that_is_cut_off_acknowledges_nothing_that_is_lost(ensemble: PartitionedEnsemble) -> None:
    old = ensemble.leader()
    zk = session.connect(ensemble.hosts.split(","))
    await zk.create(Create("/w", b""))
    writer = Writer(zk)
    await _progress(writer)
    ensemble.isolate(old.member.myid)
    others = [server for server in ensemble.servers if server is not old]
    await eventually(lambda: any(server.mode() == "leader" for server in others), within_s=60)
    await _progress(writer)
    assert old.mode() != "leader"
    ensemble.rejoin(old.member.myid)
    await _survives(ensemble, writer)
    await zk.close()


async def test_a_link_that_is_cut_one_way_costs_no_acknowledged_write(ensemble: PartitionedEnsemble) -> None:
    leader = ensemble.leader().member.myid
    follower = next(server.member.myid for server in ensemble.servers if server.member.myid != leader)
    zk = session.connect(ensemble.hosts.split(","))
    await zk.create(Create("/w", b""))
    writer = Writer(zk)
    await _progress(writer)
    ensemble.cut(leader, follower)
    await eventually(lambda: any(not server.mode() for server in ensemble.servers), within_s=60)
    await _progress(writer)
    ensemble.heal(leader, follower)
    await _survives(ensemble, writer)
    await zk.close()
