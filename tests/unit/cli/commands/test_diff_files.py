"""`diff -f`: what a manifest would write, before it is applied; and how it ends, for checks of pull requests."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.mirror import NAMESPACE, ROOT, World, config_sync
from zkoperator.cli import main
from zkoperator.cli.commands import diff
from zkoperator.cli.view import live_plan
from zkoperator.cli.view.file_diff import FileDiff
from zkoperator.cli.view.manifest_files import read_manifests
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS

SIDE = {"clusterRef": {"name": "main"}, "path": ROOT}
LABEL = {"zkoperator.dev/sync": "shop"}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()

    @asynccontextmanager
    async def connect(_: Any) -> AsyncIterator[FakeKube]:
        yield made.kube

    async def make_fresh_plan(api: Any, raw: Any, arguments: Any) -> Any:
        return await live_plan.make_fresh_plan(api, raw, arguments, made.connector())

    monkeypatch.setattr(diff, "connect", connect)
    monkeypatch.setattr(diff, "make_fresh_plan", make_fresh_plan)
    return made


def sync(name: str = "shop", **spec: Any) -> dict[str, Any]:
    """A ConfigSync as in Git: without a namespace."""
    raw = config_sync(name, {"zookeeper": SIDE, **spec})
    return {**raw, "metadata": {"name": name}}


def config_map(**data: Any) -> dict[str, Any]:
    meta = {"name": "shop", "labels": LABEL}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


class Ended:
    """How a command ended, and what it printed."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def actions(self) -> dict[str, str]:
        """Key -> what would be done, of a single ConfigSync."""
        (shown,) = json.loads(self.out)["configSyncs"]
        return {item["key"]: item["action"] for item in shown["differences"]}


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *objects: Any, words: tuple[str, ...] = ()) -> Ended:
    file = tmp_path / "given.json"
    file.write_text("\n".join(json.dumps(item) for item in objects))
    status = main(["diff", "-f", str(file), "-n", NAMESPACE, *words])
    return Ended(status, *capsys.readouterr())


JSON = ("-o", "json")


def test_a_new_config_sync_is_compared_before_it_exists_and_nothing_is_written(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tree(a="secret-1", b="2")
    before = list(world.zk.tree.walk())
    ended = run(tmp_path, capsys, sync())
    assert ended.status == 1
    assert f"ConfigSync {NAMESPACE}/shop (new):" in ended.out and "create in the ConfigMap" in ended.out
    assert "secret-1" not in ended.out + ended.err
    assert run(tmp_path, capsys, sync(), words=JSON).actions == dict.fromkeys("ab", "create in the ConfigMap")
    assert list(world.zk.tree.walk()) == before
    assert {operation.verb for operation in world.kube.operations} == {"get"}


@pytest.mark.parametrize(
    ("text", "action", "says"),
    [
        ("{{ getv('/a') }}", "create in the ConfigMap", ""),
        ("x\n{{ getv('/b') }}", "", "data[nginx.conf] line 2: znode '/b'"),
    ],
)
def test_templates_are_rendered_before_they_are_applied(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, action: str, says: str
) -> None:
    world.tree(a="1")
    pulled = sync(direction="ZooKeeperToConfigMap", template={"data": {"nginx.conf": text}})
    ended = run(tmp_path, capsys, pulled, words=("-o", "json"))
    (found,) = json.loads(ended.out)["configSyncs"]
    assert ended.status == 1 and says in found["failure"]
    assert [item["action"] for item in found.get("differences", ())] == ([action] if action else [])


def test_nothing_to_write_ends_with_0(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world.tree(a="1")
    world.config_map(a="1")
    ended = run(tmp_path, capsys, sync())
    assert (ended.status, ended.err) == (0, "") and ended.out.endswith("nothing would be written\n")


async def test_an_edit_of_the_spec_is_compared_with_the_base_of_the_live_one(world: World, tmp_path: Path) -> None:
    await world.start()
    world.tree(a="1", b="2")
    world.kube.put(CONFIG_SYNCS, config_sync("shop", {"zookeeper": SIDE}))
    await world.until_in_sync("shop")
    await world.stop()
    world.edit(a=None, b="3")
    (tmp_path / "a.json").write_text(json.dumps(sync(deletionPolicy="Retain")))
    plan = await _plan(world, tmp_path / "a.json")
    assert plan == {"b": "change in ZooKeeper"}
    (tmp_path / "a.json").write_text(json.dumps(sync()))
    assert await _plan(world, tmp_path / "a.json") == {
        "a": "delete in ZooKeeper",
        "b": "change in ZooKeeper",
    }


async def _plan(world: World, file: Path) -> dict[str, str]:
    """What the command would show, within the loop that the world runs in."""
    given: Any = SimpleNamespace(timeout=5.0, hosts=None, file=[str(file)], command=SimpleNamespace(NAME="diff"))

    async def plan_of(api: Any, raw: Any) -> Any:
        return await live_plan.make_fresh_plan(api, raw, given, world.connector())

    (one,) = await FileDiff(world.kube, NAMESPACE, plan_of).compare(read_manifests([str(file)]).documents)
    assert one.found is not None, one
    return {item.key: item.action for item in one.found.differences}


def test_a_config_map_of_the_same_input_counts_as_applied(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Git has the ConfigMap, and a pull request edits it: which znodes would follow?"""
    world.tree(a="1", b="2")
    push = sync(direction="ConfigMapToZooKeeper")
    ended = run(tmp_path, capsys, push, config_map(a="1", c="3"), words=JSON)
    assert ended.actions["c"] == "create in ZooKeeper" and "a" not in ended.actions
    (shown,) = json.loads(ended.out)["configSyncs"]
    assert shown["notes"] == [f"ConfigMap shop is compared as {tmp_path / 'given.json'} would leave it"]


def test_a_key_that_was_applied_before_and_is_not_in_the_manifest_is_deleted_and_those_of_others_stay(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tree(a="1", b="2", mine="3")
    live = config_map(a="1", b="2", mine="3")
    last = json.dumps({"data": {"a": "1", "b": "2"}})
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": last}
    world.kube.put(CONFIG_MAPS, {**live, "metadata": {**live["metadata"], **_placed(annotations)}})
    # The first synchronisation deletes nothing, so that a deletion shows as a key that comes back.
    ended = run(tmp_path, capsys, sync(), config_map(a="1"), words=JSON)
    assert ended.actions == {"b": "create in the ConfigMap"}


def _placed(annotations: dict[str, str]) -> dict[str, Any]:
    return {"namespace": NAMESPACE, "annotations": annotations}


def test_an_invalid_config_sync_is_told_with_its_line_and_the_others_are_compared(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tree(a="1")
    world.config_map(a="1")
    ended = run(tmp_path, capsys, sync("bad", direcsion="x"), sync())
    assert ended.status == 1
    assert "given.json:1: error: ConfigSync bad: spec.direcsion: is not a field; did you mean direction?" in ended.out
    assert ended.out.endswith("nothing would be written\n")


def test_a_config_map_that_the_api_server_would_refuse_is_told(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tree(a="1")
    bad = {**config_map(a=1), "binaryData": {"b": "?"}}
    ended = run(tmp_path, capsys, sync(), bad)
    assert ended.status == 1
    assert "ConfigMap shop: data.a: write a text" in ended.out and "binaryData.b: write base64" in ended.out


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ({}, {"zookeeper": {**SIDE, "path": "/other"}}, "spec.zookeeper.path"),
        ({}, {"configMap": {"name": "other"}}, "spec.configMap.name"),
        ({"direction": "ConfigMapToZooKeeper"}, {"keys": {"separator": "."}}, "spec.keys.separator"),
        ({"direction": "ConfigMapToZooKeeper"}, {"keys": {"stripPrefix": "a"}}, "spec.keys.stripPrefix"),
        ({}, {"format": {"type": "Yaml", "key": "a"}}, "spec.format"),
        ({"format": {"type": "Json", "key": "a"}}, {"keys": {"separator": "."}}, "spec.keys.separator"),
    ],
)
def test_a_change_that_the_api_server_would_refuse_is_told(
    world: World, old: Any, new: Any, field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tree(a="1")
    world.kube.put(CONFIG_SYNCS, config_sync("shop", {"zookeeper": SIDE, **old}))
    ended = run(tmp_path, capsys, sync(**{**old, **new}))
    assert ended.status == 1 and f"{field}: cannot be changed in the existing ConfigSync" in ended.out


def test_a_cluster_that_is_not_there_yet_is_told(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = run(tmp_path, capsys, sync(zookeeper={"clusterRef": {"name": "nowhere"}, "path": "/a"}))
    assert ended.status == 1 and "ClusterNotFound" in ended.err and "nothing could be compared" in ended.out


def test_an_ensemble_that_cannot_be_reached_is_told_from_differences_with_the_command_that_can(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.tree(a="1")
    world.zk.down()
    ended = run(tmp_path, capsys, sync("bad", direcsion="x"), sync(), words=("--timeout", "0.3"))
    assert ended.status == 3 and "ConfigSync bad: spec.direcsion" in ended.out
    assert "kubectl exec -i -n zkoperator-system deploy/zkoperator -- python -m zkoperator diff -f - -n" in ended.err


def test_an_api_server_that_cannot_be_reached_is_told_from_differences(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(operation: object) -> None:
        raise TransientError(f"{operation}: no answer")

    world.kube.before = refuse
    assert run(tmp_path, capsys, sync()).status == 3


@pytest.mark.parametrize(
    "words",
    [["diff"], ["diff", "shop", "-f", "x"], ["diff", "-f", "/nowhere/x"], ["diff", "-f", "{file}", "--keys"]],
    ids=" ".join,
)
def test_what_cannot_be_used_is_wrong_usage(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(sync()))
    assert main([word.replace("{file}", str(tmp_path / "a.json")) for word in words]) == 2


@pytest.mark.parametrize("text", ["{", "kind: ConfigMap\napiVersion: v1", ""])
def test_a_file_without_a_config_sync_is_wrong_usage(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert main(["diff", "-f", str(tmp_path / "a.yaml")]) == 2
    assert str(tmp_path / "a.yaml") in capsys.readouterr().err
