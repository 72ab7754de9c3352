"""`cli`: which member gets the shell, and what kubectl is given."""

import argparse
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.members import NAMESPACE, cluster, pod
from zkoperator.cli import main, parsed
from zkoperator.cli.commands.cli import SCRIPT, choice, kubectl_words
from zkoperator.cli.view.shell_pod import CERTIFICATE_OF_YOURS, shell_pod
from zkoperator.errors import InvalidError


def arguments(*words: str) -> argparse.Namespace:
    return parsed(["cli", "main", *words])


def at(endpoint: str, **spec: Any) -> dict[str, Any]:
    raw = cluster(**spec)
    raw["status"]["endpoint"] = endpoint
    return raw


def name(chosen: dict[str, Any]) -> str:
    return str(chosen["metadata"]["name"])


def test_a_follower_that_is_ready_comes_before_the_leader() -> None:
    leader, broken, follower = pod("main-zk-0"), pod("main-zk-1", ready=False), pod("main-zk-2")
    assert name(choice([leader, broken, follower], cluster())) == "main-zk-2"
    assert name(choice([leader, broken], cluster())) == "main-zk-0"
    with pytest.raises(InvalidError, match="main-zk-1: not ready"):
        choice([broken], cluster())


def test_one_command_takes_no_input_and_keeps_its_own_flags() -> None:
    words = kubectl_words(
        arguments("--context", "there", "--", "ls", "-R", "/"), NAMESPACE, pod("main-zk-1"), at("e:2181")
    )
    assert words[:5] == ["exec", "--namespace", NAMESPACE, "--context", "there"]
    assert words[-4:] == ["2181", "ls", "-R", "/"]
    assert "--stdin" not in words and "--container" in words


def test_a_shell_has_the_input() -> None:
    words = kubectl_words(arguments(), NAMESPACE, pod("main-zk-1"), at("e:2181"))
    assert "--stdin" in words and "--context" not in words


def test_without_kubectl_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["cli", "main"]) == 2
    assert "kubectl: is not in PATH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "used", "opens"),
    [("536870912", "400000000", True), ("536870912", "420000000", False), ("max", "1", True), (None, None, True)],
)
def test_a_shell_that_could_end_the_member_is_refused(
    tmp_path: Path, limit: str | None, used: str | None, opens: bool
) -> None:
    """The limit is that of the container, and what exceeds it ends the server too."""
    program = tmp_path / "zkCli.sh"
    program.write_text('#!/bin/sh\necho "$ZK_CLIENT_HEAP:$*"\n')
    program.chmod(0o755)
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.stat").write_text(f"file 9\nanon {used}\n")
    script = SCRIPT.replace("/sys/fs/cgroup", str(tmp_path))
    assert script != SCRIPT
    done = subprocess.run(
        ["sh", "-c", script, "zkcli", "kubectl run 'a b'", "2181", "get", "/a b"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    if opens:
        assert (done.returncode, done.stdout) == (0, "48:-server 127.0.0.1:2181 get /a b\n")
    else:
        assert done.returncode == 1
        assert done.stderr.endswith("use a pod of its own:\nkubectl run 'a b'\n")


@pytest.mark.parametrize(("endpoint", "port"), [("main-zk.shop.svc:2181", 2181), ("main-zk.shop.svc:2281", 2180)])
def test_the_shell_dials_the_plaintext_port_that_is_open_inside_the_pod(
    tmp_path: Path, endpoint: str, port: int
) -> None:
    program = tmp_path / "zkCli.sh"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    words = kubectl_words(arguments("--", "ls", "/"), NAMESPACE, pod("main-zk-1"), at(endpoint))
    said = subprocess.run(
        [word.replace("/sys/fs/cgroup", str(tmp_path)) for word in words[words.index("--") + 1 :]],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert said.stdout == f"-server 127.0.0.1:{port} ls /\n"


def advised(raw: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The words of the command that is advised, and the pod that it makes."""
    words = shlex.split(shell_pod(["--namespace", NAMESPACE], raw, "an-image"))
    (overrides,) = (word.partition("=")[2] for word in words if word.startswith("--overrides="))
    return words, dict(json.loads(overrides)["spec"])


def test_a_shell_in_a_pod_of_its_own_runs_in_the_namespace_of_the_ensemble_under_pod_security_restricted() -> None:
    words, made = advised(at("main-zk.demo.svc:2181"))
    assert words[:5] == ["kubectl", "--namespace", NAMESPACE, "run", "zkcli"]
    assert words[-4:] == ["--", "zkCli.sh", "-server", "main-zk.demo.svc:2181"]
    (container,) = made["containers"]
    assert container["name"] == "zkcli" and container["securityContext"]["allowPrivilegeEscalation"] is False
    assert made["securityContext"]["runAsNonRoot"]
    assert "env" not in container and "volumes" not in made


def test_a_shell_in_a_pod_of_its_own_speaks_tls_where_plaintext_is_refused() -> None:
    words, made = advised(at("main-zk.demo.svc:2281", tls={"client": {"plaintext": "Refused"}}))
    assert words[-4:] == ["--", "zkCli.sh", "-server", "main-zk.demo.svc:2281"]
    (container,), (volume,) = made["containers"], made["volumes"]
    (flags,) = container["env"]
    assert flags["name"] == "CLIENT_JVMFLAGS" and "client.secure=true" in flags["value"]
    assert volume["configMap"]["name"] == "main-zk-ca"
    assert f"{container['volumeMounts'][0]['mountPath']}/{volume['configMap']['items'][0]['path']}" in flags["value"]


def test_a_shell_in_a_pod_of_its_own_shows_a_certificate_where_one_is_required() -> None:
    tls = {"client": {"plaintext": "Refused", "authentication": "Required"}}
    words, made = advised(at("main-zk.demo.svc:2281", tls=tls))
    assert words[-3:-1] == ["sh", "-c"]
    assert words[-1].endswith(">/tmp/client.pem && exec zkCli.sh -server main-zk.demo.svc:2281")
    assert made["volumes"][-1]["secret"] == {"secretName": CERTIFICATE_OF_YOURS}
    assert "keyStore.location=/tmp/client.pem" in made["containers"][0]["env"][0]["value"]
