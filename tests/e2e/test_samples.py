"""Every sample is applied as it is, and becomes what its first lines say.

`cluster-full` needs five large nodes and `cluster-external` a load balancer, so they stay dry runs, in
tests/integration/test_crds.py. `backup`, `backup-schedule` and `restore` are what tests/e2e/test_backup.py tries with
the ensemble that is there, and `tenant` what tests/e2e/test_tenant.py does. `cluster` is the first ensemble of the
README, which tests/e2e/test_documents.py waits for.
"""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from kazoo.exceptions import NoAuthError

from tests.e2e.conftest import Client, Space, kubectl
from tests.support.models.documents import ROOT, Shell, documented
from tests.support.waiting import eventually

SAMPLES = ROOT / "manifests" / "samples"
CLUSTERS = {"single": "single", "cluster-restart": "restarted"}
SYNCS = {
    "sync-adopt": ("billing", "InSync"),
    "sync-credentials": ("stock", "InSync"),
    "sync-dry-run": ("trial", "DryRun"),
    "sync-external": ("orders", "HostNotAllowed"),
    "sync-file": ("shipping", "InSync"),
    "sync-on-delete": ("preview", "InSync"),
    "sync-pull": ("shop", "SourceMissing"),
    "sync-push": ("from-git", "InSync"),
    "sync-secret": ("payments", "InSync"),
    "sync-registry": ("services", "SourceMissing"),
    "sync-sources": ("till", "SourceMissing"),
    "sync-template": ("web", "SourceMissing"),
    "sync-two-way": ("checkout", "InSync"),
}
"""The ConfigSync of each sample, and the reason of its Ready."""
ELSEWHERE = ("backup", "backup-schedule", "cluster", "cluster-external", "cluster-full", "restore", "tenant")
"""What is tried by other tests."""


def test_every_sample_is_tried() -> None:
    assert {path.stem for path in SAMPLES.glob("*.yaml")} == {*CLUSTERS, *SYNCS, *ELSEWHERE}
    first = [command for command in documented("README.md", "Install") if "zk/main" in command]
    assert first == ["kubectl wait --for=condition=Ready zk/main --timeout=5m"]


def apply(space: Space, sample: str) -> None:
    kubectl("-n", space.name, "apply", "-f", str(SAMPLES / f"{sample}.yaml"))


@pytest.mark.parametrize("sample", CLUSTERS)
async def test_a_sample_of_an_ensemble_becomes_ready(space: Space, sample: str) -> None:
    await asyncio.to_thread(apply, space, sample)
    await space.until("zookeeperclusters", CLUSTERS[sample], "Ready", "True", within_s=300)


async def reason(space: Space, sync: str, expected: str) -> None:
    async def holds() -> bool:
        found = await space.condition("configsyncs", sync, "Ready")
        assert found["reason"] == expected, (sync, found)
        return True

    await eventually(holds, within_s=180, every_s=0.5)


async def test_the_samples_of_syncs_become_what_they_say(space: Space, tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    await asyncio.to_thread(shell.run, f"kubectl config set-context --current --namespace {space.name}")
    for sample in SYNCS:
        await asyncio.to_thread(apply, space, sample)
    await space.until("zookeeperclusters", "sample", "Ready", "True")
    for sync, expected in SYNCS.values():
        await reason(space, sync, expected)
    for sample in SYNCS:
        for command in re.findall(r"^#   (kubectl .*)$", (SAMPLES / f"{sample}.yaml").read_text(), re.MULTILINE):
            await asyncio.to_thread(shell.run, command)
    await reason(space, "shop", "InSync")
    await holds_on_both_sides(space)


async def holds_on_both_sides(space: Space) -> None:
    """What the samples are about, in the words of an independent client."""
    async with Client(space, "sample") as zk:

        async def value(path: str) -> bytes:
            data: bytes = (await asyncio.to_thread(zk.get, path))[0]
            return data

        assert await value("/from-git/db/pool_size") == b"20"
        assert await value("/billing/currency") == b"EUR"
        assert await value("/shipping/db/url") == b"jdbc:postgresql://db/shipping"
        assert await asyncio.to_thread(zk.exists, "/trial") is None
        with pytest.raises(NoAuthError):
            await value("/stock/warehouse")
        await eventually(lambda: shows(space, "shop", {"colour": "blue"}))

        await asyncio.to_thread(zk.create, "/services/a", b"10.0.0.1", ephemeral=True)
        await eventually(lambda: shows(space, "services", {"a": "10.0.0.1"}))
        await asyncio.to_thread(zk.delete, "/services/a")
        await eventually(lambda: shows(space, "services", {}))

        await asyncio.to_thread(zk.set, "/checkout/colour", b"green")
        await eventually(lambda: shows(space, "checkout-settings", {"colour": "green"}))
        await eventually(lambda: says(space, "checkout", "colour is green"), within_s=120)

        await asyncio.to_thread(kubectl, "-n", space.name, "delete", "zksync", "preview", "--timeout=60s")
        assert await asyncio.to_thread(zk.exists, "/preview/colour") is None
    assert await space.get("configmaps", "preview") is not None


async def shows(space: Space, config_map: str, expected: dict[str, Any]) -> bool:
    found = await space.get("configmaps", config_map) or {}
    keys = {key: text for key, text in (found.get("data") or {}).items() if not key.startswith("__")}
    assert keys == expected
    return True


async def says(space: Space, app: str, line: str) -> bool:
    """Whether some pod of the application runs with it."""
    logs = await asyncio.to_thread(kubectl, "-n", space.name, "logs", "-l", f"app={app}", "--tail=1")
    return line in logs.splitlines()
