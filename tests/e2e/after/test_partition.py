"""Nodes that are drained and nodes that are cut off: each takes one voter, and no write is lost."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from tests.e2e.conftest import Manifest, Space, cluster, kubectl
from tests.support.machines.ensemble_machine import Machine
from tests.support.waiting import eventually
from tests.support.worlds.ensemble_story import Ensemble

DRAIN = ("--pod-selector=app.kubernetes.io/instance=drained", "--ignore-daemonsets", "--delete-emptydir-data")


def items(*arguments: str) -> list[Manifest]:
    return list(json.loads(kubectl("get", *arguments, "-o", "json"))["items"])


@contextlib.asynccontextmanager
async def undrained(*nodes: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for node in nodes:
            await asyncio.to_thread(kubectl, "uncordon", node)


async def spread(space: Space) -> tuple[Ensemble, dict[str, str]]:
    """Three members that are Ready, each on a node of its own; and the nodes."""
    drained = Ensemble(space, "drained")
    await space.apply(cluster(3, name="drained"))
    await drained.ready(3)
    nodes = {name: pod["spec"]["nodeName"] for name, pod in (await drained.pods()).items()}
    if len(set(nodes.values())) < 3:
        pytest.skip("needs a cluster of three nodes")
    return drained, nodes


async def test_a_drained_or_a_cut_off_node_takes_one_voter_and_no_write(space: Space, machine: Machine) -> None:
    drained, nodes = await spread(space)

    async def unscheduled() -> bool:
        pod = (await drained.pods()).get("drained-zk-0", {})
        return bool(pod.get("status", {}).get("phase") == "Pending")

    def lost() -> bool:
        found = {node["metadata"]["name"]: node["status"]["conditions"] for node in items("nodes")}
        return any(c["type"] == "Ready" and c["status"] != "True" for c in found[cut])

    async with drained.written(patience_s=60) as writer:
        first, second = nodes["drained-zk-0"], nodes["drained-zk-1"]
        async with undrained(first, second):
            await asyncio.to_thread(kubectl, "drain", first, *DRAIN, "--timeout=60s")
            await eventually(unscheduled, within_s=180)
            with pytest.raises(AssertionError, match="disruption budget"):
                await asyncio.to_thread(kubectl, "drain", second, *DRAIN, "--timeout=4s")
            await drained.says("Degraded", reason="Unschedulable", text="drained-zk-0")
            assert (await drained.condition("Available"))["status"] == "True"
        before = await drained.ready(3)

        operators = ("pods", "-n", "zkoperator-system", "-l", "app.kubernetes.io/name=zkoperator")
        theirs = {pod["spec"]["nodeName"] for pod in await asyncio.to_thread(items, *operators)}
        cut = next(node for node in nodes.values() if node not in theirs)
        uids, written = await drained.uids(), len(writer.report.created)
        with machine.cut_off(cut):
            await drained.says("Ready", status="False")
            await eventually(lambda: asyncio.to_thread(lost), within_s=180)
            await eventually(lambda: len(writer.report.created) > written + 20, within_s=60)
            assert (await drained.condition("Available"))["status"] == "True"
            assert (await drained.status())["configVersion"] == before["configVersion"]
            assert await drained.uids() == uids
        after = await drained.ready(3)
        assert (after["configVersion"], await drained.uids()) == (before["configVersion"], uids)
