"""The index of ConfigSyncs by the objects that they name."""

from typing import Any

import pytest

from tests.support.worlds.mirror import NAMESPACE, config_sync
from zkoperator.kube.port import CONFIG_MAPS, ZOOKEEPER_CLUSTERS, Resource
from zkoperator.mirror import sync_index
from zkoperator.mirror.sync_index import SyncIndex
from zkoperator.mirror.validate import ValidatedSync, validate
from zkoperator.runtime.keys import Key

SHOP = Key(NAMESPACE, "shop")


def sync(*, name: str = "shop", uid: str = "1", generation: int = 1, **spec: Any) -> ValidatedSync:
    zookeeper = {"clusterRef": {"name": spec.pop("cluster", "main")}, "path": "/apps/shop"}
    raw = config_sync(name, {"zookeeper": zookeeper, **spec})
    raw["metadata"].update(uid=uid, generation=generation)
    return validate(raw)


def naming(index: SyncIndex, resource: Resource, name: str) -> set[str]:
    return {key.name for key in index.naming(resource, Key(NAMESPACE, name))}


def test_a_config_sync_is_found_by_its_config_map_and_its_cluster() -> None:
    index = SyncIndex()
    index.put(SHOP, sync())
    index.put(Key(NAMESPACE, "other"), sync(name="other"))
    assert naming(index, CONFIG_MAPS, "shop") == {"shop"}
    assert naming(index, ZOOKEEPER_CLUSTERS, "main") == {"shop", "other"}
    assert not index.naming(CONFIG_MAPS, Key("elsewhere", "shop"))


def test_a_new_generation_is_found_by_what_it_names_now_only() -> None:
    index = SyncIndex()
    index.put(SHOP, sync())
    index.put(SHOP, sync(generation=2, cluster="second", configMap={"name": "settings"}))
    assert naming(index, CONFIG_MAPS, "settings") == naming(index, ZOOKEEPER_CLUSTERS, "second") == {"shop"}
    assert naming(index, CONFIG_MAPS, "shop") == naming(index, ZOOKEEPER_CLUSTERS, "main") == set()


def test_another_object_of_the_same_name_and_generation_replaces_the_former() -> None:
    index = SyncIndex()
    index.put(SHOP, sync())
    index.put(SHOP, sync(uid="2", cluster="second"))
    assert naming(index, ZOOKEEPER_CLUSTERS, "main") == set()
    dropped = index.drop(SHOP)
    assert dropped is not None and dropped.uid == "2"


def test_a_dropped_config_sync_is_found_no_more() -> None:
    index = SyncIndex()
    index.put(SHOP, sync())
    assert index.drop(SHOP) is not None
    assert index.drop(SHOP) is None
    assert naming(index, CONFIG_MAPS, "shop") == naming(index, ZOOKEEPER_CLUSTERS, "main") == set()


def test_a_generation_is_indexed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    index = SyncIndex()
    index.put(SHOP, sync())
    monkeypatch.setattr(sync_index, "_targets", lambda _: pytest.fail("indexed again"))
    index.put(SHOP, sync())
