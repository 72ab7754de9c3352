"""What may have changed since it was read is read again before anything is done because of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import FAST, NAMESPACE, SUPER, World
from zkoperator.controller import status_writer
from zkoperator.errors import ForbiddenError, TransientError, UnknownOutcomeError
from zkoperator.kube.port import CONFIG_SYNCS, Manifest, Resource
from zkoperator.mirror import reconcile
from zkoperator.mirror.observe import resource
from zkoperator.mirror.plan import plan
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import LookAgain

DATA = {"a": b"1"}


async def _synced(world: World, **spec: object) -> None:
    world.tree(a="1")
    world.sync(**spec)
    await world.until_in_sync()
    await world.quiet()


def _reads_config_sync(operation: Operation) -> bool:
    return (operation.verb, operation.resource) == ("get", CONFIG_SYNCS)


def _writes_status(operation: Operation) -> bool:
    return (operation.verb, operation.resource, operation.subresource) == ("patch", CONFIG_SYNCS, "status")


def _once(matches: Callable[[Operation], bool], do: Callable[[], None]) -> tuple[list[Operation], Callable[..., None]]:
    """Return a hook that does something at the first operation that matches, and where that one is noted."""
    met: list[Operation] = []

    def hook(operation: Operation) -> None:
        if not met and matches(operation):
            met.append(operation)
            do()

    return met, hook


def _fail(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


FAILURES = (TransientError("503"), TimeoutError(), ForbiddenError("may not get configsyncs"), asyncio.CancelledError())


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
async def test_a_paused_config_sync_writes_nothing_though_its_first_read_failed(
    world: World, error: BaseException
) -> None:
    await _synced(world)
    met, world.kube.before = _once(_reads_config_sync, _fail(error))
    world.spec(mode="Paused")
    await world.until(lambda: bool(met))
    world.node("a", "2")
    await world.until_reason("Paused")
    await world.quiet()
    assert world.data() == DATA


async def test_a_deleted_config_sync_writes_nothing_though_its_first_read_failed(world: World) -> None:
    await _synced(world)
    met, world.kube.before = _once(_reads_config_sync, _fail(TransientError("503")))
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: bool(met))
    world.node("a", "2")
    await world.until(lambda: not len(world.reconciler._states))
    await world.quiet()
    assert world.data() == DATA


async def test_a_change_that_is_told_while_the_config_sync_is_read_is_not_lost(world: World) -> None:
    """The answer is older than the change, and whoever tells of changes tells once."""
    await _synced(world)
    original = world.kube.get
    late: list[Manifest | None] = []

    async def get(resource: Resource, namespace: str, name: str) -> Manifest | None:
        found = await original(resource, namespace, name)
        if resource == CONFIG_SYNCS and not late:
            late.append(found)
            world.spec(mode="Paused")
            await world.quiet(5)
        return found

    world.kube.get = get  # type: ignore[method-assign]
    world.annotate(first="1")
    await world.until_reason("Paused")
    world.node("a", "2")
    await world.quiet()
    assert world.data() == DATA


def _uid(world: World) -> str:
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    return str(found["metadata"]["uid"])


def _replace(world: World, **spec: object) -> None:
    """What `kubectl replace --force` does, quicker than any pass."""
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    world.sync(**spec)


async def test_a_config_sync_that_was_replaced_between_two_passes_inherits_no_ledger(world: World) -> None:
    await _synced(world)
    _replace(world)
    await world.until_in_sync()
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    await world.until_in_sync()
    assert world.zk.tree.children("/zkoperator/configsyncs", SUPER).names == (_uid(world),)


async def test_a_config_sync_that_was_replaced_during_a_pass_is_told_nothing_of_it(world: World) -> None:
    """With a zxid in its status it would count as one whose base was lost, and be adopted by no policy."""
    await _synced(world)

    def replace() -> None:
        world.edit(a="mine")
        _replace(world, adoptionPolicy="PreferConfigMap")

    met, world.kube.before = _once(_writes_status, replace)
    world.node("b", "1")
    await world.until(lambda: bool(met))
    await world.until(lambda: world.at("a") == b"mine")
    await world.until_in_sync()
    assert world.data() == {"a": b"mine", "b": b"1"}


async def test_a_status_whose_answer_was_lost_is_told_once(world: World) -> None:
    await _synced(world)
    met, world.kube.after = _once(_writes_status, _fail(UnknownOutcomeError("no answer")))
    world.node("b", "1")
    await world.until(lambda: bool(met))
    world.node("b", "2")
    await world.until(lambda: world.data() == {"a": b"1", "b": b"2"})
    await world.until(lambda: int(world.status()["zxid"], 16) == world.zk.zxid)
    await world.until_in_sync()


def _gate(world: World) -> asyncio.Event:
    """Let passes of this process wait while the event is not set."""
    gate, original = asyncio.Event(), world.reconciler.reconcile
    gate.set()

    async def reconcile(key: Key) -> LookAgain:
        await gate.wait()
        return await original(key)

    world.loop._reconcile = reconcile
    return gate


@asynccontextmanager
async def _in_turns(world: World) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
    """Run another process with neither Lease nor word of the first, which knows its ledger; return both gates."""
    world.edit(mine="1")
    await world.until(lambda: world.at("mine") == b"1")
    await world.quiet()
    gate = _gate(world)
    gate.clear()
    other = World(FAST)
    other.kube, other.zk = world.kube, world.zk
    await other.start()
    try:
        await other.quiet()
        yield gate, _gate(other)
    finally:
        await other.stop()


async def test_an_edit_of_what_another_process_has_pushed_is_not_settled_by_a_policy(world: World) -> None:
    """By the ledger that the first has read, the pushed value is an edit of the znode like any other."""
    await _synced(world, conflictPolicy="PreferZooKeeper")
    async with _in_turns(world) as (first, second):
        world.edit(a="2")
        await world.until(lambda: world.at("a") == b"2")
        await world.quiet()
        second.clear()
        world.edit(a="3")
        first.set()
        await world.until(lambda: world.at("a") == b"3")
        second.set()
        await world.until_in_sync()
    assert world.data() == {"a": b"3", "mine": b"1"}


async def test_what_a_policy_settles_costs_one_more_read_of_the_ledger(world: World) -> None:
    await _synced(world, conflictPolicy="PreferZooKeeper")
    gate = _gate(world)
    gate.clear()
    world.node("a", "theirs")
    world.edit(a="mine")
    await world.quiet()
    gets = world.zk.served["get"]
    gate.set()
    await world.until(lambda: world.data() == {"a": b"theirs"})
    await world.until_in_sync()
    await world.quiet()
    assert world.zk.served["get"] - gets == 1


async def _current_before_the_answer(self: Any, key: Any, resource: Any) -> Any:
    resource.is_stale = False
    return await self._api.get(CONFIG_SYNCS, *key)


async def _current_whatever_was_heard(self: Any, key: Any, resource: Any) -> Any:
    found = await self._api.get(CONFIG_SYNCS, *key)
    resource.is_stale = False
    return found


async def _status_of_any_version(self: Any, raw: Any, status: Any) -> Any:
    key = raw["metadata"]["namespace"], raw["metadata"]["name"]
    return await self._api.patch(CONFIG_SYNCS, *key, {"status": status}, subresource="status")


SEEDS = (
    Seed(
        "an object whose read failed stays stale",
        replaced(reconcile.MirrorReconciler, "_get", _current_before_the_answer),
        (in_world(test_a_paused_config_sync_writes_nothing_though_its_first_read_failed, error=TransientError("")),),
    ),
    Seed(
        "an object that changes during its read stays stale",
        replaced(reconcile.MirrorReconciler, "_get", _current_whatever_was_heard),
        (in_world(test_a_change_that_is_told_while_the_config_sync_is_read_is_not_lost),),
    ),
    Seed(
        "another object of the same name is recognised by its uid",
        replaced(resource.ResourceState, "is_of_another", lambda *_: False),
        (in_world(test_a_config_sync_that_was_replaced_between_two_passes_inherits_no_ledger),),
    ),
    Seed(
        "a status is written to the version that was read",
        replaced(status_writer.StatusWriter, "write", _status_of_any_version),
        (in_world(test_a_config_sync_that_was_replaced_during_a_pass_is_told_nothing_of_it),),
    ),
    Seed(
        "the ledger is read before a policy decides",
        replaced(plan._Planner, "_is_settled", lambda *_: False),
        (in_world(test_an_edit_of_what_another_process_has_pushed_is_not_settled_by_a_policy),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
