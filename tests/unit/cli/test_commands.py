"""Commands without a cluster: parsing, messages, and what is computed before anything is asked or written."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from zkoperator import __version__
from zkoperator.cli import COMMANDS, main

ROOT = Path(__file__).parents[3]
SAMPLE = str(ROOT / "manifests/samples/cluster.yaml")


@pytest.mark.parametrize("command", [command.NAME for command in COMMANDS])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"zkoperator {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [command.NAME for command in COMMANDS if command.NAME not in ("run", "backup-job", "cli")]
)
def test_every_command_that_prints_anything_prints_json_for_programs(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run` only logs, in JSON by --log-format, `backup-job` answers in JSON, `cli` is a program of ZooKeeper's."""
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


@pytest.mark.parametrize("text", ["{", "- 1", "a: b: c", "contexts: 5"])
@pytest.mark.parametrize("words", [["status"], ["diff", "shop"]], ids=lambda words: words[0])
def test_a_kubeconfig_that_is_none_is_named_without_a_traceback(
    words: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    assert main([*words, "--kubeconfig", str(file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}: ") and "name a kubeconfig that works" in line


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "nowhere"
    assert main(["status", "--kubeconfig", str(file)]) == 1
    message = capsys.readouterr().err
    assert str(file) in message and ".;" not in message


@pytest.mark.parametrize("seconds", ["-1", "0", "soon", "inf", "nan"])
def test_a_timeout_that_is_none_is_wrong_usage(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["diff", "shop", "--timeout", seconds])
    assert ended.value.code == 2
    assert "write a number of seconds larger than 0" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["resolve", "shop", "a=foo"], ["run", "--workers", "abc"]], ids=lambda w: w[0])
def test_arguments_that_cannot_be_used_are_wrong_usage(words: list[str]) -> None:
    assert main(words) == 2


def test_the_help_of_run_names_every_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for default in ("default: 16", "default: 8080", "default: true", "default: cluster.local", "default: ::"):
        assert default in shown


@pytest.mark.parametrize("command", ["crds", "docs"])
@pytest.mark.parametrize("parts", [("file",), ("file", "below")], ids=len)
def test_a_directory_that_cannot_be_written_is_named(
    command: str, parts: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main([command, "--write", str(tmp_path.joinpath(*parts))]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"error: {tmp_path / 'file'}") and "cannot be written" in message


def test_an_address_in_the_kubeconfig_that_is_none_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "kubeconfig"
    named = {"name": "a", "user": {"token": "x"}, "cluster": {"server": "not a url"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    parts = {"clusters": [named], "users": [named], "contexts": [context], "current-context": "a"}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **parts}))
    assert main(["status", "--kubeconfig", str(file)]) == 3
    assert "is not a URL" in capsys.readouterr().err
