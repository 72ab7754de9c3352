"""`cli`: which member gets the shell, and what kubectl is given."""

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.members import NAMESPACE, cluster, pod
from zkoperator.cli import main, parsed
from zkoperator.cli.commands.cli import SCRIPT, choice, kubectl_words
from zkoperator.errors import InvalidError


def arguments(*words: str) -> argparse.Namespace:
    return parsed(["cli", "main", *words])


def name(chosen: dict[str, Any]) -> str:
    return str(chosen["metadata"]["name"])


def test_a_follower_that_is_ready_comes_before_the_leader() -> None:
    leader, broken, follower = pod("main-zk-0"), pod("main-zk-1", ready=False), pod("main-zk-2")
    assert name(choice([leader, broken, follower], cluster())) == "main-zk-2"
    assert name(choice([leader, broken], cluster())) == "main-zk-0"
    with pytest.raises(InvalidError, match="main-zk-1: not ready"):
        choice([broken], cluster())


def test_one_command_takes_no_input_and_keeps_its_own_flags() -> None:
    words = kubectl_words(arguments("--context", "there", "--", "ls", "-R", "/"), NAMESPACE, pod("main-zk-1"), "e:2181")
    assert words[:5] == ["exec", "--namespace", NAMESPACE, "--context", "there"]
    assert words[-4:] == ["e:2181", "ls", "-R", "/"]
    assert "--stdin" not in words and "--container" in words


def test_a_shell_has_the_input() -> None:
    words = kubectl_words(arguments(), NAMESPACE, pod("main-zk-1"), "e:2181")
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
        ["sh", "-c", script, "zkcli", "an-image", "e:2181", "get", "/a b"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    if opens:
        assert (done.returncode, done.stdout) == (0, "48:-server 127.0.0.1:2181 get /a b\n")
    else:
        assert done.returncode == 1
        assert "kubectl run zkcli --rm -it --image=an-image -- zkCli.sh -server e:2181" in done.stderr


@pytest.mark.parametrize(("endpoint", "port"), [("main-zk.shop.svc:2181", 2181), ("main-zk.shop.svc:2281", 2180)])
def test_the_shell_dials_the_plaintext_port_that_is_open_inside_the_pod(
    tmp_path: Path, endpoint: str, port: int
) -> None:
    program = tmp_path / "zkCli.sh"
    program.write_text('#!/bin/sh\necho "$*"\n')
    program.chmod(0o755)
    script = SCRIPT.replace("/sys/fs/cgroup", str(tmp_path))
    said = subprocess.run(
        ["sh", "-c", script, "zkcli", "an-image", endpoint, "ls", "/"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert said.stdout == f"-server 127.0.0.1:{port} ls /\n"
