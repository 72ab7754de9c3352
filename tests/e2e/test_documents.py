"""Every command that the README, the tutorial and the pages about the command line and TLS show works, in order."""

import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.models.documents import Shell, commands, documented, substituted

DOCUMENTS = ("README.md", "docs/tutorial.md", "docs/cli.md", "docs/howto-tls.md")

ELSEWHERE = {
    "make demo": "brings up a cluster of its own; its story is tests/e2e/test_story.py",
    "make test": "is what runs this test",
    "kind create cluster": "this cluster is there already",
    "kind delete cluster": "this cluster is still needed",
    "kind load docker-image": "the image was put on the nodes when the cluster was made",
    "docker build": "so was the image built",
    "docker push": "there is no registry here",
    "kubectl exec -n zkoperator-system deploy/zkoperator -- python -m zkoperator audit": (
        "the sample has one member; tests/integration/test_cli.py compares two"
    ),
    "make plugin": "builds an archive from a clone; tests/unit/test_krew.py",
    "kubectl krew install": "krew is not here; tests/unit/test_krew.py",
    "kubectl zk recover": "needs a lost quorum; tests/faults/test_recovery.py has one",
    "kubectl zk resolve shop": "needs a conflict; tests/integration/test_cli.py has one",
    "kubectl zk approve shop": "needs held deletions; tests/integration/test_cli.py has them",
}
"""Commands that make no sense on a cluster that runs already, by their beginning, and why."""

IN_PLACE_OF = {
    # Installed before, with the image of this checkout. That the server takes the shipped files is still seen.
    "kubectl apply -f crds/": "kubectl apply --dry-run=server -f crds/",
    "kubectl apply -k manifests/": "kubectl apply --dry-run=server -k manifests/",
    "kubectl apply -k install/": "kubectl apply --dry-run=server -k install/",
}
"""What is run instead of what is shown, and why."""


def to_run(command: str) -> str | None:
    """The command as it is run here; None for one that only makes sense elsewhere."""
    if any(command.startswith(beginning) for beginning in ELSEWHERE):
        return None
    return substituted(command, IN_PLACE_OF)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator["Reader"]:
    made = Reader(tmp_path, f"docs-{secrets.token_hex(4)}")
    made.run(f"kubectl create namespace {made.namespace}")
    made.run(f"kubectl config set-context --current --namespace {made.namespace}")
    try:
        yield made
    finally:
        made.run(f"kubectl delete namespace --wait=false --ignore-not-found {made.namespace} {made.second}")


class Reader(Shell):
    """Somebody who types what the documents show, in namespaces of their own."""

    def __init__(self, directory: Path, namespace: str) -> None:
        super().__init__(directory)
        self.namespace = namespace
        self.second = f"{namespace}-tutorial"

    def run(self, command: str) -> str:
        command = re.sub(r"\b(tutorial|game-day)\b", self.second, command)
        command = re.sub(r"\bdemo\b", self.namespace, command)
        return super().run(re.sub(r"-n default\b", f"-n {self.namespace}", command))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_of_the_document_works(shell: Shell, name: str) -> None:
    ran = [run for command in documented(name) if (run := to_run(command)) is not None]
    assert len(ran) >= 4
    for command in ran:
        shell.run(command)


DISKS = "docs/howto-disks.md"
CLAIM = "kubectl get pvc data-main-zk-1 -o jsonpath="


@pytest.mark.timeout(1200)
def test_what_the_page_about_disks_shows_makes_volumes_larger_moves_and_replaces_them(shell: Shell) -> None:
    shell.run("kubectl apply -f manifests/samples/cluster.yaml")
    shell.run("kubectl wait zk main --for condition=Ready --timeout 5m")
    for section in ("Make the volumes larger", "Move to another storage class"):
        for command in documented(DISKS, section):
            # The name of a class that the testbed has.
            shell.run(command.replace('"fast"', '"rigid"'))
    moved = shell.run(
        "kubectl get pvc -o jsonpath='{.items[*].spec.storageClassName} {.items[*].status.capacity.storage}'"
    )
    assert moved.split() == ["rigid"] * 3 + ["20Gi"] * 3
    before = shell.run(CLAIM + "'{.metadata.uid}'")
    for command in documented(DISKS, "Replace a disk"):
        shell.run(command)
    deadline = time.monotonic() + 300
    while shell.run(CLAIM + "'{.metadata.uid}' --ignore-not-found") in ("", before):
        assert time.monotonic() < deadline, shell.run("kubectl get zk main -o yaml")
        time.sleep(0.5)
    shell.run("kubectl wait pod main-zk-1 --for condition=Ready --timeout 5m")
    shell.run("kubectl wait zk main --for condition=Ready --timeout 5m")


GAME_DAY = "docs/game-day.md"


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_a_game_day_goes_as_its_page_says(shell: Shell) -> None:
    told = [(command, shell.run(command)) for command in documented(GAME_DAY) if command != "make demo"]

    def said(beginning: str) -> list[str]:
        return [output for command, output in told if command.startswith(beginning)]

    (compared, approved) = said("kubectl zk recover main")
    assert "main-zk-1 has the latest data of those that run" in compared, compared
    assert "zkoperator.dev/recover=main-zk-1@0x" in approved, approved
    (late,) = said("kubectl zk cli main -- get /orders/late")
    assert "second" in late, late
    (audited,) = said("kubectl exec -n zkoperator-system")
    assert "all members have the same znodes, values and ACLs" in audited, audited
    assert said("kubectl get zk copy -o jsonpath") == ["1\n"]
    assert ["first" in output for output in said("kubectl zk cli copy -- get /orders")] == [True, True]
    assert ["[]" in output.splitlines() for output in said("kubectl zk cli copy -- ls /orders")] == [True, True]
    first, last = said("kubectl get zkb")[0], said("kubectl get zkb")[-1]
    assert ("copy-" in first, "copy-" in last) == (False, True), last


def test_every_exception_is_a_command_that_is_shown() -> None:
    shown = "\n".join(command for name in DOCUMENTS for command in documented(name))
    assert [words for words in (*ELSEWHERE, *IN_PLACE_OF) if words not in shown] == []


def test_commands_are_found_in_every_form_that_the_documents_use() -> None:
    text = "a\n\n    make x   # why\n    kubectl get y\n\n```sh\nkubectl apply -f - <<'END'\na: 1\nEND\nkind z\n```\n"
    text += "1. one\n   ```sh\n   kubectl a \\\n     b\n   ```\n"
    shown = ["make x", "kubectl get y", "kubectl apply -f - <<'END'\na: 1\nEND", "kind z", "kubectl a \\\n     b"]
    assert list(commands(text)) == shown
