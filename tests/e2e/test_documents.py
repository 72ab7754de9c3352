"""Every command that the README and the tutorial show works, in the order in which they show them."""

import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "make demo": "brings up a cluster of its own; run by hand and by the pipeline",
    "make test": "is what runs this test",
    "kind create cluster": "this cluster is there already",
    "kind delete cluster": "this cluster is still needed",
    "kind load docker-image": "the image was put on the nodes when the cluster was made",
    "docker build": "so was the image built",
}
"""Commands that make no sense on a cluster that runs already, by their beginning, and why."""

IN_PLACE_OF = {
    # Installed before, with the image of this checkout. That the server takes the shipped files is still seen.
    "kubectl apply -f crds/": "kubectl apply --dry-run=server -f crds/",
    "kubectl apply -k manifests/": "kubectl apply --dry-run=server -k manifests/",
}
"""What is run instead of what is shown, and why."""

BLOCK = re.compile(r"```sh\n([\s\S]*?)```|((?:^    (?:make|kubectl|kind|docker)\b.*\n)+)", re.MULTILINE)
HERE_DOCUMENT = re.compile(r"<<'(\w+)'")


def commands(text: str) -> Iterator[str]:
    """Each command of each shell block or indented line, here-documents included, comments not."""
    for fenced, indented in BLOCK.findall(text):
        lines = iter((fenced or re.sub(r"^    ", "", indented, flags=re.MULTILINE)).splitlines())
        for line in lines:
            command = line
            if (here := HERE_DOCUMENT.search(line)) is not None:
                for more in lines:
                    command += f"\n{more}"
                    if more == here[1]:
                        break
            if command.strip():
                yield command if here else re.sub(r"\s+#.*$", "", command).strip()


def documented(name: str) -> list[str]:
    return list(commands((ROOT / name).read_text()))


def to_run(command: str) -> str | None:
    """The command as it is run here; None for one that only makes sense elsewhere."""
    if any(command.startswith(beginning) for beginning in ELSEWHERE):
        return None
    for shown, run in IN_PLACE_OF.items():
        command = command.replace(shown, run)
    return command


@pytest.fixture
def shell(tmp_path: Path) -> Iterator["Shell"]:
    made = Shell(tmp_path, f"docs-{secrets.token_hex(4)}")
    made.run(f"kubectl create namespace {made.namespace}")
    made.run(f"kubectl config set-context --current --namespace {made.namespace}")
    try:
        yield made
    finally:
        made.run(f"kubectl delete namespace --wait=false --ignore-not-found {made.namespace} {made.second}")


class Shell:
    """A user's shell: a kubeconfig of its own, the plugin in its PATH, the clone as its directory."""

    def __init__(self, directory: Path, namespace: str) -> None:
        self.namespace = namespace
        self.second = f"{namespace}-tutorial"
        kubeconfig = directory / "kubeconfig"
        shutil.copy(os.environ["KUBECONFIG"], kubeconfig)
        plugin = directory / "kubectl-zk"
        plugin.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "operator"} exec {sys.executable} -m zkoperator "$@"\n')
        plugin.chmod(0o755)
        self._environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, command: str) -> None:
        command = re.sub(r"\btutorial\b", self.second, command)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=420,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_every_command_of_the_document_works(shell: Shell, name: str) -> None:
    ran = [run for command in documented(name) if (run := to_run(command)) is not None]
    assert len(ran) >= 4
    for command in ran:
        shell.run(command)


def test_every_exception_is_a_command_that_is_shown() -> None:
    shown = "\n".join([*documented("README.md"), *documented("docs/tutorial.md")])
    assert [words for words in (*ELSEWHERE, *IN_PLACE_OF) if words not in shown] == []


def test_commands_are_found_in_every_form_that_the_documents_use() -> None:
    text = "a\n\n    make x   # why\n    kubectl get y\n\n```sh\nkubectl apply -f - <<'END'\na: 1\nEND\nkind z\n```\n"
    assert list(commands(text)) == ["make x", "kubectl get y", "kubectl apply -f - <<'END'\na: 1\nEND", "kind z"]
