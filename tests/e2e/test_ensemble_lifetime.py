"""From the first object to the last: bootstrap once, pause, deletion and return, what `kubectl get` shows."""

import asyncio
from typing import Any

from tests.e2e.conftest import BOTH_WIRES, Space, cluster, kubectl
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble


async def gone(space: Space) -> None:
    async def no_pods() -> bool:
        return not await space.items("pods") and await space.get("statefulsets", "main-zk") is None

    await eventually(no_pods, within_s=180)


NAMELESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "nameless"},
    "spec": {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "ports": [
                    {"protocol": "TCP", "port": 1, "endPort": 52},
                    {"protocol": "TCP", "port": 54, "endPort": 65535},
                ]
            }
        ],
    },
}
"""Pods of the namespace reach everything but name servers."""


async def test_members_whose_names_do_not_resolve_at_first_found_one_ensemble_once_the_operator_grants_egress(
    space: Space,
) -> None:
    """A policy of the namespace keeps members from the name service until the operator's own policy lets them."""
    main = Ensemble(space)
    await space.apply(NAMELESS, cluster(3))
    status = await main.ready(3)
    assert status["bootstrap"]["complete"] is True
    assert [await main.configurations(ordinal) for ordinal in (0, 1, 2)] == [[{1, 2, 3}]] * 3, "founded more than once"
    policy = await space.get("networkpolicies", "main-zk")
    assert policy is not None and "Egress" in policy["spec"]["policyTypes"]


async def test_an_object_made_again_on_kept_volumes_has_its_data(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    version = (await main.ready(3))["configVersion"]
    async with main.written() as writer:
        await eventually(lambda: len(writer.report.created) > 20, within_s=180)
    await main.delete("zookeeperclusters", "main")
    await gone(space)
    await space.apply(cluster(3))
    status = await main.ready(3)
    assert status["configVersion"] == version, "the ensemble was founded anew"
    await main.read_back(writer)


async def test_an_object_made_again_at_once_waits_for_the_old_one_to_go(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(1))
    await main.ready(1)
    async with main.written() as writer:
        await eventually(lambda: len(writer.report.created) > 20, within_s=180)
    await main.delete("zookeeperclusters", "main")
    await space.apply(cluster(3))
    await main.ready(3)
    await main.read_back(writer)


async def test_deletion_takes_the_claims_along_only_when_the_policy_says_so(space: Space) -> None:
    await space.apply(
        cluster(1, name="kept"),
        cluster(1, name="main", storage={"size": "1Gi", "retention": {"whenDeleted": "Delete"}}),
    )
    await Ensemble(space, "kept").ready(1)
    main = Ensemble(space)
    await main.ready(1)
    for name in ("kept", "main"):
        assert "finalizers" not in (await Ensemble(space, name).get())["metadata"]
        await main.delete("zookeeperclusters", name)

    async def only_the_kept_one() -> bool:
        return set(await main.uids("persistentvolumeclaims")) == {"data-kept-zk-0"}

    await eventually(only_the_kept_one, within_s=180)


async def test_a_paused_cluster_is_watched_and_left_alone(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(3))
    await main.ready(3)
    before = await main.uids()
    await main.edit(paused=True)
    await main.edit(replicas=5, config={"tickTime": "3000"})
    await main.says("Progressing", status="False", reason="Paused", text="held back")
    await main.says("Ready", status="False")
    leader = (await main.status())["leader"]
    await main.delete("pods", leader)

    async def noticed() -> bool:
        return (await main.status())["leader"] not in ("", leader)

    async def replaced() -> bool:
        return (await main.uids()).get(leader, before[leader]) != before[leader]

    await eventually(noticed, within_s=180)
    await eventually(replaced, within_s=180)
    after = await main.uids()
    assert set(after) == set(before)
    assert {name for name in before if after[name] != before[name]} == {leader}
    await main.edit(paused=False)
    await main.ready(5)


@BOTH_WIRES
async def test_kubectl_alone_says_whether_it_is_fine(shared: Space) -> None:
    main = Ensemble(shared)
    await asyncio.to_thread(kubectl, "-n", shared.name, "wait", "--for=condition=Ready", "zk/main", "--timeout=120s")
    status = await main.status()
    assert status["endpoint"] == f"main-zk.{shared.name}.svc.cluster.local:{shared.wire.port}"
    assert status["hosts"].count(f":{shared.wire.port}") == 3
    assert sorted(member["role"] for member in status["members"]) == ["follower", "follower", "leader"]
    assert status["leader"] in await asyncio.to_thread(kubectl, "-n", shared.name, "get", "zk")
    events = [event for event in await shared.items("events") if event["regarding"]["kind"] == "ZooKeeperCluster"]
    assert {"Bootstrap", "InSync"} <= {event["reason"] for event in events}
    password = (await shared.get("secrets", "main-zk-admin") or {})["data"]["password"]
    assert password not in str(events) + str(await main.get()) + str(await shared.get("statefulsets", "main-zk"))


@BOTH_WIRES
async def test_a_settled_cluster_causes_no_writes(shared: Space) -> None:
    async def versions() -> dict[str, Any]:
        kinds = ("configmaps", "services", "statefulsets", "persistentvolumeclaims", "zookeeperclusters")
        return {
            f"{kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for kind in kinds
            for item in await shared.items(kind)
            if item["metadata"]["name"].startswith(("main", "data-main"))
        }

    async def nothing_is_written() -> bool:
        before = await versions()
        await asyncio.sleep(6)
        assert len(before) > 6
        return await versions() == before

    # Where many share a machine, a member that is late with an answer is news.
    await eventually(nothing_is_written, within_s=120)


async def test_an_invalid_edit_is_named_and_the_ensemble_runs_on(space: Space) -> None:
    main = Ensemble(space)
    await space.apply(cluster(1))
    await main.ready(1)
    before = await main.uids()
    await main.edit(resources={"requests": {"memory": "2Gi"}})
    assert "spec.resources.requests[memory]" in await main.says("Degraded", reason="InvalidSpec")
    assert await main.uids() == before
    await main.edit(resources={"requests": {"memory": "192Mi"}})
    await main.ready(1)
