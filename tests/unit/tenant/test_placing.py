"""A ZNode is put in place: the znode with its parents, its ACL, the Secret for the application, the status."""

from typing import Any

import pytest

from tests.support.fakes.zk_tree import digest_identity
from tests.support.models.seeds import Seed, claim_with, replaced, rewritten
from tests.support.worlds.tenants import ENDPOINT, NAMESPACE, OWNER, PATH, SHOP, TenantSite, grant, is_refused
from zkoperator.kube.port import EVENTS, SECRETS, ZOOKEEPER_CLUSTERS
from zkoperator.runtime.keys import Key
from zkoperator.tenant import validate as validation
from zkoperator.tenant.apply import applier
from zkoperator.tenant.observe import door, identity
from zkoperator.tenant.plan import plan
from zkoperator.zk.port import OPEN_ACL, Acl, Create, Credential, Delete, Set

FOREIGN: dict[str, Any] = {"clusterRef": {"name": "main", "namespace": OWNER}, "path": "/apps/shop/orders"}
READ = Acl(1, "world", "anyone")


async def placed(**spec: Any) -> TenantSite:
    site = TenantSite()
    site.create(**spec)
    await site.settle()
    return site


async def test_the_application_finds_its_znode_with_the_credential_and_the_address_in_the_secret() -> None:
    site = await placed()
    assert site.ready() == ("True", "InPlace")
    credential, texts = site.credential(), site.texts()
    assert site.acl(PATH) == (Acl(31, "digest", digest_identity(credential)),)
    host, port = ENDPOINT.format(NAMESPACE).split(":")
    assert texts | {"username": "shop.orders", "password": credential.password} == texts
    assert (texts["type"], texts["provider"], texts["host"], texts["port"]) == ("zookeeper", "zkoperator", host, port)
    assert texts["uri"] == f"zookeeper://{host}:{port}{PATH}"
    status = site.status()
    assert status["connectionString"] == texts["connectionString"] == f"{host}:{port}{PATH}"
    assert (status["binding"], status["path"]) == ({"name": f"{SHOP}-zk"}, PATH)
    tenant, stranger = site.zk.session(credential), site.zk.session()
    await tenant.create(Create(f"{PATH}/a", b"1"))
    assert await is_refused(stranger.get(PATH))
    assert await is_refused(stranger.create(Create(f"{PATH}/b", b"")))


async def test_the_parents_belong_to_nobody_so_that_no_stranger_replaces_the_znode() -> None:
    site = await placed()
    assert site.acl(f"/{NAMESPACE}") == (READ,)
    for credential in (None, site.credential()):
        assert await is_refused(site.zk.session(credential).delete(Delete(PATH, -1)))


async def test_a_password_is_nowhere_but_in_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    site = await placed(acl=[{"scheme": "world", "perms": "r"}])
    password = site.credential().password
    hashed = digest_identity(site.credential()).partition(":")[2]
    shown = f"{site.object()}{site.kube.every(EVENTS)}{caplog.text}"
    assert len(password) > 30
    assert password not in shown
    assert hashed not in shown


async def test_two_znodes_have_different_passwords_and_cannot_read_one_another() -> None:
    site = await placed()
    site.create("basket")
    await site.settle("basket")
    assert site.credential().password != site.credential("basket-zk").password
    assert await is_refused(site.zk.session(site.credential("basket-zk")).get(PATH))


async def test_a_credential_of_a_secret_is_used_and_the_secret_stays_as_it_is() -> None:
    site = TenantSite()
    site.create(credentials={"type": "Secret", "secretRef": {"name": "mine"}})
    await site.settle()
    assert site.ready() == ("False", "CredentialsNotFound")
    assert "mine" in site.message()
    site.secret("mine", username="app", password="pass")
    await site.settle()
    assert site.acl(PATH) == (Acl(31, "digest", digest_identity(Credential("app", "pass"))),)
    assert "binding" not in site.status()
    assert site.texts("mine") == {"username": "app", "password": "pass"}


async def test_a_user_name_that_zookeeper_cannot_tell_from_its_password_is_refused() -> None:
    site = TenantSite()
    site.secret("mine", username="app:admin", password="pass")
    site.create(credentials={"type": "Secret", "secretRef": {"name": "mine"}})
    await site.settle()
    assert site.ready() == ("False", "CredentialsNotFound")


async def test_without_credentials_the_znode_is_open_unless_the_acl_has_entries() -> None:
    site = await placed(credentials={"type": "None"})
    assert site.acl(PATH) == (Acl(31, "world", "anyone"),)
    assert site.kube.peek(SECRETS, NAMESPACE, f"{SHOP}-zk") is None
    site.edit(acl=[{"scheme": "ip", "id": "10.1.0.0/16", "perms": "crw"}])
    await site.settle()
    assert site.acl(PATH) == (Acl(7, "ip", "10.1.0.0/16"),)


async def test_further_entries_of_the_acl_come_to_those_of_the_owner() -> None:
    site = TenantSite()
    site.secret("reader", username="reader", password="pass")
    entries = [
        {"scheme": "world", "perms": "r"},
        {"scheme": "digest", "secretRef": {"name": "reader"}, "perms": "rd"},
        {"scheme": "x509", "id": "CN=batch", "perms": "cwa"},
    ]
    site.create(acl=entries)
    await site.settle()
    own = Acl(31, "digest", digest_identity(site.credential()))
    reader = Acl(9, "digest", digest_identity(Credential("reader", "pass")))
    assert set(site.acl(PATH)) == {own, READ, reader, Acl(22, "x509", "CN=batch")}


async def test_an_acl_that_the_tenant_changed_becomes_that_of_the_spec_again() -> None:
    site = await placed()
    wanted = site.acl(PATH)
    site.zk.set_acl(PATH, (Acl(31, "world", "anyone"),))
    assert await site.reconcile() == 0
    await site.settle()
    assert (site.acl(PATH), site.ready()) == (wanted, ("True", "InPlace"))


async def test_a_new_secret_in_place_of_a_deleted_one_opens_the_znode() -> None:
    site = await placed()
    before = site.credential()
    site.kube.remove(SECRETS, NAMESPACE, f"{SHOP}-zk")
    await site.settle()
    assert site.credential() != before
    await site.zk.session(site.credential()).get(PATH)
    assert await is_refused(site.zk.session(before).get(PATH))


async def test_a_secret_that_somebody_else_made_is_not_overwritten_and_gives_no_access() -> None:
    site = TenantSite()
    site.secret(f"{SHOP}-zk", username="a", password="b")
    site.create()
    await site.settle()
    assert site.ready() == ("False", "SecretTaken")
    assert site.texts() == {"username": "a", "password": "b"}
    assert site.data(PATH) is None


async def test_what_is_granted_of_another_namespace_is_put_in_place() -> None:
    site = TenantSite()
    site.cluster(OWNER, grants=[grant("/apps/{namespace}")])
    site.create(**FOREIGN)
    await site.settle()
    assert site.ready() == ("True", "InPlace")
    assert site.status()["connectionString"] == f"{ENDPOINT.format(OWNER)}/apps/shop/orders"
    assert site.acl("/apps") == site.acl("/apps/shop") == (READ,)


@pytest.mark.parametrize(
    "grants",
    [(), (grant("/apps/bank"),), (grant("/apps", "ReadOnly"),), (grant("/apps", namespace="bank"),)],
    ids=["none", "of another path", "to read", "for another namespace"],
)
async def test_without_a_grant_to_write_nothing_is_touched_and_the_owner_is_told_what_to_add(
    grants: tuple[dict[str, Any], ...],
) -> None:
    site = TenantSite()
    site.cluster(OWNER, grants=grants)
    before = site.zk.zxid
    site.create(**FOREIGN)
    await site.settle()
    assert site.ready() == ("False", "NotGranted")
    assert 'paths: ["/apps/shop/orders"], access: ReadWrite' in site.message()
    assert (site.zk.zxid, len(site.sessions)) == (before, 0)
    assert site.kube.peek(SECRETS, NAMESPACE, f"{SHOP}-zk") is None


async def test_a_cluster_that_is_missing_or_not_there_yet_is_waited_for() -> None:
    site = TenantSite()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    site.create()
    assert await site.settle() == 10
    assert site.ready() == ("False", "ClusterNotFound")
    site.kube.put(ZOOKEEPER_CLUSTERS, {"metadata": {"name": "main", "namespace": NAMESPACE}, "spec": {}})
    await site.settle()
    assert site.ready() == ("False", "ClusterNotReady")
    assert site.operator.naming(Key(NAMESPACE, "main")) == (Key(NAMESPACE, SHOP),)
    site.cluster()
    await site.settle()
    assert site.ready() == ("True", "InPlace")


async def test_an_ensemble_that_does_not_answer_is_reported_and_waited_for() -> None:
    site = TenantSite()
    site.zk.request_timeout_s = 0.01
    site.zk.down()
    site.create()
    assert await site.settle() == 10
    assert site.ready() == ("False", "Disconnected")
    site.zk.up()
    await site.settle()
    assert site.ready() == ("True", "InPlace")


async def test_what_the_ensemble_refuses_is_reported() -> None:
    site = TenantSite()
    await site.zk.session().create(Create("/shop", b"", ephemeral=True))
    site.create()
    await site.settle()
    assert site.ready() == ("False", "Refused")
    assert "ephemeral" in site.message()


async def test_what_everybody_may_change_below_is_counted() -> None:
    site = await placed()
    assert (site.status()["worldWritable"], site.status()["audited"]) == (0, 0)
    site.node(f"{PATH}/a/b")
    site.node(f"{PATH}/c", acl=(READ,))
    site.clock.jump(601)
    await site.settle()
    assert (site.status()["worldWritable"], site.status()["audited"]) == (2, 3)


async def test_the_usage_is_that_of_the_ensemble_and_is_not_written_at_each_pass() -> None:
    site = await placed()
    stats = f"/zookeeper/quota{PATH}/zookeeper_stats"
    assert site.status()["usage"] == {"count": 0, "bytes": 0}
    site.zk.write(Set(stats, b"count=12,bytes=2048", -1))
    await site.settle()
    assert site.status()["usage"] == {"count": 0, "bytes": 0}
    site.clock.jump(61)
    await site.settle()
    assert site.status()["usage"] == {"count": 12, "bytes": 2048}


async def test_a_znode_that_is_in_place_causes_no_write() -> None:
    site = await placed(quota={"count": 5})
    before = (site.zk.zxid, site.object())
    site.clock.jump(1000)
    for _ in range(3):
        assert await site.reconcile() == 60
    assert (site.zk.zxid, site.object()) == before


async def test_the_session_ends_with_the_last_znode() -> None:
    site = await placed()
    site.create("basket")
    await site.settle("basket")
    assert len(site.sessions) == 1
    for name in (SHOP, "basket"):
        site.delete(name)
        await site.reconcile(name)
    assert len(site.sessions) == 0


@pytest.mark.parametrize(
    ("namespace", "spec", "says"),
    [
        ("zookeeper", {}, "spec.path: write a path"),
        ("shop", {"path": "/zookeeper/quota"}, "belongs to ZooKeeper"),
        ("shop", {"path": "/a/../b"}, "remove '.' and '..'"),
        ("shop", {"path": "/"}, "belongs to everybody"),
    ],
)
async def test_a_path_that_is_not_for_tenants_is_refused(namespace: str, spec: dict[str, Any], says: str) -> None:
    site = TenantSite()
    site.cluster(namespace)
    before = site.zk.zxid
    site.create(namespace=namespace, **spec)
    await site.settle(namespace=namespace)
    assert site.ready(namespace=namespace) == ("False", "InvalidSpec")
    assert says in site.message(namespace=namespace)
    assert site.zk.zxid == before


async def _no_grant_to_write() -> None:
    claim = test_without_a_grant_to_write_nothing_is_touched_and_the_owner_is_told_what_to_add
    await claim((grant("/apps", "ReadOnly"),))


async def _nothing_refused(*_: Any) -> None:
    return None


SEEDS = (
    Seed("a grant is asked for", replaced(door, "refusal_of", _nothing_refused), (_no_grant_to_write,)),
    Seed(
        "the grant has to be one to write",
        rewritten(door, "DoorFinder.find", "GrantAccess.READ_WRITE", "GrantAccess.READ_ONLY"),
        (_no_grant_to_write,),
    ),
    Seed(
        "a Secret of somebody else is not taken for ours",
        replaced(identity, "is_made_for", lambda *_: True),
        (test_a_secret_that_somebody_else_made_is_not_overwritten_and_gives_no_access,),
    ),
    Seed(
        "parents are closed",
        replaced(plan, "READ_ONLY", OPEN_ACL),
        (test_the_parents_belong_to_nobody_so_that_no_stranger_replaces_the_znode,),
    ),
    Seed(
        "an ACL is kept as the spec says",
        replaced(plan, "acl_step", lambda *_: None),
        (test_an_acl_that_the_tenant_changed_becomes_that_of_the_spec_again,),
    ),
    Seed(
        "a password is random",
        rewritten(applier, "Applier.apply", "secrets.token_urlsafe(_PASSWORD_BYTES)", "'p' * 40"),
        (test_two_znodes_have_different_passwords_and_cannot_read_one_another,),
    ),
    Seed(
        "a reserved namespace needs a path",
        replaced(validation, "_RESERVED", ()),
        (claim_with(test_a_path_that_is_not_for_tenants_is_refused, "zookeeper", {}, "spec.path: write a path"),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
