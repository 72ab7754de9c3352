"""Which provider is chosen, and what those that cannot run here would run."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed import cli, images, install, kind, layout, words
from testbed.api import ApiServer
from testbed.errors import TestbedError
from testbed.images import OperatorImage
from testbed.kind import Kind
from testbed.local import Local
from testbed.providers import Existing, choose
from zkoperator import __version__


def program(directory: Path, name: str, script: str) -> None:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


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
    program(programs, "docker", "exit 0")
    program(programs, "kind", "exit 0")
    assert isinstance(choose("some", {}), Kind)


def test_a_docker_client_without_its_engine_is_no_docker(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs, "docker", "exit 1")
    program(programs, "kind", "exit 0")
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
    refusals: list[Callable[[], None]] = [lambda: provider.load(tmp_path), lambda: provider.cut("node")]
    for refused in refusals:
        with pytest.raises(TestbedError, match="not the testbed's"):
            refused()


def test_an_existing_cluster_pulls_the_image_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Existing, "nodes", lambda _: ["one"])
    named = choose("some", {"CLUSTER": "existing", "KUBECONFIG": "/k", "ZKOPERATOR_IMAGE": "registry.example.com/z:1"})
    named.up(1, with_operator=True)
    assert named.operator_image().reference == "registry.example.com/z:1"


def test_an_existing_cluster_without_an_image_says_how_to_give_it_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Existing, "nodes", lambda _: ["one"])
    unnamed = choose("some", {"CLUSTER": "existing", "KUBECONFIG": "/k"})
    unnamed.up(1, with_operator=False)
    with pytest.raises(TestbedError, match="docker push .*\n.*ZKOPERATOR_IMAGE="):
        unnamed.up(1, with_operator=True)


def deployment(image: str = "zkoperator:dev") -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "operator", "image": image}]}}
    return {"kind": "Deployment", "spec": {"template": pod}}


def test_another_build_of_the_same_name_restarts_the_pods_and_the_same_build_does_not() -> None:
    first, again, other = (
        install.with_image(deployment(), OperatorImage("registry.example.com/z:1", identity))
        for identity in ("build-1", "build-1", "build-2")
    )
    assert first == again != other
    assert first["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/z:1"
    service = {"kind": "Service", "spec": {}}
    assert install.with_image(service, OperatorImage("a", "b")) == {"kind": "Service", "spec": {}}


def test_the_build_says_which_version_and_which_commit_it_is() -> None:
    named = images.build_arguments()
    assert named["VERSION"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", named["REVISION"])


def test_messages_name_the_interpreter_that_has_the_testbed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--name", "not-there", "exec"]) == 1
    said = capsys.readouterr().err
    assert f"{words.python()} -m testbed --name not-there exec -- kubectl get pods -A" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="removes namespaces and cgroups: needs root on Linux")
def test_what_a_cluster_leaves_behind_are_its_logs_until_it_is_cleaned_up(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{programs}:{os.defpath}:/usr/sbin")
    monkeypatch.setattr(layout, "_STATE", programs / "state")
    logs = layout.layout("never-up", 1).logs
    logs.mkdir(parents=True)
    (logs / "etcd.log").touch()
    Local("never-up").down()
    assert (logs / "etcd.log").exists()
    assert cli.main(["clean", "never-up", "another"]) == 0
    assert not (programs / "state").exists()


def test_cleaning_up_removes_a_cluster_of_kind_even_where_another_provider_would_be_chosen(programs: Path) -> None:
    for name in ("docker", "kubectl"):
        program(programs, name, "exit 0")
    program(programs, "kind", f'echo "$*" >> {programs / "log"}')
    Kind("some").up(3, with_operator=False)
    assert cli.main(["clean", "some"]) == 0
    last = (programs / "log").read_text().splitlines()[-1]
    assert last.startswith("delete cluster --name=some")
    assert not Kind("some").is_left()


@pytest.mark.parametrize(("nodes", "workers"), [(1, 0), (2, 2), (3, 3)])
def test_kind_gets_as_many_workers_as_nodes_run_pods(nodes: int, workers: int) -> None:
    described = kind.configuration(nodes)["nodes"]
    assert isinstance(described, list)
    assert [node["role"] for node in described] == ["control-plane"] + ["worker"] * workers


def test_a_kind_cluster_of_too_many_nodes_is_refused() -> None:
    with pytest.raises(TestbedError, match="--nodes 4"):
        kind.configuration(4)


def test_kind_runs_commands_in_the_network_of_the_control_plane(programs: Path) -> None:
    program(programs, "docker", '[ "$*" = "inspect --format={{.State.Pid}} some-control-plane" ] && echo 42')
    command = Kind("some").inside(["kubectl", "get", "pods"])
    assert "--net=/proc/42/ns/net" in command
    assert command[-3:] == ["kubectl", "get", "pods"]


def test_kind_makes_a_kubeconfig_that_works_inside(programs: Path) -> None:
    program(programs, "docker", "exit 0")
    program(programs, "kubectl", "exit 0")
    program(programs, "kind", '[ "$2" = clusters ] || echo "server: https://some-control-plane:6443"')
    provider = Kind("some")
    provider.up(3, with_operator=False)
    assert provider.kubeconfig().read_text().strip() == "server: https://127.0.0.1:6443"
    assert (provider.kubeconfig().stat().st_mode & 0o077) == 0


def test_kind_builds_the_image_once_with_its_labels_and_tells_it_by_its_content(programs: Path) -> None:
    install_log = programs / "log"
    script = f'echo "$@" >> {install_log}; [ "$1 $2" = "image inspect" ] && echo sha256:abc || true'
    program(programs, "docker", script)
    program(programs, "kind", f'echo "$@" >> {install_log}')
    program(programs, "git", "exit 1")
    provider = Kind("some")
    provider.load_operator()
    assert provider.operator_image() == OperatorImage("zkoperator:dev", "sha256:abc")
    built, loaded, _ = install_log.read_text().splitlines()
    assert f"--build-arg=VERSION={__version__} --build-arg=REVISION=unknown --tag=zkoperator:dev" in built
    assert loaded == "load docker-image zkoperator:dev --name=some"


def test_the_command_line_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--name", "not-there", "exec", "--", sys.executable]) == 1
    assert "not-there is not up" in capsys.readouterr().err
