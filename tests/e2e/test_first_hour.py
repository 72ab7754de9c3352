"""What keeps members from starting in the first hour, in the words of a real kubelet and scheduler, with what to do."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError

from tests.e2e.conftest import Client, Space, cluster
from tests.support.waiting import eventually

NO_CLAIMS = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-claims"},
    "spec": {"hard": {"count/persistentvolumeclaims": "0"}},
}


@dataclass(frozen=True)
class Case:
    """A spec, what is there beside it, and what a condition says of it."""

    claim: str
    condition: str
    reason: str
    says: tuple[str, ...]
    spec: dict[str, Any]
    beside: tuple[dict[str, Any], ...] = ()

    def __str__(self) -> str:
        return self.claim.replace(" ", "-")


CASES = (
    Case(
        "an image that cannot be pulled",
        "Degraded",
        "PodFailing",
        ("main-zk-0: ", "check spec.image, spec.imagePullPolicy and spec.imagePullSecrets"),
        {"image": "registry.invalid/zookeeper:3.9.5"},
    ),
    Case(
        "a storage class that does not exist",
        "Degraded",
        "Unschedulable",
        ("main-zk-0: Unschedulable", "create the StorageClass", "spec.storage.storageClassName"),
        {"storage": {"storageClassName": "nowhere", "size": "1Gi"}},
    ),
    Case(
        "more memory than any node has",
        "Degraded",
        "Unschedulable",
        ("main-zk-0: Unschedulable", "Insufficient memory"),
        {"resources": {"requests": {"memory": "900Gi"}}},
    ),
    Case(
        "a quota that leaves no room",
        "Degraded",
        "PodFailing",
        ("data-main-zk-0 cannot be created", "exceeded quota"),
        {},
        (NO_CLAIMS,),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_a_condition_says_why_no_member_starts_and_what_to_do(space: Space, case: Case) -> None:
    if case.beside:
        await space.apply(*case.beside)
    await space.apply(cluster(1, **case.spec))
    await _told(space, case)


OUTGROWN = Case(
    "a memory limit that the data outgrow",
    "Degraded",
    "PodFailing",
    ("main-zk-0: ", "OOMKilled", "raise spec.resources.limits.memory"),
    {"resources": {"limits": {"memory": "80Mi"}}, "jvm": {"heapPercent": 80}},
)


async def test_a_member_that_is_killed_for_its_memory_is_told_with_the_field_to_raise(space: Space) -> None:
    await space.apply(cluster(1, **OUTGROWN.spec))
    await space.until("zookeeperclusters", "main", "Ready", "True", within_s=300)
    async with Client(space) as zk:
        await asyncio.to_thread(_fill, zk)
        await _told(space, OUTGROWN)


def _fill(zk: KazooClient) -> None:
    """Write more than the limit leaves room for beside the server itself, or until that is gone."""
    for number in range(60):
        try:
            zk.create(f"/filler-{number}", b"x" * 900_000)
        except (KazooException, KazooTimeoutError):
            return


async def _told(space: Space, case: Case) -> None:
    async def told() -> str | None:
        found = await space.condition("zookeeperclusters", "main", case.condition)
        message = str(found.get("message", ""))
        assert found["reason"] == case.reason, found
        return message if all(part in message for part in case.says) else None

    assert await eventually(told, within_s=300, every_s=0.5)
