"""The commands that the documents show, and a shell that runs them as a user of a clone would."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from zkoperator.kube.port import Manifest

ROOT = Path(__file__).parents[3]

BLOCK = re.compile(r"^ *```sh\n([\s\S]*?)^ *```|((?:^    (?:make|kubectl|kind|docker)\b.*\n)+)", re.MULTILINE)
HERE_DOCUMENT = re.compile(r"<<'(\w+)'")


def commands(text: str) -> Iterator[str]:
    """Each command of each shell block or indented line, here-documents included, comments not."""
    for fenced, indented in BLOCK.findall(text):
        lines = iter((fenced or re.sub(r"^    ", "", indented, flags=re.MULTILINE)).splitlines())
        for line in lines:
            command = line
            while command.endswith("\\"):
                command += f"\n{next(lines)}"
            if (here := HERE_DOCUMENT.search(command)) is not None:
                for more in lines:
                    command += f"\n{more}"
                    if more == here[1]:
                        break
            if command.strip():
                yield command if here else re.sub(r"\s+#.*$", "", command).strip()


def documented(name: str, section: str = "") -> list[str]:
    """The commands of a document, or of one section of it."""
    text = (ROOT / name).read_text()
    if section:
        text = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return list(commands(text))


def image_under_test() -> tuple[str, str]:
    """Name and tag of the operator's image that the nodes have."""
    name, _, tag = os.environ.get("ZKOPERATOR_IMAGE", "zkoperator:dev").rpartition(":")
    return name, tag


def substituted(command: str, instead: Mapping[str, str]) -> str:
    """The command with other words where something is different here."""
    for shown, run in instead.items():
        command = command.replace(shown, run)
    return command


class Shell:
    """A user's shell: a kubeconfig of its own, the plugin in its PATH, a clone as its directory."""

    def __init__(self, directory: Path) -> None:
        self.clone = directory / "clone"
        for name in ("crds", "manifests", "testbed/overlay"):
            shutil.copytree(ROOT / name, self.clone / name)
        programs = directory / "bin"
        programs.mkdir()
        plugin = programs / "kubectl-zk"
        plugin.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "operator"} exec {sys.executable} -m zkoperator "$@"\n')
        plugin.chmod(0o755)
        kubeconfig = directory / "kubeconfig"
        shutil.copy(os.environ["KUBECONFIG"], kubeconfig)
        self._environment = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, command: str) -> str:
        """What it printed; a failure is the test's, with everything it said."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.clone,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=420,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def objects_in(sample: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(sample.read_text()) if document is not None]
