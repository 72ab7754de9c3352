"""containerd's image store, filled once: a node's store is a tree of hard links to it, so nothing is unpacked twice.

Stores are built on one another: one with the images that never change, then one with the operator's on top.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed import oci
from testbed.cache import artefact
from testbed.errors import TestbedError
from testbed.images import Image
from testbed.node_files import store_config
from testbed.processes import Server, run, wait_for

_NAMESPACE = "k8s.io"
_CHANGED_IN_PLACE = ("meta.db", "metadata.db")


def store(kind: str, images: Sequence[Image], base: Path | None = None) -> Path:
    """Return a directory that a containerd may have as its root, with the images unpacked.

    Args:
        kind: What it is, as a file name.
        images: What is imported.
        base: Another store that this one extends.
    """

    def build(directory: Path) -> None:
        root = directory / "root"
        if base is None:
            root.mkdir()
        else:
            link(base, root)
        _import(root, images)

    inputs = [base.parent.name] if base is not None else []
    inputs += [f"{image.reference} {image.layout.name}" for image in images]
    return artefact(kind, tuple(inputs), build) / "root"


def link(base: Path, root: Path) -> None:
    """Make a store that shares all files of another but those that containerd changes in place."""
    root.parent.mkdir(parents=True, exist_ok=True)
    linked = root.parent.stat().st_dev == base.stat().st_dev
    run("cp", "-al" if linked else "-a", base, root)
    for name in _CHANGED_IN_PLACE:
        for database in base.glob(f"*/{name}"):
            mine = root / database.relative_to(base)
            mine.unlink()
            shutil.copy2(database, mine)


def load(socket: Path, image: Image) -> None:
    """Import an image into the store of a running containerd, sending only the blobs that it does not have."""
    present = run(*ctr(socket, "content", "ls", "--quiet")).split()
    members = oci.members(image.layout, without=set(present))
    pack = ["tar", "-C", str(image.layout), "-cf", "-", *members]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as sender:
        done = subprocess.run(
            ctr(socket, "images", "import", "-"), stdin=sender.stdout, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise TestbedError(f"import of {image.reference} failed:\n{done.stdout}{done.stderr}")


def ctr(socket: Path, *arguments: str | Path) -> list[str]:
    """Return a command line of containerd's client for the kubelet's images."""
    return ["ctr", "--address", str(socket), "--namespace", _NAMESPACE, *map(str, arguments)]


def _import(root: Path, images: Sequence[Image]) -> None:
    with tempfile.TemporaryDirectory(prefix="zkoperator-store-") as scratch:
        run_directory = Path(scratch)
        config, socket = run_directory / "containerd.toml", run_directory / "containerd.sock"
        config.write_text(store_config(root, run_directory))
        server = Server(["containerd", "--config", config], run_directory / "containerd.log")
        server.start()
        try:
            wait_for("containerd", lambda: _answers(socket), limit_s=30, servers=[server])
            for image in images:
                load(socket, image)
        finally:
            server.stop()


def _answers(socket: Path) -> bool:
    return subprocess.run(ctr(socket, "version"), capture_output=True, check=False).returncode == 0
