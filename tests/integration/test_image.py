"""The operator's image as the testbed builds it from the project's Dockerfile."""

import json
import os
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from testbed import images, machine, packages
from testbed.images import Image

pytestmark = [
    pytest.mark.timeout(1800),  # the first build on a machine makes a Debian and installs the dependencies
    pytest.mark.skipif(os.geteuid() != 0, reason="builds an image in a chroot: needs root on Linux"),
]

ROOT = Path(__file__).parents[2]
MB = 1_000_000
RENDER = """
import asyncio
from zkoperator.templates.pool import WorkerPool
from zkoperator.templates.port import Job, Pace, Rendered
async def main():
    pool = WorkerPool()
    found = await pool.render(Job({"f": "{{ getv('/a') }}"}, {"a": b"b"}))
    await pool.close()
    assert found == (Rendered({"f": b"b"}), Pace.QUICK), found
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def image() -> Image:
    machine.require_root()
    packages.install()
    return images.operator()


def blob(image: Image, digest: str) -> Path:
    return image.layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


@pytest.fixture(scope="module")
def manifest(image: Image) -> dict[str, Any]:
    index = json.loads((image.layout / "index.json").read_text())
    found: dict[str, Any] = json.loads(blob(image, index["manifests"][0]["digest"]).read_text())
    return found


@pytest.fixture(scope="module")
def config(image: Image, manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(blob(image, manifest["config"]["digest"]).read_text())["config"]
    return found


@pytest.fixture(scope="module")
def files(image: Image, manifest: dict[str, Any]) -> list[str]:
    """Every path of every layer."""
    found: list[str] = []
    for layer in manifest["layers"]:
        with tarfile.open(blob(image, layer["digest"])) as archive:
            found += ["/" + name.removeprefix("./") for name in archive.getnames()]
    return found


def test_it_runs_the_operator_as_a_user_with_no_rights(config: dict[str, Any]) -> None:
    user = config["User"].partition(":")[0]
    assert user.isdigit() and int(user) > 0, "a name could not be checked by runAsNonRoot"
    assert (config["Entrypoint"], config["Cmd"]) == (["python", "-m", "zkoperator"], ["run"])


def test_its_labels_say_what_it_is_and_where_it_comes_from(config: dict[str, Any]) -> None:
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert labels["base.name"] == images.PYTHON_IMAGE
    assert labels["revision"] != "" and {"title", "description", "source", "url", "documentation"} <= labels.keys()


def test_there_is_no_shell_and_no_compiler_in_it(files: list[str]) -> None:
    programs = {Path(name).name for name in files if "/bin/" in name}
    assert "python3" in programs, "the paths of programs were found"
    assert not any(
        name.startswith(("sh", "bash", "dash", "busybox", "apt", "dpkg", "perl", "pip")) for name in programs
    )
    assert programs & {"gcc", "cc", "g++", "c++", "cpp", "ld", "as", "make", "rustc", "cargo", "go"} == set()


def test_nothing_is_left_of_the_build(files: list[str]) -> None:
    ours = [name for name in files if name.startswith("/opt/zkoperator/")]
    assert "/opt/zkoperator/app/zkoperator/__main__.py" in ours
    left_out = ("/kubernetes/aio/", "/kubernetes/client/api/", "/kazoo/tests/", "/pip/", "/ensurepip/")
    assert not [name for name in files if any(part in name for part in left_out)]
    assert not [name for name in files if name.startswith(("/build/requirements", "/root/.cache"))]


def test_it_starts_with_nothing_but_what_is_in_it(image: Image, manifest: dict[str, Any], tmp_path: Path) -> None:
    """Every library that Python loads at the start of the operator was copied with it."""
    for layer in manifest["layers"]:
        with tarfile.open(blob(image, layer["digest"])) as archive:
            archive.extractall(tmp_path, filter="tar")
    tmp_path.chmod(0o755)
    settings = json.loads(blob(image, manifest["config"]["digest"]).read_text())["config"]["Env"]
    environ = dict(setting.split("=", 1) for setting in settings)
    imports = "import zkoperator.app, zkoperator.backup.stores.s3, ssl, zoneinfo"
    imports += "; assert ssl.create_default_context().cert_store_stats()['x509_ca']"
    started = ["-m", "zkoperator", "version"], ["-c", f"{imports}; zoneinfo.ZoneInfo('Europe/Berlin')"], ["-c", RENDER]
    for words in started:
        command = ["/usr/sbin/chroot", "--userspec=65532:65532", str(tmp_path), "/opt/zkoperator/bin/python", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


def test_it_stays_small(manifest: dict[str, Any]) -> None:
    """Uncompressed; the base is in it no more than as the files that Python needs."""
    sizes = [layer["size"] for layer in manifest["layers"]]
    print(f"image: {sum(sizes) / MB:.0f} MB uncompressed, in layers of {[round(size / MB) for size in sizes]}")
    assert sum(sizes) < 150 * MB
