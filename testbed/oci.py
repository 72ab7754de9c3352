"""OCI image layouts on disk: https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from testbed.cache import cache_root

_CONTAINERD_NAME = "io.containerd.image.name"
_BLOBS = Path("blobs") / "sha256"


def write(reference: str, directory: Path, push: Callable[[str, str], None]) -> None:
    """Fill a directory with the layout of one image; blobs that other images of the cache have are linked to theirs.

    Args:
        reference: The name that the image gets in a cluster.
        directory: An empty directory of the cache.
        push: Copies the image of a name to a target such as `dir:DIRECTORY`, the one transport of the builder that
            leaves layers as they are: to an OCI layout it compresses each of them, each time.
    """
    blobs = directory / _BLOBS
    blobs.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        push(reference, f"dir:{scratch}")
        manifest = (Path(scratch) / "manifest.json").read_bytes()
        for digest in _children(json.loads(manifest)):
            _keep(Path(scratch) / _file_name(digest), blobs)
    digest = hashlib.sha256(manifest).hexdigest()
    (blobs / digest).write_bytes(manifest)
    entry = {
        "mediaType": json.loads(manifest)["mediaType"],
        "digest": f"sha256:{digest}",
        "size": len(manifest),
        "annotations": {_CONTAINERD_NAME: reference},
    }
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (directory / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def members(directory: Path, without: Collection[str] = ()) -> list[str]:
    """Return the files of a layout, relative to it, less the blobs with the given digests."""
    manifest_digest = json.loads((directory / "index.json").read_text())["manifests"][0]["digest"]
    manifest = json.loads((directory / _BLOBS / _file_name(manifest_digest)).read_text())
    digests = dict.fromkeys([manifest_digest, *_children(manifest)])
    return ["oci-layout", "index.json", *(str(_BLOBS / _file_name(one)) for one in digests if one not in without)]


def _children(manifest: dict[str, Any]) -> list[str]:
    return [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]


def _keep(blob: Path, blobs: Path) -> None:
    target = blobs / blob.name
    if target.exists():  # an image may have the same layer twice
        return
    for same in cache_root().glob(f"image-*/{_BLOBS}/{blob.name}"):
        target.hardlink_to(same)
        return
    shutil.move(blob, target)


def _file_name(digest: str) -> str:
    return digest.removeprefix("sha256:")
