"""The archive of `kubectl zk` and the manifest by which krew installs it.

`python -m testbed.krew` writes both into `dist/`.
"""

import argparse
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from zkoperator import __version__

_CHECKOUT = Path(__file__).parent.parent
_PACKAGE = _CHECKOUT / "operator" / "zkoperator"
_LAUNCHER = "kubectl-zk"
_SYSTEMS = ("linux", "darwin")
ARCHIVE = f"kubectl-zk-v{__version__}.tar.gz"
MANIFEST = "zk.yaml"


def archive() -> bytes:
    """Return the archive: a launcher, the package and its requirements. The same sources give the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, source in sorted(_content()):
            entry = tarfile.TarInfo(name)
            data = source.read_bytes()
            entry.size, entry.mode = len(data), 0o755 if name == _LAUNCHER else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _content() -> Iterator[tuple[str, Path]]:
    """Yield each file of the archive with its source."""
    yield _LAUNCHER, _CHECKOUT / "plugin" / "kubectl_zk.py"
    yield "requirements.txt", _CHECKOUT / "requirements" / "runtime.txt"
    yield "LICENSE", _CHECKOUT / "LICENSE"
    for source in _PACKAGE.rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            yield str(source.relative_to(_PACKAGE.parent)), source


def manifest(packed: bytes, *, url: str, homepage: str) -> dict[str, Any]:
    """Return krew's manifest of an archive that will be at an address."""
    installed = {"uri": url, "sha256": hashlib.sha256(packed).hexdigest(), "bin": _LAUNCHER}
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "zk"},
        "spec": {
            "version": f"v{__version__}",
            "homepage": homepage,
            "shortDescription": "Look after ZooKeeper ensembles and ConfigSyncs",
            "description": (
                "Shows and explains the ZooKeeperClusters and ConfigSyncs of zkoperator, compares\n"
                "znodes with ConfigMaps, resolves conflicts, restarts members and follows their logs.\n"
            ),
            "caveats": (
                "It needs Python 3.11 or newer as python3, with venv (Debian: python3-venv). The first call\n"
                "installs its Python packages from pip's index beside the plugin: some 200 MB, once.\n"
            ),
            "platforms": [{"selector": {"matchLabels": {"os": system}}, **installed} for system in _SYSTEMS],
        },
    }


def main() -> None:
    """Write archive and manifest."""
    parser = argparse.ArgumentParser(prog="testbed.krew", description="Pack kubectl zk for krew.")
    parser.add_argument("--out", type=Path, default=_CHECKOUT / "dist", help="(default: %(default)s)")
    parser.add_argument("--homepage", default="https://zkoperator.dev/", help="(default: %(default)s)")
    parser.add_argument("--url", help="where the archive will be (default: where it is written)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    packed, file = archive(), arguments.out.resolve() / ARCHIVE
    file.write_bytes(packed)
    made = manifest(packed, url=arguments.url or file.as_uri(), homepage=arguments.homepage)
    (arguments.out / MANIFEST).write_text(yaml.safe_dump(made, sort_keys=False))


if __name__ == "__main__":
    main()
