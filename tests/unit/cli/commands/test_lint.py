"""`lint`: what is wrong with objects in files, without any cluster, and how it ends."""

import io
import json
from pathlib import Path

import pytest

from tests.support.models.bad import Bad
from tests.support.models.bad_objects import BAD_OBJECTS
from zkoperator.api.crd import KINDS
from zkoperator.cli import main
from zkoperator.cli.view.findings import VALIDATORS

ROOT = Path(__file__).parents[4]
GOOD = """\
apiVersion: zkoperator.dev/v1alpha1
kind: ConfigSync
metadata: {name: shop}
spec:
  zookeeper: {clusterRef: {name: main}, path: /shop}
"""
BAD = GOOD + "  directon: TwoWay\n"


def put(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = tmp_path / name.replace("__", "/").replace("_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def test_every_kind_is_checked() -> None:
    assert VALIDATORS.keys() == {kind.name for kind in KINDS}


def test_every_sample_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    samples = ROOT / "manifests" / "samples"
    assert main(["lint", str(samples)]) == 0
    assert f"in {len(list(samples.iterdir()))} files: 0 errors" in capsys.readouterr().out


@pytest.mark.parametrize("bad", BAD_OBJECTS, ids=str)
def test_what_the_operator_refuses_is_found_with_field_and_fix(
    bad: Bad, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, a_json=json.dumps(bad.manifest))
    assert main(["lint", "-o", "json", str(tmp_path / "a.json")]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [item for item in found if item["field"] == bad.field and bad.says in item["message"]], found


def test_a_finding_begins_with_file_and_line_and_names_object_field_and_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put(tmp_path, a_yaml=f"# a comment\n---\n{GOOD}---\n{BAD}") / "a.yaml"
    assert main(["lint", str(file)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{file}:14: error: ConfigSync shop: spec.directon: is not a field; did you mean direction?" in lines


@pytest.mark.parametrize(
    ("text", "line", "field", "says"),
    [
        (GOOD.replace("/shop}", "/shop/}"), 5, "spec.zookeeper.path", "write an absolute path"),
        (GOOD + "  rollout:\n  - {kind: Deployment, name: a}\n  - name: b\n    kind: X", 9, "spec.rollout[1].kind", ""),
        (GOOD + "  keys:\n    include:\n", 0, "", ""),
        (GOOD + "  mode: Active\n  mode: Paused\n", 6, "spec.mode", "stands on line 6 and on line 7"),
        (GOOD.replace("{name: shop}", "{name: Shop}"), 3, "metadata.name", "lower-case"),
        (GOOD.replace("{name: shop}", "{name: shop, namespace: a.b}"), 3, "metadata.namespace", "name of a namespace"),
        (GOOD.replace("{name: shop}", "{}"), 3, "metadata.name", "is missing"),
        (GOOD.replace("{name: shop}", "[]"), 3, "metadata", "write an object with a name"),
        (GOOD.replace("v1alpha1", "v1"), 1, "apiVersion", "write zkoperator.dev/v1alpha1, not zkoperator.dev/v1"),
        (GOOD.replace("zkoperator.dev", "zkoperator.de"), 1, "apiVersion", "write zkoperator.dev/v1alpha1"),
        (GOOD.replace("apiVersion: zkoperator.dev/v1alpha1\n", ""), 1, "apiVersion", "write zkoperator.dev/v1alpha1"),
        (GOOD.replace("ConfigSync", "ConfigSynk"), 2, "kind", "did you mean ConfigSync?"),
        (GOOD.replace("ConfigSync", "[1]"), 2, "kind", "write one of: ZooKeeperCluster, ConfigSync, ZooKeeperBackup, "),
        (GOOD.replace("spec:", "spce:"), 1, "spec", "is missing"),
        (
            GOOD.replace("{name: shop}", "{name: shop, annotations: {zkoperator.dev/resolve: 'a=b'}}"),
            3,
            "metadata.annotations[zkoperator.dev/resolve]",
            "write <key>=zookeeper",
        ),
    ],
)  # fmt: skip
def test_the_line_is_that_of_the_field(
    text: str, line: int, field: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = put(tmp_path, a_yaml=text) / "a.yaml"
    assert main(["lint", "-o", "json", str(file)]) == (1 if field else 0)
    found = json.loads(capsys.readouterr().out)["findings"]
    if field:
        assert [item for item in found if (item["line"], item["field"]) == (line, field) and says in item["message"]]
    else:
        assert found == []


def test_other_kinds_are_passed_over_also_those_of_the_same_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [
        "apiVersion: v1\nkind: Secret\nspec: 5",
        "apiVersion: zookeeper.pravega.io/v1beta1\nkind: ZookeeperCluster\nspec: {replicas: -1}",
        "apiVersion: configsync.example.com/v1\nkind: ConfigSync\nspec: {}",
        "resources: [a.yaml]",
        "5",
        "",
    ]
    put(tmp_path, a_yaml="\n---\n".join(others))
    assert main(["lint", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 objects in 1 file: 0 errors, 0 warnings\n"


def test_lists_and_json_are_read_and_json_may_have_tabs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = '{\n\t"kind": "List",\n\t"items": [\n\t\t{"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ConfigSync",'
    listed += ' "metadata": {"name": "a"}, "spec": {}}]}'
    put(tmp_path, a_json=listed, b_json=listed.replace("\t", "  "))
    assert main(["lint", "-o", "json", str(tmp_path)]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [(Path(item["file"]).name, item["line"]) for item in found] == [("a.json", 1), ("b.json", 4)]
    assert {item["field"] for item in found} == {"spec.zookeeper"}


def test_directories_are_read_without_what_is_hidden_and_without_templates_of_helm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(
        tmp_path,
        a_yaml=GOOD,
        deep__b_yml=GOOD.replace("shop", "b"),
        deep__notes_txt="{",
        _git__c_yaml="{",
        chart__Chart_yaml="name: x",
        chart__templates__d_yaml="{{- if .Values.x }}",
    )
    assert main(["lint", str(tmp_path), str(tmp_path / "a.yaml")]) == 0
    assert "2 objects in 3 files" in capsys.readouterr().out


def test_the_standard_input_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(BAD))
    assert main(["lint", "-"]) == 1
    assert capsys.readouterr().out.startswith("standard input:6: error: ConfigSync shop: spec.directon")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not YAML: line 1, column 2: "),
        ("a: b: c", "is not YAML: line 1, column 5: mapping values are not allowed here"),
        ("[" * 100_000, "is nested too deeply"),
        ("a: 2020-13-45", "is not YAML: "),
        ("a: &x [*x]", "has aliases that contain themselves"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{new}: &{new} [{','.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
        ), "far too many values"),
        ("a: !!python/object/apply:os.system [ls]", "is not YAML: line 1, column 4: "),
        ("\x00", "is not YAML: "),
        ("{kind: List, items: 5}", "items of a List: write a list of objects"),
        ("password: hunter2\n\tx: [", "is not YAML: line 2"),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_wrong_usage_and_the_rest_is_checked(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, a_yaml=text, b_yaml=BAD)
    assert main(["lint", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert f"{tmp_path / 'a.yaml'}: " in printed.err and says in printed.err
    assert printed.err.count("\n") == 1 and "hunter2" not in printed.err
    assert "b.yaml:6: error:" in printed.out


def test_a_file_that_cannot_be_read_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("nowhere.yaml", "binary.yaml"):
        assert main(["lint", str(tmp_path / name)]) == 2
        assert f"{tmp_path / name}: cannot be read" in capsys.readouterr().err


def test_no_file_and_a_namespace_that_is_none_are_wrong_usage() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lint"])
    assert ended.value.code == 2
    assert main(["lint", "--namespace", "A B", "x"]) == 2


def test_a_warning_is_a_finding_when_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = "apiVersion: zkoperator.dev/v1alpha1\nkind: ZooKeeperCluster\nmetadata: {name: x}\nspec: {replicas: 4}\n"
    put(tmp_path, a_yaml=kind)
    assert main(["lint", str(tmp_path)]) == 0
    assert main(["lint", "--strict", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "a.yaml:1: warning: ZooKeeperCluster x: 4 voters survive" in out and "0 errors, 1 warning" in out


def test_the_status_of_an_exported_object_is_not_checked(tmp_path: Path) -> None:
    put(tmp_path, a_yaml=GOOD + "status: {keys: -5, unknown: x}\n")
    assert main(["lint", str(tmp_path)]) == 0


def test_a_name_that_the_api_server_makes_is_none_to_find_fault_with(tmp_path: Path) -> None:
    put(tmp_path, a_yaml=GOOD.replace("{name: shop}", "{generateName: shop-}"))
    assert main(["lint", str(tmp_path)]) == 0


def test_escape_sequences_of_a_manifest_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, a_yaml=GOOD + '  "\\e[31mx": 1\n')
    assert main(["lint", str(tmp_path)]) == 1
    assert "\x1b" not in capsys.readouterr().out
