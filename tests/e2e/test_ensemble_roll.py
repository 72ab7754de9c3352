"""Rolling restarts with a writer running: followers first, the leader last, never a second member after a bad one."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.e2e.conftest import BOTH_WIRES, SMALL, Space, cluster, kubectl
from tests.support.waiting import eventually
from tests.support.worlds.drainer import Drainer
from tests.support.worlds.ensemble_story import Ensemble, restart_order

OLDEST, OLD, NEW = (f"docker.io/library/zookeeper:{version}" for version in ("3.8.6", "3.9.4", "3.9.5"))
MEMBERS = ["main-zk-0", "main-zk-1", "main-zk-2"]


async def test_a_new_configuration_new_resources_and_a_pod_field_roll_followers_first(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    changes: tuple[tuple[dict[str, Any], Callable[[dict[str, Any]], bool]], ...] = (
        ({"config": {"tickTime": "3000"}}, lambda pod: True),
        (
            {
                "resources": SMALL | {"requests": {"cpu": "30m", "memory": "192Mi"}},
                "pod": {"labels": {"team": "blue"}},
            },
            lambda pod: (
                pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "30m"
                and pod["metadata"]["labels"].get("team") == "blue"
            ),
        ),
    )
    async with main.written():
        for spec, holds in changes:
            leader = (await main.ready(3))["leader"]
            order = await restart_order(main, lambda spec=spec: main.edit(**spec))  # type: ignore[misc]
            assert (sorted(order), order[-1]) == (MEMBERS, leader), f"{spec}: {order}"
            assert all(map(holds, (await main.pods()).values()))
    for name in MEMBERS:
        assert "tickTime=3000" in await space.run(name, "cat /data/conf/zoo.cfg")


async def test_a_stuck_roll_stops_at_one_member_is_named_and_is_replaced_by_the_next_spec(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    before = await main.uids()
    stuck = (
        ({"image": "docker.io/library/zookeeper:0.0.1"}, "PodFailing", "Image"),
        ({"image": NEW, "pod": {"nodeSelector": {"there-is": "no-such-node"}}}, "Unschedulable", "Unschedulable"),
        (
            {"pod": {"nodeSelector": None}, "jvm": {"flags": ["-XX:+UseSerialGC", "-XX:+UseG1GC"]}},
            "PodFailing",
            "CrashLoopBackOff",
        ),
    )
    async with main.written():
        for spec, reason, text in stuck:
            await main.edit(**spec)
            message = await main.says("Degraded", reason=reason, text=text)
            await main.says("Progressing", reason="Blocked", text="2 of 3 voters")
            assert (await main.condition("Available"))["status"] == "True"
            after = await main.uids()
            touched = [name for name, uid in before.items() if after[name] != uid]
            assert len(touched) == 1, f"{reason}: a second member was touched"
            assert touched[0] in message
            shown = await asyncio.to_thread(kubectl, "-n", space.name, "get", "zk", "main")
            assert "False" in shown and "Blocked" in shown and touched[0] in shown, shown
            await eventually(lambda: space.noted(reason, touched[0]), within_s=180)  # noqa: B023 - awaited at once
        await main.edit(jvm={"flags": []})
        await main.ready(3)


async def test_restarts_are_done_when_asked_for_all_or_for_one_and_never_without_need(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    async with main.written():
        before = await main.uids()
        await main.edit(imagePullPolicy="Never", storage={"retention": {"whenDeleted": "Delete"}})
        await main.ready(3)
        await asyncio.sleep(3)
        assert await main.uids() == before

        async def ask_one() -> None:
            patch = {"metadata": {"annotations": {"zkoperator.dev/restart": "now"}}}
            await space.api.merge(space.path("pods", "main-zk-1"), patch)
            await main.says("Ready", status="False")

        assert await restart_order(main, ask_one) == ["main-zk-1"]

        async def ask_all() -> None:
            await main.annotate(restart="today")
            await main.says("Ready", status="False")

        async with Drainer(main) as drainer:
            assert len(await restart_order(main, ask_all)) == 3
        assert drainer.taken == [], "an eviction in the moment of a restart took a second member"
        assert drainer.moments >= 3
        assert drainer.refused >= drainer.moments
        space.tell(f"{drainer.refused} evictions asked for beside {drainer.moments} restarts were refused")


@BOTH_WIRES
async def test_upgrades_from_release_to_release_lose_nothing(space: Space) -> None:
    # The way back is an edit like this one; tests/integration/test_testbed_zookeepers.py shows that a server takes it.
    main = Ensemble(space)
    await space.apply(space.cluster(3, image=OLDEST))
    assert (await main.ready(3))["version"] == "3.8.6"
    async with main.written():
        for image, version in ((OLD, "3.9.4"), (NEW, "3.9.5")):
            await main.edit(image=image)
            await main.says("Progressing", reason="Upgrading")
            status = await main.ready(3)
            assert (status["version"], [m["version"] for m in status["members"]]) == (version, [version] * 3)
            assert {pod["spec"]["containers"][0]["image"] for pod in (await main.pods()).values()} == {image}
            warned = "CVE-2026-24281" in (await main.condition("Degraded"))["message"]
            assert warned is (image == OLD)
