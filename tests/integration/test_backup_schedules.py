"""Schedules of backups against a real API server: its names, its labels, its preconditions. The clock is the test's."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.api import ApiServer
from tests.support.machines.api_client import ApiClient
from tests.support.worlds.kills import KilledError
from tests.support.worlds.kube_contract import client_of, install
from tests.support.worlds.schedule_site import schedule
from zkoperator.backup.schedule.reconcile import ScheduleReconciler
from zkoperator.errors import ConflictError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import ZOOKEEPER_BACKUP_SCHEDULES, ZOOKEEPER_BACKUPS, Manifest, Resource
from zkoperator.runtime.keys import Key
from zkoperator.runtime.wall_clock import time_text

CRDS = Path(__file__).parents[2] / "crds"


class Site:
    """One namespace with a schedule, and operators that live at a time of the test's choice."""

    def __init__(self, api: KubeClient, namespace: str) -> None:
        self.api = api
        self.key = Key(namespace, "hourly")
        self.wall = datetime.now(UTC)

    def operator(self, api: Any = None) -> ScheduleReconciler:
        return ScheduleReconciler(api or self.api, wall=lambda: self.wall)

    async def plan(self, **spec: Any) -> None:
        manifest = {key: value for key, value in schedule(**spec).items() if key in ("spec",)}
        await self.api.create(
            ZOOKEEPER_BACKUP_SCHEDULES, self.key.namespace, {"metadata": {"name": "hourly"}, **manifest}
        )

    async def look(self) -> None:
        """Passes until one finds nothing to do."""
        for _ in range(20):
            try:
                if (await self.operator().reconcile(self.key)).after_s > 0:
                    return
            except ConflictError:
                continue
        raise AssertionError("it does not come to rest")

    async def backups(self) -> list[str]:
        listing = await self.api.list(ZOOKEEPER_BACKUPS, self.key.namespace)
        return sorted(item["metadata"]["name"] for item in listing.items)

    async def complete(self, name: str) -> None:
        """What the reconciler of backups writes when the copy is stored and sound."""
        now = time_text(self.wall)
        done = {"status": "True", "reason": "Complete", "message": "", "lastTransitionTime": now}
        status = {
            "completedAt": now,
            "verifiedAt": now,
            "znodes": 30,
            "conditions": [{"type": kind, **done} for kind in ("Complete", "Verified")],
        }
        await self.api.patch(ZOOKEEPER_BACKUPS, self.key.namespace, name, {"status": status}, subresource="status")

    async def status(self) -> Manifest:
        found = await self.api.get(ZOOKEEPER_BACKUP_SCHEDULES, *self.key)
        assert found is not None
        status: Manifest = found["status"]
        return status


class Dying:
    """The API of an operator that is killed right after it has made a backup."""

    def __init__(self, api: KubeClient) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    async def create(self, resource: Resource, namespace: str, manifest: Manifest) -> Manifest:
        await self._api.create(resource, namespace, manifest)
        raise KilledError


@pytest.fixture
async def site(api_server: ApiServer, namespace: str) -> AsyncIterator[Site]:
    async with client_of(api_server) as api, ApiClient(api_server.kubeconfig) as user:
        for name in ("zookeeperbackups", "zookeeperbackupschedules"):
            await install(user, yaml.safe_load((CRDS / f"{name}.yaml").read_text()))
        yield Site(api, namespace)


async def test_each_run_makes_a_backup_and_what_is_not_kept_is_deleted(site: Site) -> None:
    await site.plan(retention={"last": 1, "daily": 0, "weekly": 0})
    by_hand = {"metadata": {"name": "by-hand"}, "spec": {**schedule()["spec"]["template"], "hosts": "a:2181"}}
    await site.api.create(ZOOKEEPER_BACKUPS, site.key.namespace, by_hand)
    await site.complete("by-hand")
    made: list[str] = []
    for _ in range(3):
        site.wall += timedelta(hours=1)
        await site.look()
        made += [name for name in await site.backups() if name not in (*made, "by-hand")]
        await site.complete(made[-1])
        await site.look()
        assert await site.backups() == ["by-hand", made[-1]]
    assert len(made) == 3
    status = await site.status()
    assert (status["lastBackup"], status["backups"]) == (made[-1], 1)
    assert [each["status"] for each in status["conditions"] if each["type"] == "Healthy"] == ["True"]


async def test_an_operator_that_is_killed_after_it_has_made_a_backup_makes_it_once(site: Site) -> None:
    await site.plan()
    site.wall += timedelta(hours=1)
    with pytest.raises(KilledError):
        await site.operator(Dying(site.api)).reconcile(site.key)
    (name,) = await site.backups()
    assert (await site.status()).get("lastBackup", "") == ""
    await site.look()
    assert await site.backups() == [name]
    assert (await site.status())["lastBackup"] == name


async def test_several_operators_at_once_make_one_backup_of_a_run(site: Site) -> None:
    await site.plan()
    site.wall += timedelta(hours=1)
    operators = [site.operator() for _ in range(4)]
    for _ in range(4):
        await asyncio.gather(*(each.reconcile(site.key) for each in operators), return_exceptions=True)
    assert len(await site.backups()) == 1
