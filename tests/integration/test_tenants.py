"""What a real server makes of the ACL, the quota and the records of ZNodes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponseError

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import ApiClient
from tests.support.machines.testbed import EnsembleFactory
from tests.support.waiting import eventually
from tests.support.worlds.live_mirror import install
from tests.support.worlds.tenants import PATH, TenantSite, is_refused
from zkoperator.api.meta import API_VERSION
from zkoperator.errors import InvalidError
from zkoperator.kube.port import Manifest
from zkoperator.tenant.model.names import RECORDS, record_path
from zkoperator.zk import session
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, Create, Credential, Delete, NoNodeError, Set, Zk

QUOTA = f"/zookeeper/quota{PATH}"


@pytest.fixture
def enforcing(ensembles: EnsembleFactory) -> Ensemble:
    return ensembles(1, properties={"enforceQuota": "true"})


@asynccontextmanager
async def client(ensemble: Ensemble, credential: Credential | None = None) -> AsyncIterator[Zk]:
    zk = session.connect(ensemble.hosts.split(","), credential=credential)
    try:
        yield zk
    finally:
        await zk.close()


async def is_over_quota(call: Awaitable[Any]) -> bool:
    try:
        await call
    except InvalidError as error:
        return "quota" in str(error)
    return False


async def count_is(site: TenantSite, count: int) -> None:
    """Wait until the status says so: the operator measures once in a minute of its clock."""

    async def holds() -> bool:
        site.clock.jump(61)
        await site.settle()
        assert site.status()["usage"]["count"] == count
        return True

    await eventually(holds)


async def test_the_quota_holds_for_the_tenant_who_cannot_raise_it_nor_see_another(enforcing: Ensemble) -> None:
    site = TenantSite(enforcing)
    for name in ("orders", "basket"):
        site.create(name, quota={"count": 4, "bytes": "1Ki"}, onDelete="DeleteZnodes")
        await site.settle(name)
        assert site.ready(name) == ("True", "InPlace"), site.message(name)
    async with client(enforcing, site.credential()) as tenant, client(enforcing) as stranger:
        for name in "abc":
            await tenant.create(Create(f"{PATH}/{name}", b"", CREATOR_ACL))
        assert await is_over_quota(tenant.create(Create(f"{PATH}/d", b"", CREATOR_ACL)))
        assert await is_over_quota(tenant.set(Set(f"{PATH}/a", b"x" * 2000, -1)))
        for zk in (tenant, stranger):
            await _cannot_change_the_quota(zk)
            assert await is_refused(zk.get("/shop/basket"))
            assert await is_refused(zk.create(Create("/shop/basket/mine", b"")))
            assert await is_refused(zk.get(record_path(PATH)))
            assert await is_refused(zk.create(Create(f"{RECORDS}/mine", b"")))
            assert await is_refused(zk.delete(Delete(PATH, -1)))
        await count_is(site, 4)
        assert (site.status()["worldWritable"], site.status()["audited"]) == (0, 0)
        site.edit(quota={"count": 5, "bytes": None})
        await site.settle()
        await tenant.create(Create(f"{PATH}/d", b"x" * 2000))
        site.clock.jump(601)
        await site.settle()
        assert (site.status()["worldWritable"], site.status()["audited"]) == (1, 4)
    site.delete()
    await site.settle()
    assert site.object() is None
    async with client(enforcing, Credential("super", enforcing.password)) as zk:
        for path in (PATH, QUOTA, record_path(PATH)):
            assert await zk.exists(path) is None
        assert await zk.exists("/shop/basket") is not None


async def _cannot_change_the_quota(zk: Zk) -> None:
    unlimited = b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=-1"
    attempts: tuple[Callable[[], Awaitable[Any]], ...] = (
        lambda: zk.set(Set(f"{QUOTA}/zookeeper_limits", unlimited, -1)),
        lambda: zk.set(Set(f"{QUOTA}/zookeeper_stats", b"count=0,bytes=0", -1)),
        lambda: zk.delete(Delete(f"{QUOTA}/zookeeper_limits", -1)),
        lambda: zk.create(Create(f"{QUOTA}/a", b"")),
        lambda: zk.set_acl(f"{QUOTA}/zookeeper_limits", OPEN_ACL, -1),
    )
    assert await asyncio.gather(*(is_refused(attempt()) for attempt in attempts)) == [True] * len(attempts)


async def test_a_znode_is_handed_over_and_a_quota_below_it_is_found(enforcing: Ensemble) -> None:
    site = TenantSite(enforcing)
    async with client(enforcing, Credential("super", enforcing.password)) as zk:
        deeper = f"{QUOTA}/inner/zookeeper_limits"
        for path in ("/shop", PATH, "/zookeeper/quota/shop", QUOTA, f"{QUOTA}/inner", deeper):
            await zk.create(Create(path, b"count=-1,bytes=-1" if path == deeper else b""))
        site.create(quota={"count": 4})
        await site.settle()
        assert site.ready() == ("False", "PathTaken")
        await zk.create(Create(record_path(PATH), b"shop/orders"))
        await site.settle()
        assert site.ready() == ("False", "QuotaNotEnforced"), site.message()
        for path in (deeper, f"{QUOTA}/inner"):
            await zk.delete(Delete(path, -1))
        await site.settle()
        assert site.ready() == ("True", "InPlace"), site.message()
        with pytest.raises(NoNodeError):
            await zk.get(deeper)
        assert (await zk.get_acl(record_path(PATH))).entries[0].scheme == "digest"


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ({"path": "/a"}, {"path": "/b"}),
        ({"path": "/a"}, {"path": None}),
        ({}, {"path": "/b"}),
        ({}, {"clusterRef": {"name": "other"}}),
    ],
)
async def test_path_and_ensemble_cannot_be_changed(
    api_server: ApiServer, namespace: str, before: Manifest, change: Manifest
) -> None:
    async with ApiClient(api_server.kubeconfig) as kube:
        await install(kube)
        path = f"/apis/zkoperator.dev/v1alpha1/namespaces/{namespace}/znodes"
        made = {"kind": "ZNode", "apiVersion": API_VERSION, "metadata": {"name": "orders"}}
        stored = await kube.create(path, {**made, "spec": {"clusterRef": {"name": "main"}, **before}})
        assert stored["spec"].get("credentials", {}).get("type", "Generate") == "Generate"
        with pytest.raises(ClientResponseError) as caught:
            await kube.merge(f"{path}/orders", {"spec": change})
        assert caught.value.status == 422 and "create another ZNode" in caught.value.message
