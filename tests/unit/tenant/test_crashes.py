"""The operator is killed before and after each of its writes: the result is the same as without."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.fakes.zk_tree import digest_identity
from tests.support.models.seeds import Seed, claim_with, rewritten
from tests.support.worlds.kills import survives_kill
from tests.support.worlds.tenants import PATH, TenantSite, killing, living
from zkoperator.tenant.model.names import record_path
from zkoperator.tenant.plan import plan
from zkoperator.zk.port import Acl

Way = Callable[[TenantSite], None]


def smoothly(site: TenantSite) -> None:
    """Nothing is there before."""


def beside_an_open_quota(site: TenantSite) -> None:
    for name in ("zookeeper_limits", "zookeeper_stats"):
        site.node(f"/zookeeper/quota{PATH}/{name}", b"count=-1,bytes=-1")


async def live(site: TenantSite) -> None:
    """A ZNode is put in place, edited, used, and deleted with its znodes; each step only if it is not done yet."""
    if site.data("/done") is None:
        if site.object() is None:
            site.create(quota={"count": 10}, onDelete="DeleteZnodes")
        await site.settle()
        assert site.ready() == ("True", "InPlace")
        site.edit(quota={"count": 20}, acl=[{"scheme": "world", "perms": "r"}])
        await site.settle()
        owner = Acl(31, "digest", digest_identity(site.credential()))
        assert set(site.acl(PATH)) == {owner, Acl(1, "world", "anyone")}
        assert site.limits() == b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=20"
        assert site.data(record_path(PATH)) == b"shop/orders"
        for name in ("a", "a/b", "c"):
            if site.data(f"{PATH}/{name}") is None:
                site.node(f"{PATH}/{name}")
        site.node("/done")
        site.delete()
    if site.object() is not None:
        await site.settle()


async def writes_of(way: Way) -> int:
    site = TenantSite()
    way(site)
    count = killing(site, 0, after=False)
    await live(site)
    return count()


@pytest.mark.parametrize("way", [smoothly, beside_an_open_quota])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_write_changes_no_password_and_leaves_nothing(way: Way, after: bool) -> None:
    total = await writes_of(way)
    assert total > 8
    for number in range(1, total + 1):
        site = TenantSite()
        way(site)
        killing(site, number, after=after)
        assert await survives_kill(partial(live, site), partial(living, site)), number
        assert site.object() is None, number
        assert [path for path in site.zk.tree.walk() if "orders" in path] == [], number


SEEDS = (
    Seed(
        "the znode is never there without its record",
        rewritten(
            plan,
            "_claim",
            'Commit(((Set(RECORDS, b"", records.version), record, *root),))',
            'Commit((root, (Set(RECORDS, b"", records.version), record)))',
        ),
        (claim_with(test_a_kill_at_any_write_changes_no_password_and_leaves_nothing, smoothly, True),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
