"""The operator's image as the testbed builds it from the project's Dockerfile."""

import json
import os
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
BASE_LAYERS = 1
MB = 1_000_000


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


def test_there_is_no_compiler_in_it(files: list[str]) -> None:
    programs = {Path(name).name for name in files if "/bin/" in name}
    assert "python3" in programs, "the paths of programs were found"
    assert programs & {"gcc", "cc", "g++", "c++", "cpp", "ld", "as", "make", "rustc", "cargo", "go"} == set()


def test_nothing_is_left_of_the_build(files: list[str]) -> None:
    ours = [name for name in files if name.startswith("/opt/zkoperator/")]
    assert "/opt/zkoperator/app/zkoperator/__main__.py" in ours
    assert not [name for name in ours if "__pycache__" in name or "/kubernetes/aio/" in name or "/kazoo/tests/" in name]
    assert not [name for name in files if name.startswith(("/build/requirements", "/root/.cache"))]


def test_it_stays_small(manifest: dict[str, Any]) -> None:
    """Uncompressed. What is ours is bounded more closely than the base, which is the testbed's own Debian here."""
    sizes = [layer["size"] for layer in manifest["layers"]]
    ours = sum(sizes[BASE_LAYERS:])
    print(f"image: {sum(sizes) / MB:.0f} MB uncompressed, {ours / MB:.0f} MB of it above the base")
    assert ours < 120 * MB
    assert sum(sizes) < 400 * MB
