"""OCI image layouts on disk: https://github.com/opencontainers/image-spec/blob/main/image-layout.md."""

import contextlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from testbed.cache import cache_root

_CONTAINERD_NAME = "io.containerd.image.name"


def write(reference: str, directory: Path, push: Callable[[str, str], None]) -> None:
    """Fill a directory with the layout of one image.

    Blobs that other images of the cache have are linked first, so that `push` copies new ones only.

    Args:
        reference: The name that the image gets in a cluster.
        directory: An empty directory of the cache.
        push: Copies the image of a name to a target such as `oci:DIRECTORY:NAME`.
    """
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in cache_root().glob("image-*/blobs/sha256/*"):
        with contextlib.suppress(FileExistsError):
            (blobs / blob.name).hardlink_to(blob)
    push(reference, f"oci:{directory}:{reference}")
    index = json.loads((directory / "index.json").read_text())
    index["manifests"][0]["annotations"][_CONTAINERD_NAME] = reference
    (directory / "index.json").write_text(json.dumps(index))
    used = {_file_name(digest) for digest in _digests(directory)}
    for blob in blobs.iterdir():
        if blob.name not in used:
            blob.unlink()


def members(directory: Path, without: Collection[str] = ()) -> list[str]:
    """Return the files of a layout, relative to it, less the blobs with the given digests."""
    blobs = [f"blobs/sha256/{_file_name(digest)}" for digest in _digests(directory) if digest not in without]
    return ["oci-layout", "index.json", *blobs]


def _digests(directory: Path) -> list[str]:
    """Return the digests of manifest, configuration and layers."""
    manifest_digest = json.loads((directory / "index.json").read_text())["manifests"][0]["digest"]
    manifest: dict[str, Any] = json.loads((directory / "blobs" / "sha256" / _file_name(manifest_digest)).read_text())
    return [manifest_digest, manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]


def _file_name(digest: str) -> str:
    return digest.removeprefix("sha256:")
