"""Taking everything away as the how-to page says: the last that is done to a cluster."""

import asyncio
from pathlib import Path

from tests.e2e.conftest import Client, Space, cluster, kubectl, sync
from tests.support.models.documents import Shell, documented
from tests.support.waiting import eventually

HOWTO = "docs/howto-uninstall.md"


async def test_what_is_left_is_what_was_to_be_kept(space: Space, tmp_path: Path) -> None:
    await space.apply(cluster(1))
    await space.until("zookeeperclusters", "main", "Ready", "True", within_s=300)
    async with Client(space) as kazoo:
        for name in ("kept", "given-up"):
            await asyncio.to_thread(kazoo.create, f"/apps/{name}/colour", b"blue", makepath=True)
    given_up = sync("/apps/given-up", name="given-up", onDelete="DeleteConfigMap")
    await space.apply(sync("/apps/kept", name="kept"), given_up)
    for name in ("kept", "given-up"):
        await space.until("configsyncs", name, "Ready", "True")
        assert await space.get("configmaps", name) is not None
    claims = {claim["metadata"]["uid"] for claim in await space.items("persistentvolumeclaims")}

    shell = Shell(tmp_path)
    printed = [await asyncio.to_thread(shell.run, command) for command in documented(HOWTO, "All of it")]

    assert f"{space.name} " in printed[-1]
    assert {claim["metadata"]["uid"] for claim in await space.items("persistentvolumeclaims")} == claims
    assert await space.get("configmaps", "given-up") is None
    left = await space.get("configmaps", "kept")
    assert left is not None and left["data"] == {"colour": "blue"}

    async def nothing_runs() -> bool:
        return await space.items("pods") == [] == await space.items("statefulsets")

    await eventually(nothing_runs, within_s=120)
    ours = ("-A", "-l", "app.kubernetes.io/name=zkoperator", "-o", "name")
    found = kubectl("get", "crds,clusterroles,clusterrolebindings,roles,rolebindings,deployments,services", *ours)
    assert found.split() == []
    assert "zkoperator.dev" not in kubectl("get", "crds", "-o", "name")
