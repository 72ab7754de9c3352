"""The quota of a ZNode: written as the server reads it, and nobody but the superuser can change it."""

from typing import Any

import pytest

from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.models.tenant_seeds import called
from tests.support.worlds.tenants import NAMESPACE, PATH, TenantSite, is_refused
from zkoperator.tenant.model import quota as quotas
from zkoperator.tenant.model.quota import Usage, usage_in
from zkoperator.tenant.plan import plan
from zkoperator.tenant.plan import quota as planned
from zkoperator.zk.port import OPEN_ACL, Acl, Create, Delete, Set

PLACE = f"/zookeeper/quota{PATH}"
READ = (Acl(1, "world", "anyone"),)
UNLIMITED = b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=-1"


async def placed(**spec: Any) -> TenantSite:
    site = TenantSite()
    site.create(**spec)
    await site.settle()
    return site


@pytest.mark.parametrize(
    ("quota", "text"),
    [
        ({"count": 10, "bytes": "50Mi"}, b"count=-1,bytes=-1=;byteHardLimit=52428800;countHardLimit=10"),
        ({"count": 10}, b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=10"),
        ({"bytes": "1k"}, b"count=-1,bytes=-1=;byteHardLimit=1000;countHardLimit=-1"),
        (None, UNLIMITED),
    ],
)
async def test_the_limits_are_those_of_the_spec(quota: dict[str, Any] | None, text: bytes) -> None:
    site = await placed(**({"quota": quota} if quota is not None else {}))
    assert site.limits() == text
    assert site.ready() == ("True", "InPlace")


async def test_an_edit_of_the_quota_and_its_removal_change_the_limits() -> None:
    site = await placed(quota={"count": 10})
    site.edit(quota={"count": 20})
    await site.settle()
    assert site.limits() == b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=20"
    site.edit(quota=None)
    await site.settle()
    assert site.limits() == UNLIMITED


async def test_neither_tenant_nor_stranger_changes_or_removes_the_quota() -> None:
    site = await placed(quota={"count": 10})
    for credential in (None, site.credential()):
        session = site.zk.session(credential)
        assert await is_refused(session.set(Set(f"{PLACE}/zookeeper_limits", UNLIMITED, -1)))
        assert await is_refused(session.set(Set(f"{PLACE}/zookeeper_stats", b"count=0,bytes=0", -1)))
        assert await is_refused(session.delete(Delete(f"{PLACE}/zookeeper_limits", -1)))
        assert await is_refused(session.create(Create(f"{PLACE}/deeper", b"")))


async def test_quota_znodes_that_others_made_before_are_closed_and_corrected() -> None:
    site = TenantSite()
    for name in ("zookeeper_limits", "zookeeper_stats"):
        site.node(f"{PLACE}/{name}", b"count=-1,bytes=-1")
    site.create(quota={"count": 10})
    await site.settle()
    assert [site.acl(path) for path in (PLACE, f"{PLACE}/zookeeper_limits", f"{PLACE}/zookeeper_stats")] == [READ] * 3
    assert site.limits() == b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=10"
    assert site.ready() == ("True", "InPlace")


async def test_a_quota_that_somebody_removed_as_superuser_comes_back() -> None:
    site = await placed(quota={"count": 10})
    site.zk.write(Delete(f"{PLACE}/zookeeper_limits", -1), Delete(f"{PLACE}/zookeeper_stats", -1), Delete(PLACE, -1))
    await site.settle()
    assert site.limits() == b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=10"


async def test_a_quota_that_the_ensemble_only_counts_is_said_to_be_none() -> None:
    site = TenantSite()
    site.cluster(enforceQuota="false")
    site.create(quota={"count": 10})
    await site.settle()
    assert site.ready() == ("False", "QuotaNotEnforced")
    assert "spec.config.enforceQuota: true of ZooKeeperCluster main" in site.message()
    assert site.status()["connectionString"].endswith(PATH)
    site.cluster(enforceQuota=True)
    await site.settle()
    assert site.ready() == ("True", "InPlace")


async def test_a_quota_below_which_would_be_enforced_in_its_place_is_reported() -> None:
    site = TenantSite()
    site.node(f"{PLACE}/escape/zookeeper_limits", UNLIMITED)
    site.create(quota={"count": 10})
    await site.settle()
    assert site.ready() == ("False", "QuotaNotEnforced")
    assert PLACE in site.message()


async def test_a_quota_above_is_not_ended_by_one_of_ours() -> None:
    """ZooKeeper enforces the lowest quota on a path only."""
    site = TenantSite()
    above = f"/zookeeper/quota/{NAMESPACE}/zookeeper_limits"
    site.node(above, b"count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=5")
    site.create()
    await site.settle()
    assert site.ready() == ("True", "InPlace")
    assert site.data(PLACE) is None
    assert "usage" not in site.status()
    site.edit(quota={"count": 10})
    await site.settle()
    assert site.ready() == ("False", "QuotaNotEnforced")
    assert site.data(PLACE) is None
    site.zk.write(Delete(above, -1))
    await site.settle()
    assert site.ready() == ("True", "InPlace")


async def test_a_quota_that_a_stranger_sets_above_changes_nothing() -> None:
    site = await placed(quota={"count": 10})
    site.zk.write(Create(f"/zookeeper/quota/{NAMESPACE}/zookeeper_limits", UNLIMITED))
    await site.settle()
    assert site.ready() == ("True", "InPlace")
    assert site.limits() == b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=10"


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        (b"count=12,bytes=2048", Usage(12, 2048)),
        (b"count=1,bytes=0=;byteHardLimit=-1;countHardLimit=-1", Usage(1, 0)),
        (b"count=-1,bytes=-1", None),
        (b"\xff", None),
    ],
)
def test_usage_is_read_as_servers_write_it(text: bytes, usage: Usage | None) -> None:
    assert usage_in(text) == usage


SEEDS = (
    Seed(
        "quota znodes are closed",
        replaced(planned, "READ_ONLY", OPEN_ACL),
        (test_neither_tenant_nor_stranger_changes_or_removes_the_quota,),
    ),
    Seed(
        "quota znodes of others are closed",
        called(plan, planned, "quota_step", "set(view.acl) != set(READ_ONLY)", "False"),
        (test_quota_znodes_that_others_made_before_are_closed_and_corrected,),
    ),
    Seed(
        "limits of others are corrected",
        called(plan, planned, "quota_step", "quota.limits.data != limits", "False"),
        (
            test_quota_znodes_that_others_made_before_are_closed_and_corrected,
            test_an_edit_of_the_quota_and_its_removal_change_the_limits,
        ),
    ),
    Seed(
        "a quota above goes on to hold",
        rewritten(planned, "_is_limited_above", 'quota.above != "" and quota.limits is None', "False"),
        (test_a_quota_above_is_not_ended_by_one_of_ours,),
    ),
    Seed(
        "a quota above does not end ours",
        rewritten(planned, "_is_limited_above", " and quota.limits is None", ""),
        (test_a_quota_that_a_stranger_sets_above_changes_nothing,),
    ),
    Seed(
        "a quota below is reported",
        called(plan, planned, "quota_problem", "if quota.deeper:", "if False:"),
        (test_a_quota_below_which_would_be_enforced_in_its_place_is_reported,),
    ),
    Seed(
        "limits are hard ones",
        called(planned, quotas, "limits_text", "=;byteHardLimit={size};countHardLimit={count}", ""),
        (test_an_edit_of_the_quota_and_its_removal_change_the_limits,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
