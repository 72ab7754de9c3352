"""kazoo as the oracle: both clients do the same seeded operations on one real server and must hear the same."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from kazoo import exceptions as kz
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from testbed.zookeepers import Ensemble
from tests.support.fakes.zk_tree import digest_identity
from zkoperator.errors import ForbiddenError, InvalidError, ZkOperatorError
from zkoperator.zk import port
from zkoperator.zk.port import Acl, Check, Create, Credential, Delete, Operation, Set
from zkoperator.zk.session import ZkSession, connect

NAMES = ("a", "b", "ü-☃")
ALICE = Credential("alice", "wonder")
PRIVATE = (Acl(31, "digest", digest_identity(ALICE)),)
SAME_ERROR: dict[type[Exception], type[ZkOperatorError]] = {
    kz.NoNodeError: port.NoNodeError,
    kz.NodeExistsError: port.NodeExistsError,
    kz.BadVersionError: port.BadVersionError,
    kz.NotEmptyError: port.NotEmptyError,
    kz.NoAuthError: ForbiddenError,
    kz.NoChildrenForEphemeralsError: InvalidError,
}


@pytest.fixture
def kazoo(zookeeper: Ensemble) -> Iterator[Any]:
    client = KazooClient(zookeeper.hosts, timeout=20)
    client.start(30)
    yield client
    client.stop()
    client.close()


@pytest.fixture
async def ours(zookeeper: Ensemble) -> AsyncIterator[ZkSession]:
    zk = connect(zookeeper.hosts.split(","))
    yield zk
    await zk.close()


def random_operation(rng: random.Random, root: str, *, in_multi: bool = False) -> Operation:
    path = "/".join([root, *(rng.choice(NAMES) for _ in range(rng.randint(1, 3)))])
    data, version = rng.randbytes(rng.choice((0, 1, 200))), rng.choice((-1, -1, 0, 1, 2))
    acl = PRIVATE if rng.random() < 0.1 else port.OPEN_ACL
    kinds: list[Callable[[], Operation]] = [
        lambda: Create(path, data, acl, ephemeral=rng.random() < 0.1),
        lambda: Create(path, data),
        lambda: Set(path, data, version),
        lambda: Delete(path, version),
    ]
    if in_multi:
        kinds.append(lambda: Check(path, version))
    return rng.choice(kinds)()


def in_kazoo(client: Any, op: Operation) -> Any:
    """Do one write with kazoo; `client` may be its transaction."""
    match op:
        case Create(path, data, acl, ephemeral):
            theirs = None if acl == port.OPEN_ACL else [make_digest_acl("alice", "wonder", all=True)]
            return client.create(path, data, acl=theirs, ephemeral=ephemeral)
        case Set(path, data, version):
            return (client.set_data if hasattr(client, "commit") else client.set)(path, data, version)
        case Delete(path, version):
            return client.delete(path, version)
        case Check(path, version):
            return client.check(path, version)


async def in_ours(zk: ZkSession, op: Operation) -> object:
    match op:
        case Create():
            return await zk.create(op)
        case Set():
            return await zk.set(op)
        case Delete():
            await zk.delete(op)
            return None
        case Check():
            raise AssertionError("only in a multi")


def theirs_of(work: Callable[[], Any]) -> tuple[str, Any]:
    try:
        return "ok", work()
    except kz.ZookeeperError as error:
        return "error", SAME_ERROR[type(error)]


async def ours_of(work: Any) -> tuple[str, Any]:
    try:
        return "ok", await work
    except ZkOperatorError as error:
        return "error", type(error)


def timeless(stat: Any) -> tuple[int, ...]:
    """What two clients must see alike in two trees: versions and sizes, not times and transactions."""
    named = port.Stat._make(stat)
    return (named.version, named.cversion, named.aversion, named.data_length, named.num_children)


async def seen_by_ours(zk: ZkSession, path: str) -> dict[str, Any]:
    """Read a whole subtree, relative paths to what is seen there."""
    try:
        node, listing = await zk.get(path), await zk.children(path)
    except ForbiddenError:
        return {"": "forbidden"}
    seen: dict[str, Any] = {"": (node.data, timeless(node.stat), sorted(listing.names))}
    assert await zk.exists(path) == node.stat
    for name in listing.names:
        below = await seen_by_ours(zk, f"{path}/{name}")
        seen.update({f"{name}/{rest}": value for rest, value in below.items()})
    return seen


def seen_by_kazoo(client: Any, path: str) -> dict[str, Any]:
    try:
        (data, stat), names = client.get(path), client.get_children(path)
    except kz.NoAuthError:
        return {"": "forbidden"}
    seen: dict[str, Any] = {"": (data, timeless(stat), sorted(names))}
    for name in names:
        seen.update({f"{name}/{rest}": value for rest, value in seen_by_kazoo(client, f"{path}/{name}").items()})
    return seen


@pytest.mark.parametrize("seed", range(4))
async def test_both_clients_get_the_same_answers_and_leave_the_same_tree(
    kazoo: Any, ours: ZkSession, seed: int
) -> None:
    left, right = f"/oracle-{seed}-theirs", f"/oracle-{seed}-ours"
    await asyncio.to_thread(kazoo.create, left, b"")
    await ours.create(Create(right, b""))
    one, two = random.Random(seed), random.Random(seed)
    outcomes: set[str] = set()
    for step in range(250):
        op, same = random_operation(one, left), random_operation(two, right)
        theirs = await asyncio.to_thread(theirs_of, lambda op=op: in_kazoo(kazoo, op))  # type: ignore[misc]
        mine = await ours_of(in_ours(ours, same))
        assert theirs[0] == mine[0], (step, same, theirs, mine)
        outcomes.add(str(mine[1]) if mine[0] == "error" else type(same).__name__)
        if mine[0] == "error":
            assert theirs[1] is mine[1], (step, same)
        elif isinstance(same, Set):
            assert timeless(theirs[1]) == timeless(mine[1])
    assert len(outcomes) >= 6, outcomes
    await same_trees(kazoo, ours, left, right)


@pytest.mark.parametrize("seed", range(4))
async def test_both_clients_commit_or_refuse_the_same_transactions(kazoo: Any, ours: ZkSession, seed: int) -> None:
    left, right = f"/oracle-multi-{seed}-theirs", f"/oracle-multi-{seed}-ours"
    await asyncio.to_thread(kazoo.create, left, b"")
    await ours.create(Create(right, b""))
    one, two = random.Random(seed), random.Random(seed)
    committed = refused = 0
    for step in range(250):
        count = one.randint(1, 4)
        assert two.randint(1, 4) == count
        ops = [random_operation(one, left, in_multi=True) for _ in range(count)]
        same = [random_operation(two, right, in_multi=True) for _ in range(count)]
        results = await asyncio.to_thread(in_one_transaction, kazoo, ops)
        culprits = [
            (index, SAME_ERROR[type(result)])
            for index, result in enumerate(results)
            if isinstance(result, Exception) and not isinstance(result, kz.RolledBackError | kz.RuntimeInconsistency)
        ]
        mine = await culprit_of(ours, same)
        assert culprits == mine, (step, same)
        committed, refused = committed + (not mine), refused + len(mine)
    assert min(committed, refused) > 10
    await same_trees(kazoo, ours, left, right)


async def culprit_of(zk: ZkSession, ops: list[Operation]) -> list[tuple[int, type[Exception]]]:
    try:
        await zk.multi(ops)
    except port.MultiError as error:
        return [(error.index, type(error.cause))]
    return []


def in_one_transaction(client: Any, ops: list[Operation]) -> list[Any]:
    transaction = client.transaction()
    for op in ops:
        in_kazoo(transaction, op)
    results: list[Any] = transaction.commit()
    return results


async def same_trees(kazoo: Any, ours: ZkSession, left: str, right: str) -> None:
    """Each client reads both trees: four equal views."""
    views = [
        await asyncio.to_thread(seen_by_kazoo, kazoo, left),
        await asyncio.to_thread(seen_by_kazoo, kazoo, right),
        await seen_by_ours(ours, left),
        await seen_by_ours(ours, right),
    ]
    assert len(views[0]) > 3
    assert all(view == views[0] for view in views[1:])
