"""What a member runs with, seen from inside of its pod and from where clients are."""

import asyncio

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_digest_acl

from tests.e2e.conftest import Client, Space, cluster
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble

CLIENTS, METRICS, ADMIN, QUORUM = 2181, 7000, 8080, 2888


async def answer(host: str, port: int, question: str, *, within_s: float = 30) -> str:
    """What a port says; nothing when it cannot be reached."""
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(question.encode())
            said = (await reader.read()).decode(errors="replace")
            writer.close()
            return said
    except (OSError, TimeoutError):
        return ""


async def test_a_member_runs_as_configured_and_shows_no_more_than_it_must(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(1, config={"autopurge.purgeInterval": "2"}, logLevel="WARN", jvm={"heapPercent": 40}))
    await main.ready(1)
    member = (await main.pods())["main-zk-0"]["status"]["podIP"]

    command, files = await asyncio.gather(
        space.run("main-zk-0", "tr '\\0' ' ' </proc/1/cmdline"), space.run("main-zk-0", "cat /data/conf/zoo.cfg")
    )
    assert "-Xmx153m" in command, "40 percent of 384 MiB"
    assert {"autopurge.purgeInterval=2", "autopurge.snapRetainCount=3"} <= set(files.split())
    assert "# TYPE" in await answer(member, METRICS, "GET /metrics HTTP/1.0\r\n\r\n")

    log = await space.log("main-zk-0")
    assert "start: member 1" in log and " - INFO " not in log, log

    assert "Mode: leader" in await answer(member, CLIENTS, "srvr")
    assert await answer(member, CLIENTS, "ruok") == "imok"
    for refused in ("wchs", "dump", "cons", "envi"):
        assert "not in the whitelist" in await answer(member, CLIENTS, refused)

    request = "GET /commands/ruok HTTP/1.0"

    async def answers_inside() -> bool:
        told = await space.run("main-zk-0", rf"printf '{request}\r\n\r\n' | nc -w 3 127.0.0.1 {ADMIN}")
        return '"command" : "ruok"' in told

    await eventually(answers_inside, within_s=60)
    assert await answer(member, ADMIN, f"{request}\r\n\r\n", within_s=3) == ""
    assert await answer(member, QUORUM, "\0", within_s=3) == ""

    async with Client(space) as stranger:
        await asyncio.to_thread(stranger.create, "/secret", b"x", [make_digest_acl("owner", "word", all=True)])
        for access in (stranger.get, stranger.get_children, lambda path: stranger.set(path, b"y")):
            with pytest.raises(NoAuthError):
                await asyncio.to_thread(access, "/secret")
        owner = KazooClient(hosts=main.hosts, auth_data=[("digest", "owner:word")])
        await asyncio.to_thread(owner.start, timeout=60)
        try:
            assert (await asyncio.to_thread(owner.get, "/secret"))[0] == b"x"
        finally:
            await asyncio.to_thread(owner.stop)
            owner.close()
