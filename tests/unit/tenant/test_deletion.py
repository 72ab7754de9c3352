"""The end of a ZNode: its znodes stay, or go with it, and nothing else does."""

from typing import Any

import pytest

from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.tenants import NAMESPACE, OWNER, PATH, SHOP, TenantSite, grant
from zkoperator.kube.port import EVENTS, ZOOKEEPER_CLUSTERS
from zkoperator.tenant.model.names import FINALIZER, record_path
from zkoperator.tenant.observe import walk
from zkoperator.tenant.plan import deletion
from zkoperator.zk.port import Create, Delete, Set


async def placed(**spec: Any) -> TenantSite:
    site = TenantSite()
    site.create(**{"onDelete": "DeleteZnodes", **spec})
    await site.settle()
    return site


async def ended(site: TenantSite) -> None:
    site.delete()
    for _ in range(10):
        if site.object() is None or await site.reconcile() > 0:
            return


async def test_by_default_everything_stays_and_the_object_goes_at_once() -> None:
    site = await placed(onDelete="Retain")
    site.node(f"{PATH}/a", b"1")
    site.delete()
    assert site.object() is None
    await site.reconcile()
    assert (site.data(f"{PATH}/a"), site.data(record_path(PATH))) == (b"1", b"shop/orders")


async def test_with_delete_znodes_the_subtree_its_quota_and_its_record_go_and_the_neighbours_stay() -> None:
    site = await placed(quota={"count": 5})
    for path in (f"{PATH}/a/b", f"{PATH}/c", f"{PATH}s", "/shop/other"):
        site.node(path)
    assert FINALIZER in (site.object() or {})["metadata"]["finalizers"]
    await ended(site)
    assert site.object() is None
    left = [path for path in site.zk.tree.walk() if "order" in path]
    assert left == [f"{PATH}s"]
    assert site.data("/shop/other") == b""


async def test_an_edit_of_on_delete_sets_and_removes_the_finalizer() -> None:
    site = await placed()
    site.edit(onDelete="Retain")
    await site.settle()
    assert (site.object() or {})["metadata"].get("finalizers", []) == []
    site.edit(onDelete="DeleteZnodes")
    await site.settle()
    assert (site.object() or {})["metadata"]["finalizers"] == [FINALIZER]


async def test_while_a_session_has_an_ephemeral_below_nothing_is_deleted() -> None:
    site = await placed()
    site.node(f"{PATH}/a")
    session = site.zk.session(site.credential())
    await session.create(Create(f"{PATH}/leader", b"", ephemeral=True))
    await ended(site)
    assert site.ready() == ("False", "InUse")
    assert f"{PATH}/leader" in site.message()
    assert site.data(f"{PATH}/a") == b""
    await session.close()
    await site.settle()
    assert (site.object(), site.data(PATH)) == (None, None)


async def test_more_than_a_person_would_look_at_is_not_deleted() -> None:
    site = await placed()
    names = [f"{PATH}/n{number}" for number in range(walk.DELETED + 1)]
    site.zk.write(*(Create(name, b"") for name in names))
    await ended(site)
    assert site.ready() == ("False", "DeletionHeld")
    assert {site.data(name) for name in names} == {b""}
    site.zk.write(Delete(names[0], -1))
    await site.settle()
    assert (site.object(), site.data(PATH)) == (None, None)


async def test_whoever_wants_to_keep_the_znodes_after_all_is_told_how_and_it_works() -> None:
    site = await placed()
    site.node(f"{PATH}/a")
    await site.zk.session().sync("/")
    site.zk.request_timeout_s = 0.01
    site.zk.down()
    await ended(site)
    assert site.ready() == ("False", "Disconnected")
    assert f"kubectl patch znode {SHOP} -n {NAMESPACE}" in site.message()
    site.edit(onDelete="Retain")
    await site.reconcile()
    assert site.object() is None
    assert site.data(f"{PATH}/a") == b""


async def test_a_znode_whose_ensemble_is_gone_goes_too() -> None:
    site = await placed()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    await ended(site)
    assert site.object() is None


async def test_without_its_grant_a_znode_goes_and_what_it_had_stays_and_is_named() -> None:
    site = TenantSite()
    site.cluster(OWNER, grants=[grant("/apps")])
    site.create(clusterRef={"name": "main", "namespace": OWNER}, path="/apps/a", onDelete="DeleteZnodes")
    await site.settle()
    site.cluster(OWNER)
    await ended(site)
    assert site.object() is None
    assert site.data("/apps/a") == b""
    (note,) = [event["note"] for event in site.kube.every(EVENTS) if event["reason"] == "ZnodesLeft"]
    assert note.startswith("left behind at /apps/a")


async def test_a_path_that_was_handed_to_another_znode_is_left_alone() -> None:
    site = await placed()
    site.zk.write(Set(record_path(PATH), b"bank/other", -1))
    await ended(site)
    assert site.object() is None
    assert site.data(PATH) == b""


async def test_a_znode_that_was_changed_while_it_was_looked_at_is_looked_at_again() -> None:
    site = await placed()
    site.node(f"{PATH}/a")
    changed: list[bool] = []

    def between() -> None:
        if not changed:
            changed.append(True)
            site.zk.write(Set(f"{PATH}/a", b"new", -1))

    site.before_write = between
    site.delete()
    assert await site.reconcile() == 0
    assert site.data(f"{PATH}/a") == b"new"
    await site.settle()
    assert (site.object(), site.data(PATH)) == (None, None)


async def test_many_znodes_are_deleted_in_several_transactions() -> None:
    site = await placed()
    for number in range(1200):
        site.zk.write(Create(f"{PATH}/n{number}", b""))
    before = site.zk.zxid
    await ended(site)
    assert (site.object(), site.data(PATH)) == (None, None)
    assert site.zk.zxid - before >= 4


SEEDS = (
    Seed(
        "an application that runs is noticed",
        rewritten(deletion, "_held", "if contents.ephemerals:", "if False:"),
        (test_while_a_session_has_an_ephemeral_below_nothing_is_deleted,),
    ),
    Seed(
        "a deletion is bounded",
        rewritten(deletion, "_held", "if contents.too_many:", "if False:"),
        (test_more_than_a_person_would_look_at_is_not_deleted,),
    ),
    Seed(
        "only what is recorded as its own is deleted",
        replaced(deletion, "is_owned", lambda *_: True),
        (test_a_path_that_was_handed_to_another_znode_is_left_alone,),
    ),
    Seed(
        "a deletion has the version that was read",
        rewritten(deletion, "_delete", "Delete(leaf.path, leaf.version)", "Delete(leaf.path, -1)"),
        (test_a_znode_that_was_changed_while_it_was_looked_at_is_looked_at_again,),
    ),
    Seed(
        "a transaction is bounded",
        replaced(deletion, "_OPERATIONS", 10_000),
        (test_many_znodes_are_deleted_in_several_transactions,),
    ),
    Seed(
        "what may not be touched lets the object go",
        replaced(deletion, "_LETS_GO", ()),
        (test_a_znode_whose_ensemble_is_gone_goes_too,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
