"""`kubectl zk` for krew: the manifest by the rules of krew's `validate-krew-manifest`, and what the archive does."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from testbed.krew import archive, manifest
from zkoperator import __version__

FORBIDDEN = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
KNOWN = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {"version", "homepage", "shortDescription", "description", "caveats", "platforms"},
    "platform": {"selector", "uri", "sha256", "bin", "files"},
}


def faults(plugin: dict[str, Any]) -> list[str]:
    """What krew would refuse, by the rules of its manifest."""
    spec, name = plugin.get("spec", {}), plugin.get("metadata", {}).get("name", "")
    rules = {
        "apiVersion": plugin.get("apiVersion") == "krew.googlecontainertools.github.com/v1alpha2",
        "kind": plugin.get("kind") == "Plugin",
        "unknown field": plugin.keys() <= KNOWN[""] and spec.keys() <= KNOWN["spec"],
        "name": re.fullmatch(r"[a-z0-9-]+", name) and name not in FORBIDDEN and not name.startswith("kubectl"),
        "shortDescription": re.fullmatch(r"[^\r\n]{1,50}", spec.get("shortDescription", "")),
        "version": re.fullmatch(r"v\d+\.\d+\.\d+(-[\w.]+)?", spec.get("version", "")),
        "homepage": spec.get("homepage", "").startswith("https://"),
        "platforms": spec.get("platforms"),
    }
    found = [what for what, holds in rules.items() if not holds]
    return [*found, *(fault for platform in spec.get("platforms", ()) for fault in faults_of_platform(platform))]


def faults_of_platform(platform: dict[str, Any]) -> list[str]:
    labels = platform.get("selector", {}).get("matchLabels", {})
    rules = {
        "unknown field of a platform": platform.keys() <= KNOWN["platform"],
        "selector": labels and labels.keys() <= {"os", "arch"},
        "uri": platform.get("uri", "").startswith("https://") and platform["uri"].endswith((".tar.gz", ".zip")),
        "sha256": re.fullmatch(r"[a-f0-9]{64}", platform.get("sha256", "")),
        "bin": platform.get("bin") and not platform["bin"].startswith(("/", "..")),
    }
    return [what for what, holds in rules.items() if not holds]


def made() -> dict[str, Any]:
    return manifest(archive(), url="https://example.com/kubectl-zk.tar.gz", homepage="https://example.com/")


def test_krew_takes_the_manifest() -> None:
    assert faults(made()) == []
    assert made()["spec"]["version"] == f"v{__version__}"
    systems = [platform["selector"]["matchLabels"]["os"] for platform in made()["spec"]["platforms"]]
    assert len(systems) == len(set(systems)), "two platforms fit one machine"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"kind": "Plugins"}, "kind"),
        ({"metadata": {"name": "kubectl-zk"}}, "name"),
        ({"spec": {**made()["spec"], "version": "0.1.0"}}, "version"),
        ({"spec": {**made()["spec"], "platforms": []}}, "platforms"),
        ({"spec": {**made()["spec"], "platforms": [{**made()["spec"]["platforms"][0], "sha256": "0"}]}}, "sha256"),
    ],
)
def test_the_rules_refuse_a_bad_manifest(change: dict[str, Any], fault: str) -> None:
    assert faults({**made(), **change}) == [fault]


def test_the_manifest_names_a_program_of_the_archive_by_its_digest() -> None:
    packed = archive()
    assert packed == archive()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        for platform in made()["spec"]["platforms"]:
            assert tar.getmember(platform["bin"]).mode & 0o111
            assert platform["sha256"] == hashlib.sha256(packed).hexdigest()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The archive as krew unpacks it, behind the link that krew makes."""
    store = tmp_path / "store" / "zk" / f"v{__version__}"
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        tar.extractall(store, filter="data")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl-zk").symlink_to(store / "kubectl-zk")
    return tmp_path


def call(installed: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = installed / "bin" / "kubectl-zk"
    given = {**os.environ, "PIP_NO_INDEX": "1", "PYTHONPATH": "", **environment}
    return subprocess.run([sys.executable, program, *arguments], capture_output=True, text=True, env=given)


def test_the_plugin_runs_in_an_environment_beside_it(installed: Path) -> None:
    (store,) = (installed / "store" / "zk").iterdir()
    environment = store / f"environment-{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "here.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    done = call(installed, "status", "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: kubectl zk status"), done.stderr


def test_a_plugin_that_cannot_be_installed_says_what_it_needs_and_leaves_nothing_behind(installed: Path) -> None:
    done = call(installed, "status")
    assert done.returncode == 1 and "could not be installed" in done.stderr and "index of packages" in done.stderr
    (store,) = (installed / "store" / "zk").iterdir()
    assert {path.name for path in store.iterdir()} == {"LICENSE", "kubectl-zk", "requirements.txt", "zkoperator"}
