"""Whose a path is: one ZNode's, the first one's, and never that of a znode which was there before."""

import pytest

from tests.support.models.seeds import Seed, claim_with, replaced, rewritten
from tests.support.models.tenant_seeds import called, everywhere
from tests.support.worlds.tenants import NAMESPACE, OWNER, PATH, SHOP, SUPER, TenantSite, grant, is_refused
from zkoperator.kube.port import SECRETS
from zkoperator.tenant.model import acl as acls
from zkoperator.tenant.model.names import RECORDS, record_path
from zkoperator.tenant.observe import tree
from zkoperator.tenant.plan import owner, plan
from zkoperator.zk.port import OPEN_ACL, Acl, Create, Set

CLOSED = Acl(1, "digest", "super:-")


async def test_a_znode_that_exists_is_not_taken_over_and_stays_as_it_is() -> None:
    site = TenantSite()
    site.node(PATH, b"kept", acl=(Acl(31, "digest", "a:b"),))
    site.create(credentials={"type": "None"}, acl=[{"scheme": "digest", "id": f"a:{'b' * 27}=", "perms": "r"}])
    assert await site.settle() == 10
    assert site.ready() == ("False", "PathTaken")
    assert f"create {record_path(PATH)} {NAMESPACE}/{SHOP}" in site.message()
    assert (site.data(PATH), site.acl(PATH)) == (b"kept", (Acl(31, "digest", "a:b"),))
    assert site.data(record_path(PATH)) is None


async def test_an_open_znode_is_not_taken_over_by_one_that_asks_for_no_credential() -> None:
    """What it would be deleted with is somebody else's."""
    site = TenantSite()
    site.node(f"{PATH}/data")
    site.create(credentials={"type": "None"}, onDelete="DeleteZnodes")
    await site.settle()
    assert site.ready() == ("False", "PathTaken")
    site.delete()
    await site.reconcile()
    assert site.object() is None
    assert site.data(f"{PATH}/data") == b""


async def test_the_owner_of_the_ensemble_hands_a_znode_over_by_the_command_of_the_message() -> None:
    site = TenantSite()
    site.node(f"{PATH}/data", b"kept")
    site.create()
    await site.settle()
    path, text = site.message().rpartition("create ")[2].split(" ")
    site.zk.write(Create(path, text.encode(), OPEN_ACL))
    await site.settle()
    assert site.ready() == ("True", "InPlace")
    assert await is_refused(site.zk.session().get(PATH))
    assert (await site.zk.session(site.credential()).get(f"{PATH}/data")).data == b"kept"
    assert site.acl(record_path(PATH)) == (CLOSED,)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/below", f"/{NAMESPACE}"], ids=["equal", "below", "above"])
async def test_the_later_of_two_znodes_of_one_subtree_is_refused(path: str) -> None:
    site = TenantSite()
    site.create()
    await site.settle()
    before = (site.acl(PATH), site.zk.zxid)
    site.create("later", path=path)
    await site.settle("later")
    assert site.ready("later") == ("False", "PathTaken")
    assert f"ZNode {SHOP} of this namespace" in site.message("later")
    assert (site.acl(PATH), site.zk.zxid) == before
    assert site.kube.peek(SECRETS, NAMESPACE, "later-zk") is None
    site.create("neighbour", path=f"{PATH}s")
    await site.settle("neighbour")
    assert site.ready("neighbour") == ("True", "InPlace")


async def test_two_znodes_at_the_same_moment_become_one_owner() -> None:
    """The other one claims the path between the look of the first and its write."""
    site = TenantSite()
    site.create("first", path="/apps/a")
    await site.settle("first")
    site.create("upper", path="/apps/shop")
    site.create("lower", path="/apps/shop/orders")
    while site.kube.peek(SECRETS, NAMESPACE, "upper-zk") is None:
        await site.reconcile("upper")
    hurried: list[bool] = []

    def between() -> None:
        if not hurried:
            hurried.append(True)
            records = site.zk.tree.get(RECORDS, SUPER).stat.version
            record = Create(record_path("/apps/shop/orders"), b"shop/lower", (CLOSED,))
            site.zk.write(Set(RECORDS, b"", records), record)

    site.before_write = between
    await site.settle("upper")
    await site.settle("lower")
    assert (site.ready("upper"), site.ready("lower")) == (("False", "PathTaken"), ("True", "InPlace"))


async def test_a_stranger_of_another_namespace_does_not_learn_whose_the_path_is() -> None:
    site = TenantSite()
    site.cluster(OWNER, grants=[grant("/")])
    site.create(namespace=OWNER, path="/secret/project")
    await site.settle(namespace=OWNER)
    site.create(path="/secret", clusterRef={"name": "main", "namespace": OWNER})
    await site.settle()
    assert site.ready() == ("False", "PathTaken")
    assert not {"project", SHOP, OWNER} & set(site.message().replace("/", " ").split())


async def test_records_can_be_read_and_written_by_nobody() -> None:
    site = TenantSite()
    site.create()
    await site.settle()
    for credential in (None, site.credential()):
        session = site.zk.session(credential)
        assert await is_refused(session.get(record_path(PATH)))
        assert await is_refused(session.children(RECORDS))
        assert await is_refused(session.set(Set(record_path(PATH), b"shop/mine", -1)))
        assert await is_refused(session.create(Create(record_path("/other"), b"shop/mine")))


async def test_records_that_somebody_else_could_write_prove_nothing() -> None:
    site = TenantSite()
    site.node(f"{PATH}/data")
    site.node(record_path(PATH), f"{NAMESPACE}/{SHOP}".encode())
    site.create()
    await site.settle()
    assert site.ready() == ("False", "PathTaken")
    assert f"deleteall {RECORDS}" in site.message()
    assert site.acl(PATH) == OPEN_ACL


async def test_a_znode_that_was_deleted_and_is_made_again_has_its_data_and_its_password() -> None:
    site = TenantSite()
    site.create()
    await site.settle()
    site.zk.write(Create(f"{PATH}/data", b"kept", site.acl(PATH)))
    credential = site.credential()
    site.delete()
    await site.reconcile()
    assert site.object() is None
    assert site.data(f"{PATH}/data") == b"kept"
    site.create()
    await site.settle()
    assert site.ready() == ("True", "InPlace")
    assert (await site.zk.session(credential).get(f"{PATH}/data")).data == b"kept"


SEEDS = (
    Seed(
        "a znode that exists belongs to somebody",
        called(plan, owner, "taken", "if tree.root is None:", "if True:"),
        (
            test_a_znode_that_exists_is_not_taken_over_and_stays_as_it_is,
            test_an_open_znode_is_not_taken_over_by_one_that_asks_for_no_credential,
        ),
    ),
    Seed(
        "paths above and below count",
        called(plan, owner, "taken", "if tree.rivals:", "if False:"),
        (claim_with(test_the_later_of_two_znodes_of_one_subtree_is_refused, f"{PATH}/below"),),
    ),
    Seed(
        "a path ends with a whole name",
        replaced(tree, "overlap", lambda one, other: one.startswith(other) or other.startswith(one)),
        (claim_with(test_the_later_of_two_znodes_of_one_subtree_is_refused, PATH),),
    ),
    Seed(
        "the records are compared in the same transaction",
        rewritten(plan, "_claim", 'Set(RECORDS, b"", records.version), record', "record"),
        (test_two_znodes_at_the_same_moment_become_one_owner,),
    ),
    Seed(
        "records that are open are not believed",
        called(plan, owner, "taken", "set(tree.records.acl) != set(CLOSED)", "False"),
        (test_records_that_somebody_else_could_write_prove_nothing,),
    ),
    Seed(
        "records are closed",
        everywhere((plan, owner), "CLOSED", acls.READ_ONLY),
        (test_records_can_be_read_and_written_by_nobody,),
    ),
    Seed(
        "names of others are not told",
        rewritten(owner, "_recorded", "namespace == znode.meta.namespace", "True"),
        (test_a_stranger_of_another_namespace_does_not_learn_whose_the_path_is,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
