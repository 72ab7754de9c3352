"""Commands without a cluster: parsing, messages, and what is computed before anything is asked or written."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from zkoperator import __version__
from zkoperator.api.sync import Pending
from zkoperator.cli import COMMANDS, main
from zkoperator.cli.commands.approve import waiting_plan
from zkoperator.cli.commands.resolve import check_conflicts, merged, parse_choices
from zkoperator.cli.view.summary import SyncSummary, sync_summary
from zkoperator.errors import InvalidError

ROOT = Path(__file__).parents[3]
SAMPLE = str(ROOT / "manifests/samples/cluster.yaml")


def summary(**status: Any) -> SyncSummary:
    meta = {"name": "shop", "namespace": "demo"}
    return sync_summary({"kind": "ConfigSync", "metadata": meta, "spec": {}, "status": status})


@pytest.mark.parametrize("command", [command.NAME for command in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"zkoperator {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [command.NAME for command in COMMANDS if command.NAME != "run"])
def test_every_command_that_prints_anything_prints_json_for_programs(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run` only logs, in JSON by --log-format."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert re.search(r"-o \{\w+,json\}", capsys.readouterr().out)


@pytest.mark.parametrize("words", [["version"], ["crds"], ["docs"], ["render", SAMPLE]], ids=lambda words: words[0])
def test_what_needs_no_cluster_is_one_json_document(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_the_plugin_calls_itself_as_people_call_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-zk"])
    with pytest.raises(SystemExit):
        main(["--help"])
    assert capsys.readouterr().out.startswith("usage: kubectl zk ")


def test_no_command_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2


def test_crds_prints_what_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crds"]) == 0
    printed = list(yaml.safe_load_all(capsys.readouterr().out))
    committed = [yaml.safe_load((ROOT / "crds" / f"{d['spec']['names']['plural']}.yaml").read_text()) for d in printed]
    assert printed == committed


def test_crds_for_programs_are_the_same_as_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crds"]) == main(["crds", "-o", "json"]) == 0
    people, _, programs = capsys.readouterr().out.partition("\n{\n")
    assert json.loads("{" + programs)["items"] == list(yaml.safe_load_all(people))


def test_crds_and_docs_write_files(tmp_path: Path) -> None:
    assert main(["crds", "--write", str(tmp_path / "new")]) == 0
    assert main(["docs", "--write", str(tmp_path)]) == 0
    assert {path.name for path in (tmp_path / "new").iterdir()} == {path.name for path in (ROOT / "crds").iterdir()}
    assert "# ConfigSync" in (tmp_path / "reference-configsync.md").read_text()


def test_render_prints_the_children_without_any_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", SAMPLE]) == 0
    children = {child["kind"]: child for child in yaml.safe_load_all(capsys.readouterr().out)}
    assert children["StatefulSet"]["metadata"]["name"] == "main-zk"
    assert all("ownerReferences" not in child["metadata"] for child in children.values())


def test_render_gives_a_list_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "-n", "demo", "-o", "json", str(ROOT / "manifests/samples/single.yaml")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["kind"] == "List"
    assert {item["metadata"]["namespace"] for item in printed["items"]} == {"demo"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "kind: ZooKeeperCluster\nmetadata: {name: x}\nspec: {replica: 3}",
            "spec.replica: is not a field; did you mean",
        ),
        (
            "kind: ZooKeeperCluster\nmetadata: {name: x}\nspec: {replicas: 0}",
            "spec.replicas: write a number of at least 1",
        ),
        ("kind: ConfigSync", "no object of kind ZooKeeperCluster"),
        ("{", "is not YAML"),
        ("- 1", "no object of kind ZooKeeperCluster"),
        ("kind: ZooKeeperCluster\nspec: {}", "metadata.name: is missing"),
    ],
)
def test_render_says_what_is_wrong_with_a_file(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    assert main(["render", str(file)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", "/nowhere/x.yaml"]) == 1
    assert "/nowhere/x.yaml: cannot be read" in capsys.readouterr().err


def test_render_finds_clusters_in_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = {"kind": "ZooKeeperCluster", "metadata": {"name": "a"}, "spec": {}}
    file = tmp_path / "list.yaml"
    file.write_text(yaml.safe_dump({"kind": "List", "items": [cluster, {"kind": "Secret"}]}))
    assert main(["render", str(file)]) == 0
    assert "a-zk" in capsys.readouterr().out


def test_choices_are_read_from_the_last_equals_sign() -> None:
    assert parse_choices(["db__pool=zookeeper", "a=b=ConfigMap"]) == {"db__pool": "zookeeper", "a=b": "configmap"}


@pytest.mark.parametrize("words", [["db__pool"], ["db__pool=both"], ["=zookeeper"], ["a=zookeeper", "a=configmap"]])
def test_a_choice_that_is_none_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidError):
        parse_choices(words)


def test_only_keys_in_conflict_can_be_resolved() -> None:
    seen = summary(conflicts=[{"key": "a"}], conflictCount=1)
    check_conflicts({"a": "zookeeper"}, seen)
    with pytest.raises(InvalidError, match="b: is not in conflict; in conflict are: a"):
        check_conflicts({"b": "zookeeper"}, seen)
    with pytest.raises(InvalidError, match="there is no conflict"):
        check_conflicts({"b": "zookeeper"}, summary())


def test_keys_beyond_the_listed_conflicts_can_be_resolved() -> None:
    check_conflicts({"b": "zookeeper"}, summary(conflicts=[{"key": "a"}], conflictCount=2))


def test_former_choices_are_kept_while_they_are_open() -> None:
    assert merged("a=zookeeper, gone=configmap", {"b": "configmap"}, {"a", "b"}) == "a=zookeeper,b=configmap"
    assert merged("a=zookeeper", {"a": "configmap"}, {"a"}) == "a=configmap"
    assert merged("", {"a": "configmap"}, set()) == "a=configmap"


def test_only_the_plan_that_was_looked_at_is_approved() -> None:
    seen = summary(pending={"deletes": 60, "hash": "new"})
    assert waiting_plan(seen, None) == waiting_plan(seen, "new") == Pending(deletes=60, hash="new")
    with pytest.raises(InvalidError, match="the plan that waits is new now"):
        waiting_plan(seen, "old")
    with pytest.raises(InvalidError, match="no plan waits"):
        waiting_plan(summary(), None)
