"""Rolling restarts with a writer running: followers first, the leader last, never a second member after a bad one."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Space, cluster
from tests.support.ensemble_story import Ensemble, Watchman, restart_order

OLD, NEW = "docker.io/library/zookeeper:3.9.3", "docker.io/library/zookeeper:3.9.4"


async def test_a_new_configuration_rolls_followers_first_and_the_leader_last(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    leader = (await main.ready(3))["leader"]
    async with main.written():
        order = await restart_order(main, lambda: main.edit(config={"tickTime": "3000"}))
    assert sorted(order) == ["main-zk-0", "main-zk-1", "main-zk-2"]
    assert order[-1] == leader


async def test_a_change_that_needs_no_restart_restarts_nobody(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    before = await main.uids()
    await main.edit(imagePullPolicy="Never", storage={"retention": {"whenDeleted": "Delete"}})
    await main.ready(3)
    await asyncio.sleep(3)
    assert await main.uids() == before


async def test_a_bad_image_stops_at_one_member_is_named_and_is_replaced_by_the_next_spec(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    before = await main.uids()
    async with main.written():
        await main.edit(image="docker.io/library/zookeeper:0.0.1")
        await main.says("Degraded", reason="PodFailing", text="main-zk-")
        await main.says("Progressing", reason="Blocked", text="2 of 3 voters")
        assert (await main.condition("Available"))["status"] == "True"
        after = await main.uids()
        assert sum(after[name] != uid for name, uid in before.items()) == 1, "a second member was touched"
        await main.edit(image=NEW)
        await main.ready(3)


async def test_a_restart_is_done_when_it_is_asked_for_all_or_for_one(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written():

        async def ask_one() -> None:
            patch = {"metadata": {"annotations": {"zkoperator.dev/restart": "now"}}}
            await space.api.merge(space.path("pods", "main-zk-1"), patch)
            await main.says("Ready", status="False")

        assert await restart_order(main, ask_one) == ["main-zk-1"]

        async def ask_all() -> None:
            await main.annotate(restart="today")
            await main.says("Ready", status="False")

        assert len(await restart_order(main, ask_all)) == 3


async def test_an_upgrade_and_its_return_lose_nothing(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3, image=OLD))
    assert (await main.ready(3))["version"] == "3.9.3"
    assert "ZOOKEEPER-4925" in await main.says("Degraded", status="False", text="warning")
    async with main.written():
        await main.edit(image=NEW)
        await main.says("Progressing", reason="Upgrading")
        status = await main.ready(3)
        assert (status["version"], {m["version"] for m in status["members"]}) == ("3.9.4", {"3.9.4"})
        await main.edit(image=OLD)
        assert (await main.ready(3))["version"] == "3.9.3"


@pytest.mark.exhaustive
async def test_never_more_than_one_member_is_away_in_a_roll(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    worst: list[int] = [3]

    def see(pods: dict[str, Any]) -> None:
        worst[0] = min(worst[0], len(pods))

    change: Callable[[], Any] = lambda: main.edit(jvm={"heapPercent": 40})  # noqa: E731
    async with main.written(), Watchman(main, see):
        await restart_order(main, change)
    assert worst == [2]
