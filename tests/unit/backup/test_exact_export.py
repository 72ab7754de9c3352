"""An export is the tree as it was at one zxid, whatever others write meanwhile; on the in-memory ensemble."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.support.fakes.zk import FakeZk
from tests.support.models.seeds import Claim, Seed, claim_with, replaced, rewritten
from tests.support.worlds.busy_tree import ACLS, Writers, ensemble, superuser, whole
from zkoperator.backup import exact_export, tree_store
from zkoperator.backup.batches import BatchSize
from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.tree_store import TreeStore
from zkoperator.errors import FieldError, TooLargeError, TransientError
from zkoperator.zk.port import Create, Delete


async def export(zk: FakeZk, store: TreeStore, between: Callable[[], Any]) -> int:
    """Export, and let the writers write in some of the turns of the loop."""
    running = asyncio.create_task(ExactExport(zk, store).run())
    while not running.done():
        await asyncio.sleep(0)
        between()
    return running.result()


async def claim_exact(seeds: range, share: float = 0.3) -> None:
    for seed in seeds:
        server, writers = ensemble(seed)
        zk = superuser(server)
        limit = 400

        def between(writers: Writers = writers) -> None:
            nonlocal limit
            if limit and writers.rng.random() < share:
                limit -= 1
                writers.write()

        with closing(TreeStore()) as store:
            zxid = await export(zk, store, between)
            assert not store.without_acl(1)
            assert list(store.znodes()) == writers.at(zxid), seed
        await zk.close()


async def test_an_export_under_writes_is_the_tree_as_it_was_at_its_zxid() -> None:
    await claim_exact(range(40))


async def test_an_export_at_rest_is_what_is_there() -> None:
    server, writers = ensemble(1)
    writers.set_acl()
    with closing(TreeStore()) as store:
        zxid = await export(superuser(server), store, lambda: None)
        assert list(store.znodes()) == whole(server)
        assert len(store) == len(whole(server))
    assert zxid == server.zxid


async def test_the_acl_of_a_znode_that_was_created_again_is_the_new_one() -> None:
    server, _ = ensemble(1)
    server.write(Create("/app/again", b"", ACLS[0]))
    writes = iter([(Delete("/app/again", -1), Create("/app/again", b"", ACLS[1]))])

    def between() -> None:
        # Once the ACLs are read: the znode is known by then, with the ACL of its former life.
        if server.served.get("get_acl"):
            server.write(*next(writes, ()))

    with closing(TreeStore()) as store:
        await export(superuser(server), store, between)
        assert list(store.znodes()) == whole(server)


async def test_a_lost_connection_ends_the_export_instead_of_leaving_changes_out() -> None:
    server, _ = ensemble(1)
    zk = superuser(server)
    lost = iter([zk])

    def between() -> None:
        if server.served.get("multi_read"):
            for client in lost:
                server.disconnect(client)

    with closing(TreeStore()) as store, pytest.raises(TransientError, match="lost"):
        await export(zk, store, between)


async def test_an_answer_that_is_too_large_is_asked_for_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    server, _ = ensemble(1)
    zk = superuser(server)
    ask = zk.multi_read

    async def narrow(paths: Any) -> Any:
        if len(paths) > 3:
            raise TooLargeError((FieldError(paths[0], "too much"),))
        return await ask(paths)

    monkeypatch.setattr(FakeZk, "multi_read", lambda _, paths: narrow(paths))
    with closing(TreeStore()) as store:
        await export(zk, store, lambda: None)
        assert list(store.znodes()) == whole(server)


def test_batches_follow_the_sizes_that_were_seen() -> None:
    batch = BatchSize()
    batch.answered(16, 16 * 1024 * 1024)
    assert batch.count == 1
    for _ in range(20):
        batch.answered(batch.count, batch.count * 100)
    assert batch.count == 500
    batch.refused(500)
    assert batch.count == 250


async def nothing_late(*_: Any) -> bool:
    return True


EXACT: Claim = claim_with(claim_exact, range(40))
SEEDS = [
    Seed(
        "the parent of a new znode is read again",
        rewritten(
            exact_export, "_touched", "if event.type in {EventType.CREATED, EventType.DELETED} and", "if False and"
        ),
        (EXACT,),
    ),
    Seed(
        "what changed up to the moment of the last read is read as well",
        replaced(ExactExport, "_read_late", nothing_late),
        (EXACT,),
    ),
    Seed(
        "what was read after the moment may not have changed again",
        rewritten(exact_export, "ExactExport._read_late", "return late.isdisjoint(again)", "return True"),
        (EXACT,),
    ),
    Seed(
        "the tree is watched before it is read",
        rewritten(exact_export, "ExactExport.run", "await self._zk.add_watch(self._root)", "pass"),
        (EXACT,),
    ),
    Seed(
        "an ACL belongs to one life of a znode",
        lambda patch: patch.setattr(
            tree_store,
            "_PUT",
            tree_store._PUT.replace("WHEN (czxid, aversion) = (excluded.czxid, excluded.aversion) ", "WHEN 1 "),
        ),
        (test_the_acl_of_a_znode_that_was_created_again_is_the_new_one,),
    ),
    Seed(
        "an ACL without its znode's state needs another look",
        rewritten(exact_export, "ExactExport._come_to_rest", "is_whole and not unknown", "is_whole"),
        (EXACT,),
    ),
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_the_seeded_bug_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
