"""Deletions, evictions, subresources and watches: the fake does what a real API server does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import pytest

from tests.support.waiting import eventually
from tests.support.worlds.kube_contract import WIDGETS, KubeWorld, config_map, data_of, fake_world, real_world, widget
from zkoperator.errors import ConflictError
from zkoperator.kube.port import (
    CONFIG_MAPS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    BudgetSpentError,
    Manifest,
    ManyBudgetsError,
    WatchEvent,
)


@pytest.fixture(params=["memory", "server"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[KubeWorld]:
    if request.param == "memory":
        async with fake_world() as found:
            yield found
    else:
        server, namespace = request.getfixturevalue("api_server"), request.getfixturevalue("namespace")
        async with real_world(server, namespace) as found:
            yield found


class TestDeleting:
    async def test_what_is_deleted_is_gone_and_the_second_time_there_is_nothing(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        assert await world.api.delete(CONFIG_MAPS, world.namespace, "shop") is True
        assert await data_of(world) is None
        assert await world.api.delete(CONFIG_MAPS, world.namespace, "shop") is False

    async def test_another_uid_is_a_conflict_and_deletes_nothing(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        with pytest.raises(ConflictError):
            await world.api.delete(CONFIG_MAPS, world.namespace, "shop", uid="00000000-0000-0000-0000-000000000000")
        assert await data_of(world) == {"colour": "red"}

    async def test_a_stale_version_is_a_conflict_and_deletes_nothing(self, world: KubeWorld) -> None:
        created = await world.api.create(CONFIG_MAPS, world.namespace, config_map())
        await world.edit(CONFIG_MAPS, "shop", {"data": {"colour": "green"}})
        version = created["metadata"]["resourceVersion"]
        with pytest.raises(ConflictError):
            await world.api.delete(CONFIG_MAPS, world.namespace, "shop", resource_version=version)
        assert await data_of(world) == {"colour": "green"}

    async def test_a_finalizer_holds_the_object_until_it_is_taken_off(self, world: KubeWorld) -> None:
        await world.api.create(CONFIG_MAPS, world.namespace, config_map(finalizers=["zkoperator.dev/hold"]))
        assert await world.api.delete(CONFIG_MAPS, world.namespace, "shop") is True
        held = await world.api.get(CONFIG_MAPS, world.namespace, "shop")
        assert held is not None
        assert held["metadata"]["deletionTimestamp"]
        await world.api.patch(CONFIG_MAPS, world.namespace, "shop", {"metadata": {"finalizers": None}})
        assert await data_of(world) is None

    async def test_what_the_deleted_object_owned_is_collected(self, world: KubeWorld) -> None:
        owner = await world.api.create(CONFIG_MAPS, world.namespace, config_map("owner"))
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
        await world.api.create(CONFIG_MAPS, world.namespace, config_map("owned", ownerReferences=[reference]))
        await world.api.create(CONFIG_MAPS, world.namespace, config_map("free"))
        await world.api.delete(CONFIG_MAPS, world.namespace, "owner")
        world.collect_garbage()

        async def collected() -> bool:
            return await data_of(world, "owned") is None

        await eventually(collected, within_s=60)
        assert await data_of(world, "free") is not None


class TestEvicting:
    async def test_a_budget_is_spent_by_the_eviction_that_it_lets_pass(self, world: KubeWorld) -> None:
        await self.guarded(world, 2, minAvailable=1)
        assert await world.api.evict(world.namespace, "a") is True
        assert await world.api.get(PODS, world.namespace, "a") is None
        # Nobody has counted again: a deletion in its place would let the next one pass.
        with pytest.raises(BudgetSpentError, match="budget guard needs 1 healthy"):
            await world.api.evict(world.namespace, "b")
        assert await world.api.get(PODS, world.namespace, "b") is not None

    async def test_what_is_gone_cannot_be_evicted(self, world: KubeWorld) -> None:
        assert await world.api.evict(world.namespace, "a") is False

    async def test_a_pod_without_a_budget_is_evicted(self, world: KubeWorld) -> None:
        await self.pod(world, "a")
        assert await world.api.evict(world.namespace, "a") is True
        assert await world.api.get(PODS, world.namespace, "a") is None

    async def test_another_uid_or_version_is_a_conflict_and_evicts_nothing(self, world: KubeWorld) -> None:
        pod = await self.pod(world, "a")
        await world.api.patch(PODS, world.namespace, "a", {"metadata": {"labels": {"b": "c"}}})
        for stale in ({"uid": str(uuid4())}, {"resource_version": pod["metadata"]["resourceVersion"]}):
            with pytest.raises(ConflictError):
                await world.api.evict(world.namespace, "a", **stale)
        assert await world.api.get(PODS, world.namespace, "a") is not None

    async def test_nobody_is_evicted_past_two_budgets(self, world: KubeWorld) -> None:
        await self.guarded(world, 2, minAvailable=1)
        await self.budget(world, "other", minAvailable=0)
        with pytest.raises(ManyBudgetsError):
            await world.api.evict(world.namespace, "a")

    @pytest.mark.parametrize(("policy", "goes"), [("AlwaysAllow", True), ("IfHealthyBudget", False)])
    async def test_a_pod_that_is_not_ready_goes_past_a_budget_only_where_that_says_so(
        self, world: KubeWorld, policy: str, goes: bool
    ) -> None:
        await self.guarded(world, 0, minAvailable=0, unhealthyPodEvictionPolicy=policy)
        await self.pod(world, "a", ready=False)
        world.count_budgets()
        if goes:
            assert await world.api.evict(world.namespace, "a") is True
            return
        with pytest.raises(BudgetSpentError):
            await world.api.evict(world.namespace, "a")

    @classmethod
    async def guarded(cls, world: KubeWorld, pods: int, **spec: Any) -> None:
        """Make ready pods a, b, c... and a budget for them that has been counted."""
        for name in "abc"[:pods]:
            await cls.pod(world, name)
        await cls.budget(world, "guard", **spec)

        async def is_counted() -> bool:
            world.count_budgets()
            status = (await cls.status(world)) or {}
            return status.get("observedGeneration") == 1 and status.get("currentHealthy") == pods

        await eventually(is_counted, within_s=60)

    @staticmethod
    async def status(world: KubeWorld) -> Manifest | None:
        found = await world.api.get(POD_DISRUPTION_BUDGETS, world.namespace, "guard")
        return None if found is None else found.get("status")

    @staticmethod
    async def budget(world: KubeWorld, name: str, **spec: Any) -> None:
        manifest = {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": {"app": "zk"}}, **spec}}
        await world.api.create(POD_DISRUPTION_BUDGETS, world.namespace, manifest)

    @staticmethod
    async def pod(world: KubeWorld, name: str, *, ready: bool = True) -> Manifest:
        spec = {"containers": [{"name": "zookeeper", "image": "none"}], "automountServiceAccountToken": False}
        manifest = {"metadata": {"name": name, "labels": {"app": "zk"}}, "spec": spec}
        await world.api.create(PODS, world.namespace, manifest)
        ready_now = {"type": "Ready", "status": "True" if ready else "False"}
        status = {"phase": "Running", "conditions": [ready_now]}
        made = await world.api.patch(PODS, world.namespace, name, {"status": status}, subresource="status")
        assert made is not None
        return made


class TestWatching:
    async def test_changes_after_a_list_come_in_order(self, world: KubeWorld) -> None:
        listing = await world.api.list(WIDGETS, world.namespace)
        events = asyncio.create_task(self.collect(world, listing.resource_version, 3))
        await world.api.create(WIDGETS, world.namespace, widget(size=1))
        await world.api.patch(WIDGETS, world.namespace, "one", {"spec": {"size": 2}})
        await world.api.delete(WIDGETS, world.namespace, "one")
        found = await events
        assert [(event.type, event.object["spec"]["size"]) for event in found] == [
            ("ADDED", 1),
            ("MODIFIED", 2),
            ("DELETED", 2),
        ]

    async def test_what_happened_before_the_watch_is_sent_first(self, world: KubeWorld) -> None:
        listing = await world.api.list(WIDGETS, world.namespace)
        await world.api.create(WIDGETS, world.namespace, widget("a"))
        await world.api.create(WIDGETS, world.namespace, widget("b"))
        found = await self.collect(world, listing.resource_version, 2)
        assert [event.object["metadata"]["name"] for event in found] == ["a", "b"]

    async def test_a_watch_goes_on_from_any_event(self, world: KubeWorld) -> None:
        listing = await world.api.list(WIDGETS, world.namespace)
        await world.api.create(WIDGETS, world.namespace, widget("a"))
        await world.api.create(WIDGETS, world.namespace, widget("b"))
        first = (await self.collect(world, listing.resource_version, 1))[0]
        second = await self.collect(world, first.object["metadata"]["resourceVersion"], 1)
        assert second[0].object["metadata"]["name"] == "b"

    async def test_leaving_the_selection_is_a_deletion_and_coming_back_an_addition(self, world: KubeWorld) -> None:
        listing = await world.api.list(WIDGETS, world.namespace)
        manifest = {"metadata": {"name": "one", "labels": {"app": "shop"}}, "spec": {}}
        await world.api.create(WIDGETS, world.namespace, manifest)
        for label in (None, "shop"):
            await world.api.patch(WIDGETS, world.namespace, "one", {"metadata": {"labels": {"app": label}}})
        found = await self.collect(world, listing.resource_version, 3, labels="app=shop")
        assert [event.type for event in found] == ["ADDED", "DELETED", "ADDED"]

    async def test_other_namespaces_are_not_seen(self, world: KubeWorld) -> None:
        listing = await world.api.list(WIDGETS)
        await world.api.create(WIDGETS, "default", widget("elsewhere"))
        await world.api.delete(WIDGETS, "default", "elsewhere")
        await world.api.create(WIDGETS, world.namespace, widget("here"))
        found = await self.collect(world, listing.resource_version, 1)
        assert found[0].object["metadata"]["name"] == "here"

    @staticmethod
    async def collect(world: KubeWorld, version: str, count: int, *, labels: str = "") -> list[WatchEvent]:
        found: list[WatchEvent] = []
        async with (
            asyncio.timeout(60),
            aclosing(world.api.watch(WIDGETS, world.namespace, labels=labels, resource_version=version)) as events,
        ):
            async for event in events:
                if event.type != "BOOKMARK":
                    found.append(event)
                if len(found) == count:
                    break
        return found
