"""Exports of real servers under writes, and the comparison of real members."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing

from testbed.zookeepers import Ensemble
from tests.support.machines.testbed import EnsembleFactory
from zkoperator.backup.audit import audit
from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.tree_store import TreeStore
from zkoperator.zk.port import CREATOR_ACL, Create, Credential, Delete, Set, Zk
from zkoperator.zk.session import SessionSettings, connect

SETTINGS = SessionSettings(session_timeout_s=20, request_timeout_s=60)
TOGETHER = [f"/app/t{number}" for number in range(10)]


@asynccontextmanager
async def sessions(ensemble: Ensemble) -> AsyncIterator[dict[str, Zk]]:
    """A session of the superuser with each member."""
    async with AsyncExitStack() as stack:
        opened: dict[str, Zk] = {}
        for number, server in enumerate(ensemble.servers):
            credential = Credential("super", ensemble.password)
            session = connect([server.member.hosts], credential=credential, settings=SETTINGS)
            stack.push_async_callback(session.close)
            opened[f"zk-{number}"] = session
        yield opened


async def fill(zk: Zk) -> None:
    """One znode of each kind that needs care, a thousand small ones, and one of a megabyte."""
    await zk.multi([Create("/app", b"")] + [Create(path, b"0") for path in TOGETHER])
    await zk.multi([Create(f"/app/n{number}", b"x" * number) for number in range(1000)])
    await zk.create(Create("/app/closed", b"secret", CREATOR_ACL))
    await zk.create(Create("/app/large", b"y" * 1_000_000))
    await zk.create(Create("/app/session", b"", ephemeral=True))


async def write(zk: Zk) -> None:
    """Ten znodes always say the same; others come and go."""
    for number in range(1, 100_000):
        come = Create(f"/app/new{number}", b"", CREATOR_ACL)
        go = [Delete(f"/app/new{number - 20}", -1)] if number > 20 else []
        await zk.multi([*(Set(path, b"%d" % number, -1) for path in TOGETHER), come, *go])


async def test_an_export_under_writes_holds_no_multi_in_part_and_members_agree(ensembles: EnsembleFactory) -> None:
    async with sessions(ensembles(3)) as members:
        writer, reader = members["zk-0"], members["zk-1"]
        await fill(writer)
        writing = asyncio.create_task(write(writer))
        for _ in range(5):
            with closing(TreeStore()) as store:
                zxid = await ExactExport(reader, store).run()
                found = {znode.path: znode for znode in store.znodes()}
            assert len({found[path].data for path in TOGETHER}) == 1
            assert all(max(znode.stat.mzxid, znode.stat.pzxid) <= zxid for znode in found.values())
            assert found["/app"].stat.num_children == sum(path.count("/") == 2 for path in found if "/app/" in path)
            assert found["/app/large"].data == b"y" * 1_000_000
            assert found["/app/closed"].acl[0].id.startswith("super:")
        compared = await audit(members)
        assert not writing.done()
        writing.cancel()
        assert compared.differences == ()
        at_rest = await audit(members)
    assert (at_rest.differences, at_rest.unsettled) == ((), 0)
    assert len(set(at_rest.znodes.values())) == 1
