"""Bursts, by a clock that the test moves: how many writes, how late at most, and one restart once it is over."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.fakes.clock import FakeClock
from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.kube.port import CONFIG_MAPS, DEPLOYMENTS
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.zk.port import Create, Set

STEP_S = 0.02


@pytest.fixture
async def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def slow(clock: FakeClock) -> AsyncIterator[World]:
    """A world with the settings of production, in which time stands still."""
    world = World(MirrorSettings())
    world.clock = clock
    await world.start()
    yield world
    await world.stop()


async def _pass_s(clock: FakeClock, seconds: float) -> None:
    """Let time pass in steps, so that what one step causes is done before the next."""
    for _ in range(round(seconds / STEP_S)):
        await clock.advance(STEP_S)


def _workload(world: World) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    meta = {"name": "web", "namespace": NAMESPACE}
    world.kube.put(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})


def _found(world: World) -> dict[str, Any]:
    found = world.kube.peek(DEPLOYMENTS, NAMESPACE, "web")
    assert found is not None
    return found


def _restarts(world: World) -> int:
    return int(_found(world)["metadata"]["generation"]) - 1


def _patches(world: World) -> int:
    return sum(item.verb == "patch" and item.resource == CONFIG_MAPS for item in world.kube.operations)


def _tree(root: str) -> tuple[Create, Create]:
    return Create(root, b""), Create(f"{root}/z", b"1")


async def _in_sync(world: World, clock: FakeClock) -> None:
    await _pass_s(clock, 30)
    await world.until_in_sync()


async def test_a_long_burst_costs_few_writes_and_no_change_is_late(slow: World, clock: FakeClock) -> None:
    slow.tree(a="0")
    slow.sync(direction="ZooKeeperToConfigMap")
    await _in_sync(slow, clock)
    before, late_s, seen_s = _patches(slow), 0.0, clock.now_s()
    for number in range(1, 501):
        slow.node("a", str(number))
        await clock.advance(STEP_S)
        shown = int((slow.data() or {})["a"])
        late_s = max(late_s, (number - shown) * STEP_S)
    assert clock.now_s() - seen_s == pytest.approx(10.0)
    assert _patches(slow) - before == 9
    assert late_s <= 2.0 + 2 * STEP_S
    await _pass_s(clock, 0.1)
    assert slow.data() == {"a": b"500"}


async def test_the_first_change_after_a_pause_waits_for_nothing(slow: World, clock: FakeClock) -> None:
    slow.tree(a="0")
    slow.sync(direction="ZooKeeperToConfigMap")
    await _in_sync(slow, clock)
    slow.node("a", "1")
    await slow.until(lambda: slow.data() == {"a": b"1"})


async def test_a_burst_restarts_a_workload_exactly_once_when_it_has_settled(slow: World, clock: FakeClock) -> None:
    _workload(slow)
    slow.tree(a="0")
    slow.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    await _in_sync(slow, clock)
    assert _restarts(slow) == 1
    await _pass_s(clock, 30)
    for number in range(1, 101):
        slow.node("a", str(number))
        await _pass_s(clock, 0.1)
    assert _restarts(slow) == 1
    await _pass_s(clock, 20)
    assert slow.data() == {"a": b"100"}
    assert _restarts(slow) == 2


async def test_two_config_syncs_share_the_limit_of_one_workload(slow: World, clock: FakeClock) -> None:
    _workload(slow)
    slow.tree(a="0")
    slow.write(*_tree("/apps/other"))
    slow.sync(rollout=[{"kind": "Deployment", "name": "web"}])
    slow.sync("other", path="/apps/other", rollout=[{"kind": "Deployment", "name": "web"}])
    await _pass_s(clock, 5)
    assert _restarts(slow) == 1
    slow.node("a", "1")
    await _pass_s(clock, 3)
    slow.write(Set("/apps/other/z", b"2", -1))
    await _pass_s(clock, 4)
    assert _restarts(slow) == 1
    await _pass_s(clock, 15)
    assert _restarts(slow) == 2


async def test_a_change_of_many_config_syncs_restarts_few_workloads_at_once(slow: World, clock: FakeClock) -> None:
    names = [f"s{number:02}" for number in range(30)]
    template = {"metadata": {"labels": {"app": "w"}}, "spec": {"containers": [{"name": "w", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"app": "w"}}, "template": template}
    for name in names:
        slow.write(*_tree(f"/apps/{name}"))
        meta = {"name": name, "namespace": NAMESPACE}
        slow.kube.put(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
        rollout = [{"kind": "Deployment", "name": name}]
        slow.sync(name, path=f"/apps/{name}", direction="ZooKeeperToConfigMap", rollout=rollout)

    def restarted() -> int:
        return sum(item["metadata"]["generation"] > 1 for item in slow.kube.every(DEPLOYMENTS))

    await _pass_s(clock, 2.5)
    assert 0 < restarted() <= 11
    await _pass_s(clock, 10)
    assert restarted() <= 22
    await _pass_s(clock, 20)
    assert restarted() == 30
