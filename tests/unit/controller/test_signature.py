"""Two operators on the same objects: one of them says so, once, and neither corrects the other."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube
from tests.support.worlds.mirror import cluster, config_sync
from zkoperator.controller.other_operators import REPEAT_S, OtherOperators
from zkoperator.controller.other_operators_reporter import OtherOperatorsReporter
from zkoperator.controller.signature import SignedApi, operator_name
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, EVENTS, ZOOKEEPER_CLUSTERS, Manifest, Resource
from zkoperator.settings import Settings

SHOP = config_sync("shop", {"zookeeper": {"clusterRef": {"name": "main"}, "path": "/a"}})
OURS, THEIRS = "zkoperator-system/zkoperator", "other/zkoperator"


class Company:
    """Two operators at one API server, in fake time."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.kube = FakeKube()
        self.kube.put(CONFIG_SYNCS, SHOP)
        self.kube.put(ZOOKEEPER_CLUSTERS, cluster())
        self.others = {name: OtherOperators(name, self.clock) for name in (OURS, THEIRS)}
        self.reporters = {name: OtherOperatorsReporter(self.kube, name, self.clock) for name in self.others}
        self.apis = {
            name: SignedApi(self.kube, others, self.reporters[name].add) for name, others in self.others.items()
        }

    async def writes(self, who: str, text: str, resource: Resource = CONFIG_SYNCS, name: str = "shop") -> None:
        """A status with something new in it, as a pass writes it after it has looked."""
        await self.apis[who].get(resource, "demo", name)
        await self.apis[who].patch(resource, "demo", name, {"status": {"zxid": text}}, subresource="status")

    async def looks(self, who: str, resource: Resource = CONFIG_SYNCS, name: str = "shop") -> Manifest:
        found = await self.apis[who].get(resource, "demo", name)
        assert found is not None
        await self.clock.advance(5)
        return found

    def signature(self) -> str:
        found = self.kube.peek(CONFIG_SYNCS, "demo", "shop")
        assert found is not None
        return str(found["status"].get("operator", ""))

    def told(self) -> list[Manifest]:
        return [event for event in self.kube.every(EVENTS) if event["reason"] == "AnotherOperator"]

    def status_writes(self) -> int:
        return sum(operation.subresource == "status" for operation in self.kube.operations)


@pytest.fixture
async def company() -> AsyncIterator[Company]:
    made = Company()
    running = [asyncio.create_task(reporter.run()) for reporter in made.reporters.values()]
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_status_carries_the_name_of_its_operator_and_nobody_reads_it(company: Company) -> None:
    await company.writes(OURS, "0x1")
    assert company.signature() == OURS
    assert (await company.looks(OURS))["status"] == {"zxid": "0x1"}
    assert [item["status"] for item in (await company.apis[OURS].list(CONFIG_SYNCS)).items] == [{"zxid": "0x1"}]
    written = await company.apis[OURS].patch(CONFIG_SYNCS, "demo", "shop", {"status": {}}, subresource="status")
    assert written is not None and written["status"] == {"zxid": "0x1"}


async def test_a_watch_brings_no_signature(company: Company) -> None:
    listing = await company.apis[OURS].list(CONFIG_SYNCS)
    events = company.apis[OURS].watch(CONFIG_SYNCS, resource_version=listing.resource_version)
    async with aclosing(events):
        await company.writes(THEIRS, "0x1")
        seen = await anext(events)
    assert seen.object["status"] == {"zxid": "0x1"}


async def test_what_is_no_status_of_ours_is_not_signed(company: Company) -> None:
    company.kube.put(CONFIG_MAPS, {"metadata": {"name": "shop", "namespace": "demo"}, "data": {}})
    await company.apis[OURS].patch(CONFIG_MAPS, "demo", "shop", {"data": {"a": "1"}})
    await company.apis[OURS].patch(CONFIG_SYNCS, "demo", "shop", {"metadata": {"annotations": {"a": "1"}}})
    for resource in (CONFIG_MAPS, CONFIG_SYNCS):
        assert "operator" not in ((company.kube.peek(resource, "demo", "shop") or {}).get("status") or {})


@pytest.mark.parametrize(("resource", "name"), [(CONFIG_SYNCS, "shop"), (ZOOKEEPER_CLUSTERS, "main")])
async def test_an_operator_that_finds_another_ones_write_over_its_own_says_so_and_what_to_do(
    company: Company, caplog: pytest.LogCaptureFixture, resource: Resource, name: str
) -> None:
    await company.writes(OURS, "0x1", resource, name)
    await company.writes(THEIRS, "0x2", resource, name)
    with caplog.at_level(logging.WARNING):
        await company.looks(OURS, resource, name)
    (event,) = company.told()
    assert event["type"] == "Warning"
    assert event["regarding"]["kind"] == resource.kind and event["regarding"]["name"] == name
    for part in (THEIRS, OURS, "remove one of the two Deployments", "ZKOPERATOR_NAMESPACES"):
        assert part in event["note"]
    (line,) = caplog.records
    assert line.getMessage() == event["note"]
    assert vars(line)["about"] == {"kind": resource.kind, "namespace": "demo", "name": name}
    assert company.others[OURS].count() == 1


async def test_two_operators_that_only_look_write_nothing_more(company: Company) -> None:
    await company.writes(OURS, "0x1")
    await company.writes(THEIRS, "0x2")
    await company.looks(OURS)
    before = company.status_writes()
    for _ in range(100):
        await company.looks(OURS)
        await company.looks(THEIRS)
    assert company.status_writes() == before


async def test_it_is_told_once_an_hour_of_an_object_however_often_they_write(company: Company) -> None:
    for number in range(200):
        await company.writes(OURS, f"0x{number}a")
        await company.writes(THEIRS, f"0x{number}b")
        await company.clock.advance(10)
    assert len(company.told()) == 2, "each of both once, within 2000 s"
    await company.clock.advance(REPEAT_S)
    await company.writes(OURS, "0x1")
    await company.writes(THEIRS, "0x2")
    await company.looks(OURS)
    assert len(company.told()) > 2


async def test_an_operator_that_has_gone_is_no_news(company: Company) -> None:
    await company.writes(THEIRS, "0x1")
    await company.looks(OURS)
    assert company.signature() == OURS, "it was asked whether it is there"
    await company.looks(OURS)
    assert company.told() == [] and company.others[OURS].count() == 0


async def test_of_two_that_have_nothing_to_write_the_older_one_hears_of_the_newer_one(company: Company) -> None:
    await company.writes(THEIRS, "0x1")
    await company.looks(THEIRS)
    await company.looks(OURS)
    await company.looks(THEIRS)
    (event,) = company.told()
    assert event["note"].startswith(f"another operator, {OURS}, writes to this object")


async def test_the_own_name_after_a_restart_is_nobody_else(company: Company) -> None:
    await company.writes(OURS, "0x1")
    again = SignedApi(company.kube, OtherOperators(OURS, company.clock), company.reporters[OURS].add)
    before = company.status_writes()
    await again.get(CONFIG_SYNCS, "demo", "shop")
    await company.clock.advance(5)
    assert company.status_writes() == before and company.told() == []


@pytest.mark.parametrize(("resource", "name"), [(CONFIG_SYNCS, "shop"), (ZOOKEEPER_CLUSTERS, "main")])
async def test_nothing_is_kept_of_an_object_that_a_pass_has_found_gone(
    company: Company, resource: Resource, name: str
) -> None:
    await company.writes(OURS, "0x1", resource, name)
    assert len(company.others[OURS]._seen) == 1
    company.kube.remove(resource, "demo", name)
    assert await company.apis[OURS].get(resource, "demo", name) is None
    assert company.others[OURS]._seen == {}


async def test_a_thousand_objects_with_another_signature_are_asked_about_one_by_one(company: Company) -> None:
    for number in range(50):
        manifest = config_sync(f"s{number}", SHOP["spec"])
        company.kube.put(CONFIG_SYNCS, {**manifest, "status": {"operator": THEIRS}})
    await company.apis[OURS].list(CONFIG_SYNCS)
    before = company.status_writes()
    await company.clock.advance(10)
    assert 8 <= company.status_writes() - before <= 12
    await company.clock.advance(100)
    assert company.status_writes() - before == 50


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, OURS),
        ({"namespace": "other"}, THEIRS),
        ({"identity": "pod-1"}, OURS),
        ({"identity": "pod-1", "lease": False}, "pod-1"),
    ],
)
def test_the_name_is_that_of_the_lease_so_that_replicas_share_it(settings: dict[str, Any], name: str) -> None:
    assert operator_name(Settings(**settings)) == name
