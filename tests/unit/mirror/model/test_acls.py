"""Znodes that a push creates can be read and written by those for whom the tree is, and by nobody else."""

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fakes.zk_tree import digest_identity
from tests.support.models.seeds import Claim, Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, SUPER, World, running
from zkoperator.kube.port import SECRETS
from zkoperator.mirror.apply import inheritance
from zkoperator.mirror.model import acls
from zkoperator.mirror.model.acls import acl_like
from zkoperator.mirror.plan import steps
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, Acl, Credential

SHOP, READER = Credential("shop", "s3cret"), Credential("reader", "r")
OURS = Acl(31, "digest", digest_identity(SHOP))
THEIRS = Acl(1, "digest", digest_identity(READER))
WORLD_READ = Acl(1, "world", "anyone")


@asynccontextmanager
async def secured() -> AsyncIterator[World]:
    """A world in which `hosts` may be named, and with a Secret for an identity on them."""
    async with running(MirrorSettings(allowed_hosts=("out",), quiet_s=0.01, retry_s=0.2)) as running_world:
        values = {"username": "shop", "password": "s3cret"}
        data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
        running_world.kube.put(SECRETS, {"metadata": {"name": "shop-zk", "namespace": NAMESPACE}, "data": data})
        running_world.tree(a="1")
        yield running_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with secured() as secured_world:
        yield secured_world


def _sync(world: World, **zookeeper: Any) -> None:
    world.config_map(a="1")
    world.sync(zookeeper={"hosts": "out:2181", "credentialsSecret": "shop-zk", **zookeeper})


def _acl(world: World, path: str) -> tuple[Acl, ...]:
    return world.zk.tree.get_acl(f"{ROOT}/{path}", SUPER)


async def test_a_znode_that_is_pushed_has_the_acl_of_its_parent(world: World) -> None:
    world.zk.set_acl(ROOT, (OURS, THEIRS))
    _sync(world)
    world.edit(new="1", deep__er="1")
    await world.until(lambda: world.at("new") == b"1" and world.at("deep/er") == b"1")
    assert [_acl(world, path) for path in ("new", "deep", "deep/er")] == [(OURS, THEIRS)] * 3
    await world.until_in_sync()


async def test_each_parent_gives_its_own_acl(world: World) -> None:
    world.node("open", "1")
    world.zk.set_acl(ROOT, (OURS,))
    _sync(world)
    world.edit(open__below="1", mine="1")
    await world.until(lambda: world.at("open/below") == b"1" and world.at("mine") == b"1")
    assert (_acl(world, "open/below"), _acl(world, "mine")) == (OPEN_ACL, (OURS,))


async def test_a_root_that_is_pushed_inherits_from_what_is_above_it(world: World) -> None:
    world.zk.set_acl("/apps", (OURS, WORLD_READ))
    world.config_map(a="1")
    source = {"hosts": "out:2181", "credentialsSecret": "shop-zk"}
    world.sync(zookeeper=source, path="/apps/new/root")
    await world.until(lambda: world.znode("/apps/new/root/a") == b"1")
    for path in ("/apps/new", "/apps/new/root", "/apps/new/root/a"):
        assert world.zk.tree.get_acl(path, SUPER) == (OURS, WORLD_READ)


async def test_the_identity_that_pushes_never_locks_itself_out(world: World) -> None:
    world.zk.set_acl(ROOT, (Acl(31 - 8 - 2, "digest", digest_identity(SHOP)), WORLD_READ))
    _sync(world)
    world.edit(new="1")
    await world.until(lambda: world.at("new") == b"1")
    world.edit(new="2")
    await world.until(lambda: world.at("new") == b"2")
    assert OURS in _acl(world, "new")


async def test_an_acl_that_cannot_be_read_in_full_is_told_and_the_rest_flows(world: World) -> None:
    world.node("theirs", "1")
    world.zk.set_acl(f"{ROOT}/theirs", (Acl(15, "digest", digest_identity(SHOP)), THEIRS))
    _sync(world)
    world.edit(theirs__new="1", fine="1")
    await world.until_reason("Forbidden")
    await world.until(lambda: world.at("fine") == b"1")
    assert "theirs__new" in world.message() and "spec.zookeeper.acl" in world.message()
    assert world.at("theirs/new") is None
    world.spec(zookeeper={"acl": "Creator"})
    await world.until(lambda: world.at("theirs/new") == b"1")
    await world.until_in_sync()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("Creator", (OURS,)), ("CreatorAllWorldRead", (OURS, WORLD_READ)), ("Open", OPEN_ACL)],
)
async def test_the_spec_can_ask_for_another_acl(world: World, policy: str, expected: tuple[Acl, ...]) -> None:
    _sync(world, acl=policy)
    world.edit(new="1")
    await world.until(lambda: world.at("new") == b"1")
    assert _acl(world, "new") == expected


async def test_a_creator_needs_an_identity(world: World) -> None:
    world.sync(zookeeper={"clusterRef": {"name": "main"}, "acl": "Creator"})
    await world.until_reason("InvalidSpec")
    assert "credentialsSecret" in world.message()


async def test_the_ledger_belongs_to_the_identity_whatever_the_tree_allows(world: World) -> None:
    _sync(world)
    world.edit(new="1")
    await world.until(lambda: world.at("new") == b"1")
    ledgers = world.zk.tree.children("/zkoperator/configsyncs", SUPER).names
    assert [world.zk.tree.get_acl(f"/zkoperator/configsyncs/{name}", SUPER) for name in ledgers] == [(OURS,)]


def test_hidden_hashes_are_never_copied() -> None:
    own, foreign = Acl(31, "digest", "shop:x"), Acl(1, "digest", "reader:x")
    assert acl_like((own,), "shop") == CREATOR_ACL
    assert acl_like((own, foreign), "shop") is None
    assert acl_like((foreign,), None) is None
    assert acl_like((WORLD_READ,), "shop") == (WORLD_READ, *CREATOR_ACL)
    assert acl_like((WORLD_READ,), None) == (WORLD_READ,)
    assert acl_like(OPEN_ACL, "shop") == OPEN_ACL


def _secured(claim: Callable[[World], Awaitable[None]]) -> Claim:
    """Return the claim with a world in which there is an identity."""

    async def run() -> None:
        async with secured() as secured_world:
            await claim(secured_world)

    return run


SEEDS = (
    Seed(
        "the ACL of the parent is taken",
        replaced(steps, "acl_of", lambda _: CREATOR_ACL),
        (_secured(test_a_znode_that_is_pushed_has_the_acl_of_its_parent),),
    ),
    Seed(
        "the identity that pushes has access",
        replaced(inheritance, "acl_like", lambda parent, _username: parent),
        (_secured(test_the_identity_that_pushes_never_locks_itself_out),),
    ),
    Seed(
        "hidden hashes are not copied",
        replaced(acls, "_HIDDEN_HASH", "nothing ends like this"),
        (_secured(test_an_acl_that_cannot_be_read_in_full_is_told_and_the_rest_flows),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
