"""The operator runs on uvloop, whose transports do not derive from asyncio's: the session must work on both loops."""

import asyncio

import uvloop

from testbed.zookeepers import Ensemble
from zkoperator.zk import session


async def test_a_session_reads_on_uvloop(zookeeper: Ensemble) -> None:
    async def read() -> bool:
        zk = session.connect(zookeeper.hosts.split(","))
        try:
            return await zk.exists("/zookeeper") is not None
        finally:
            await zk.close()

    assert await asyncio.to_thread(uvloop.run, read())
