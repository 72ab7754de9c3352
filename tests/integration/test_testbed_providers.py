"""Which provider is chosen, and what those that cannot run here would run."""

import os
import sys
from pathlib import Path

import pytest

from testbed import cli, kind
from testbed.api import ApiServer
from testbed.errors import TestbedError
from testbed.kind import Kind
from testbed.local import Local
from testbed.providers import Existing, choose


def install(directory: Path, name: str, script: str) -> None:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of programs that hides all others."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_the_variable_decides() -> None:
    assert isinstance(choose("some", {"CLUSTER": "local"}), Local)
    assert isinstance(choose("some", {"CLUSTER": "kind"}), Kind)
    assert isinstance(choose("some", {"CLUSTER": "existing", "KUBECONFIG": "/some/file"}), Existing)


def test_docker_with_kind_comes_before_root(programs: Path) -> None:
    install(programs, "docker", "exit 0")
    install(programs, "kind", "exit 0")
    assert isinstance(choose("some", {}), Kind)


def test_a_docker_client_without_its_engine_is_no_docker(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(programs, "docker", "exit 1")
    install(programs, "kind", "exit 0")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert isinstance(choose("some", {}), Local)


def test_a_kubeconfig_alone_is_never_taken(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert isinstance(choose("some", {"KUBECONFIG": "/somebody/elses"}), Local)


def test_when_nothing_fits_one_message_says_what_to_install(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.delenv("CLUSTER", raising=False)
    assert cli.main(["up"]) == 1
    said = capsys.readouterr().err
    for remedy in ("https://kind.sigs.k8s.io/", "root on Debian", "CLUSTER=existing"):
        assert remedy in said


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CLUSTER": "minikube"}, "use local, kind or existing"),
        ({"CLUSTER": "existing"}, "set KUBECONFIG"),
    ],
)
def test_a_bad_choice_is_refused_with_the_remedy(environment: dict[str, str], message: str) -> None:
    with pytest.raises(TestbedError, match=message):
        choose("some", environment)


def test_an_existing_cluster_is_asked_and_never_changed(
    api_server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", f"{api_server.kubectl.parent}:{os.environ['PATH']}")
    provider = choose("some", {"CLUSTER": "existing", "KUBECONFIG": str(api_server.kubeconfig)})
    provider.up(0, with_operator=False)
    with pytest.raises(TestbedError, match="has 0"):
        provider.up(1, with_operator=False)
    provider.down()
    assert api_server.rest().ready()
    for refused in (provider.load_operator, lambda: provider.load(tmp_path), lambda: provider.cut("node")):
        with pytest.raises(TestbedError, match="not the testbed's"):
            refused()


@pytest.mark.parametrize(("nodes", "workers"), [(1, 0), (2, 2), (3, 3)])
def test_kind_gets_as_many_workers_as_nodes_run_pods(nodes: int, workers: int) -> None:
    described = kind.configuration(nodes)["nodes"]
    assert isinstance(described, list)
    assert [node["role"] for node in described] == ["control-plane"] + ["worker"] * workers


def test_a_kind_cluster_of_too_many_nodes_is_refused() -> None:
    with pytest.raises(TestbedError, match="--nodes 4"):
        kind.configuration(4)


def test_kind_runs_commands_in_the_network_of_the_control_plane(programs: Path) -> None:
    install(programs, "docker", '[ "$*" = "inspect --format={{.State.Pid}} some-control-plane" ] && echo 42')
    command = Kind("some").inside(["kubectl", "get", "pods"])
    assert "--net=/proc/42/ns/net" in command
    assert command[-3:] == ["kubectl", "get", "pods"]


def test_kind_makes_a_kubeconfig_that_works_inside(programs: Path) -> None:
    install(programs, "docker", "exit 0")
    install(programs, "kubectl", "exit 0")
    install(programs, "kind", '[ "$2" = clusters ] || echo "server: https://some-control-plane:6443"')
    provider = Kind("some")
    provider.up(3, with_operator=False)
    assert provider.kubeconfig().read_text().strip() == "server: https://127.0.0.1:6443"
    assert (provider.kubeconfig().stat().st_mode & 0o077) == 0


def test_the_command_line_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--name", "not-there", "exec", "--", sys.executable]) == 1
    assert "not-there is not up" in capsys.readouterr().err
