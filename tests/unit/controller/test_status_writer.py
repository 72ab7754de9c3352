"""The write of a status: over what was read alone, and only what has changed."""

import pytest

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.mirror import config_sync
from zkoperator.controller.status_writer import StatusWriter, status_changes
from zkoperator.errors import ConflictError
from zkoperator.kube.port import CONFIG_SYNCS, Manifest

SHOP = config_sync("shop", {"zookeeper": {"clusterRef": {"name": "main"}, "path": "/a"}})


def stored(kube: FakeKube) -> Manifest:
    found = kube.peek(CONFIG_SYNCS, "demo", "shop")
    assert found is not None
    return found


@pytest.fixture
def kube() -> FakeKube:
    made = FakeKube()
    made.put(CONFIG_SYNCS, {**SHOP, "status": {"keys": 1, "zxid": "0x1"}})
    return made


async def test_a_status_is_not_written_over_a_version_that_was_not_read(kube: FakeKube) -> None:
    writer = StatusWriter(kube, CONFIG_SYNCS, is_complete=True)
    read = stored(kube)
    await writer.write(read, {"keys": 2})
    with pytest.raises(ConflictError):
        await writer.write(read, {"keys": 3})
    assert stored(kube)["status"]["keys"] == 2


async def test_a_status_that_says_the_same_costs_no_request(kube: FakeKube) -> None:
    before = len(kube.operations)
    read = stored(kube)
    assert await StatusWriter(kube, CONFIG_SYNCS, is_complete=True).write(read, read["status"]) == read
    assert len(kube.operations) == before


async def test_only_a_complete_status_removes_the_fields_that_it_lacks(kube: FakeKube) -> None:
    await StatusWriter(kube, CONFIG_SYNCS, is_complete=False).write(stored(kube), {"keys": 2})
    assert stored(kube)["status"] == {"keys": 2, "zxid": "0x1"}
    await StatusWriter(kube, CONFIG_SYNCS, is_complete=True).write(stored(kube), {"keys": 3})
    assert stored(kube)["status"] == {"keys": 3}


def test_fields_that_stay_the_same_are_not_in_the_patch() -> None:
    assert status_changes({"a": 1, "b": 2}, {"a": 1, "c": 3}, is_complete=True) == {"b": None, "c": 3}
