"""Images on disk: layers are kept once, and only what a node lacks is sent."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed import oci
from testbed.cache import artefact


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def pushing(*layers: bytes) -> Callable[[str, str], None]:
    """What the builder does for the transport `dir:`."""

    def push(reference: str, target: str) -> None:
        directory = Path(target.removeprefix("dir:"))
        config = reference.encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": digest(config)},
            "layers": [{"digest": digest(layer)} for layer in layers],
        }
        for blob in (config, *layers):
            (directory / digest(blob).removeprefix("sha256:")).write_bytes(blob)
        (directory / "manifest.json").write_text(json.dumps(manifest))
        (directory / "version").write_text("Directory Transport Version: 1.1\n")

    return push


def image(name: str, *layers: bytes) -> Path:
    return artefact(f"image-{name}", (name,), lambda directory: oci.write(name, directory, pushing(*layers)))


def test_every_blob_of_a_layout_has_the_name_of_its_content() -> None:
    layout = image("one", b"base", b"top")
    blobs = list((layout / "blobs" / "sha256").iterdir())
    assert len(blobs) == 4
    assert all(digest(blob.read_bytes()) == f"sha256:{blob.name}" for blob in blobs)
    assert sorted(path.name for path in layout.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_cluster_gets_the_image_under_its_name() -> None:
    entry = json.loads((image("one", b"base") / "index.json").read_text())["manifests"][0]
    assert entry["annotations"] == {"io.containerd.image.name": "one"}


def test_a_layer_that_two_images_share_is_on_the_disk_once() -> None:
    first, second = image("one", b"base", b"top"), image("two", b"base", b"other top")
    shared = digest(b"base").removeprefix("sha256:")
    assert (first / "blobs" / "sha256" / shared).samefile(second / "blobs" / "sha256" / shared)


def test_only_the_blobs_that_are_missing_are_sent() -> None:
    layout = image("one", b"base", b"top")
    base = f"blobs/sha256/{digest(b'base').removeprefix('sha256:')}"
    everything = oci.members(layout)
    assert all((layout / member).is_file() for member in everything)
    assert set(everything) - set(oci.members(layout, without={digest(b"base")})) == {base}


def test_a_layer_that_an_image_has_twice_is_kept_once() -> None:
    assert len(list((image("one", b"same", b"same") / "blobs" / "sha256").iterdir())) == 3
