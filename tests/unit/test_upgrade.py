"""An installation of the release before becomes one of this version: nothing restarts and nothing is lost.

The base is `tests/support/releases/base.yaml`: clusters with their pods and a ConfigSync with both of its sides as that
release left them, and the fields of its definitions.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.release_base import COMMAND, fields, installed, load, restored_tree, schema, stored_tree
from tests.support.worlds.ensemble import EnsembleWorld
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator import __version__
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import REVISION
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, PODS, Manifest

BASE = load()
ADVICE = (
    f"{BASE['version']} is not released yet: {COMMAND}" if BASE["version"] == __version__ else "say it in CHANGELOG"
)
IMMUTABLE = ("serviceName", "podManagementPolicy", "selector", "volumeClaimTemplates")
"""What the API server lets nobody change in a StatefulSet."""


@pytest.fixture(params=BASE["clusters"])
def cluster(request: pytest.FixtureRequest) -> Manifest:
    found: Manifest = copy.deepcopy(BASE["clusters"][request.param])
    return found


def taken(world: EnsembleWorld) -> list[str]:
    """What was taken from somebody."""
    return [made for made in world.made if made.startswith(("delete", "evict"))]


async def test_no_member_is_restarted_and_no_object_is_removed(cluster: Manifest) -> None:
    world = await installed(cluster)
    pods = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    await world.rest()
    assert taken(world) == [], ADVICE
    assert {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in world.api.every(PODS)} == pods
    assert world.condition("Ready")["status"] == "True"


async def test_a_restart_would_be_noticed() -> None:
    cluster = copy.deepcopy(BASE["clusters"]["plain"])
    cluster["statefulSet"]["template"]["metadata"]["annotations"][REVISION] = "of another time"
    world = await installed(cluster)
    await world.rest()
    assert len([made for made in taken(world) if "pods/main-zk-" in made]) == 3


async def test_objects_keep_their_names_and_what_cannot_be_changed(cluster: Manifest) -> None:
    world = await installed(cluster)
    await world.rest()
    found = {child: world.api.peek(child.resource, "demo", child.name_of(NAMES)) for child in Child}
    names = {f"{child.resource.plural}/{m['metadata']['name']}" for child, m in found.items() if m is not None}
    assert set(cluster["children"]) <= names
    config, stateful_set = found[Child.CONFIG_MAP], found[Child.STATEFUL_SET]
    assert config is not None and stateful_set is not None
    assert set(cluster["files"]) <= config["data"].keys(), "pods of the release before start with these files"
    for field in IMMUTABLE:
        assert stateful_set["spec"].get(field) == cluster["statefulSet"].get(field), field


class Upgraded(World):
    """The stored world of a ConfigSync, before any operator has started in it."""

    def __init__(self) -> None:
        super().__init__()
        stored = copy.deepcopy(BASE["sync"])
        self.zk.restore(restored_tree(stored["tree"]))
        for resource, manifest in ((CONFIG_SYNCS, stored["configSync"]), (CONFIG_MAPS, stored["configMap"])):
            self.kube._uids = int(manifest["metadata"]["uid"][-12:]) - 1
            self.kube._version = int(manifest["metadata"]["resourceVersion"]) - 1
            self.kube.put(resource, manifest, manager="zkoperator")

    def both_sides(self) -> tuple[Manifest | None, Manifest]:
        """The ConfigMap and the subtree, with all their versions."""
        nodes = {path: node for path, node in stored_tree(self.zk.tree)["nodes"].items() if path.startswith(ROOT)}
        return self.kube.peek(CONFIG_MAPS, NAMESPACE, "shop"), nodes


async def test_a_config_sync_goes_on_from_its_stored_base() -> None:
    world = Upgraded()
    before = world.both_sides()
    await world.start()
    try:
        await world.quiet()
        await world.until_in_sync()
        assert world.both_sides() == before, "nothing is written"
        world.edit(colour=None)  # a base that was not understood would bring it back
        world.drop("db/size")
        await world.until(lambda: world.at("colour") is None and world.data() == {"name": b"shop"})
        await world.until_in_sync()
    finally:
        await world.stop()


def lost(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What stored objects may have, or lack, that the new schema refuses or drops."""
    for path, before in old.items():
        after = new.get(path)
        if after is None:
            yield f"{path} is gone"
        elif after.get("type") != before.get("type"):
            yield f"{path} has another type"
        elif "enum" in after and not set(before.get("enum", [None])) <= set(after["enum"]):
            yield f"{path} takes fewer values"
        elif not set(after.get("required", ())) <= set(before.get("required", ())):
            yield f"{path} requires more"


@pytest.mark.parametrize("kind", BASE["fields"])
def test_the_definitions_lose_no_field_and_refuse_no_stored_object(kind: str) -> None:
    assert list(lost(BASE["fields"][kind], dict(fields(schema(kind))))) == [], ADVICE


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (None, ".a is gone"),
        ({"type": "integer"}, ".a has another type"),
        ({"type": "string", "enum": ["x"]}, ".a takes fewer values"),
        ({"type": "string", "enum": ["x", "y"], "required": ["b"]}, ".a requires more"),
    ],
)
def test_a_narrower_definition_would_be_noticed(change: Manifest | None, fault: str) -> None:
    old = {".a": {"type": "string", "enum": ["x", "y"]}}
    assert list(lost(old, {} if change is None else {".a": change})) == [fault]
