"""`render`: the objects of a cluster from a file, without any cluster."""

import io
import json
from pathlib import Path

import pytest
import yaml

from zkoperator.api.meta import API_VERSION
from zkoperator.cli import main

ROOT = Path(__file__).parents[4]
HEAD = f"apiVersion: {API_VERSION}\nkind: ZooKeeperCluster\n"
SAMPLE = str(ROOT / "manifests/samples/cluster.yaml")


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
            f"{HEAD}metadata: {{name: x}}\nspec: {{replica: 3}}",
            "spec.replica: is not a field; did you mean",
        ),
        (
            f"{HEAD}metadata: {{name: x}}\nspec: {{replicas: 0}}",
            "spec.replicas: write a number of at least 1",
        ),
        ("kind: ConfigSync", "no object of kind ZooKeeperCluster"),
        ("{", "is not YAML"),
        ("- 1", "no object of kind ZooKeeperCluster"),
        ("{kind: List, items: 5}", "items of a List: write a list of objects"),
        (f"{HEAD}metadata: 5", "metadata: write an object with a name"),
        (
            "{apiVersion: zkoperator.dev/v9, kind: ZooKeeperCluster, metadata: {name: x}}",
            "apiVersion: write zkoperator.dev/v1alpha1, not zkoperator.dev/v9",
        ),
        ("{kind: ZooKeeperCluster, metadata: {name: x}}", "apiVersion: write zkoperator.dev/v1alpha1"),
        (f"{HEAD}spec: {{}}", "metadata.name: is missing"),
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
    cluster = {"apiVersion": API_VERSION, "kind": "ZooKeeperCluster", "metadata": {"name": "a"}, "spec": {}}
    file = tmp_path / "list.yaml"
    file.write_text(yaml.safe_dump({"kind": "List", "items": [cluster, {"kind": "Secret"}]}))
    assert main(["render", str(file)]) == 0
    assert "a-zk" in capsys.readouterr().out


def test_a_message_about_the_input_names_the_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "other.yaml"
    file.write_text("kind: Secret")
    assert main(["render", str(file)]) == 1
    assert capsys.readouterr().err == f"error: {file}: has no object of kind ZooKeeperCluster\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("{"))
    assert main(["render", "-"]) == 1
    assert capsys.readouterr().err.startswith("error: standard input: is not YAML")


def test_render_warns_of_an_unwise_spec_and_prints_the_objects_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(f"{HEAD}metadata: {{name: x}}\nspec: {{replicas: 4}}")
    assert main(["render", str(file)]) == 0
    printed = capsys.readouterr()
    assert "warning: default/x: " in printed.err and "4 voters" in printed.err
    assert "kind: StatefulSet" in printed.out and "warning" not in printed.out


def test_a_file_that_is_nested_without_end_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deep.yaml"
    file.write_text("[" * 100_000)
    assert main(["render", str(file)]) == 1
    assert capsys.readouterr().err == f"error: {file}: is nested too deeply\n"


@pytest.mark.parametrize(
    ("flag", "value"), [("--default-image", "a b"), ("--cluster-domain", "UPPER CASE"), ("--namespace", "A B")]
)
def test_a_flag_that_no_object_could_have_is_wrong_usage(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", SAMPLE, flag, value]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"error: {flag}: write ")
