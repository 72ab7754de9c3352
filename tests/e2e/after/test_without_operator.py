"""What an ensemble does when its operator has stopped for good: everything that matters to its clients."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Space, cluster
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_site import operator_of
from tests.support.worlds.ensemble_story import Ensemble

pytestmark = pytest.mark.usefixtures("operator_away")
DELETE = {"size": "1Gi", "retention": {"whenDeleted": "Delete"}}


async def test_it_survives_restarts_and_elections_and_is_deleted_at_once(
    space: Space, kubeconfig: Path, tmp_path: Path
) -> None:
    main = Ensemble(space)
    operator = operator_of(space, kubeconfig, tmp_path)

    async def all_serve() -> bool:
        pods = await main.pods()
        return sorted([await main.mode(pod) for pod in pods.values()]) == ["follower", "follower", "leader"]

    async def only_main() -> bool:
        claims = {"data-main-zk-0", "data-main-zk-1", "data-main-zk-2", "data-kept-zk-0"}
        assert set(await main.uids("persistentvolumeclaims")) == claims
        names = [item["metadata"]["name"] for plural in ("pods", "services") for item in await space.items(plural)]
        return all(name.startswith("main-zk") for name in names)

    with operator:
        await space.apply(cluster(3), cluster(1, name="kept"), cluster(1, name="gone", storage=DELETE))
        status = await main.ready(3)
        for name in ("kept", "gone"):
            await Ensemble(space, name).ready(1)
        operator.stop()
    async with main.written():
        before = await main.uids()
        follower = next(member["name"] for member in status["members"] if member["role"] == "follower")
        for pod in (follower, status["leader"]):
            await main.delete("pods", pod)
            await eventually(all_serve, within_s=180, every_s=0.2)
        after = await main.uids()
        assert {name for name in before if after[name] != before[name]} == {follower, status["leader"]}
        for name in ("kept", "gone"):
            await main.delete("zookeeperclusters", name)
            assert await space.get("zookeeperclusters", name) is None, "something holds it back"
        await eventually(only_main, within_s=180)
        with operator:
            await main.edit(replicas=1)
            await main.ready(1)
