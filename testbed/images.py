"""Container images, built without a container engine.

An image is kept as an OCI layout (a directory of blobs named by their digest), uncompressed: a layer that two images
share is on the disk once, and a node is sent only what it does not have.
"""

import contextlib
import dataclasses
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from testbed import binaries, jars, oci
from testbed.cache import Input, artefact, cache_root, fingerprint
from testbed.errors import TestbedError
from testbed.node_files import PAUSE_IMAGE
from testbed.processes import run
from testbed.rootfs import rootfs

OPERATOR_IMAGE = "docker.io/library/zkoperator:dev"
PYTHON_IMAGE = "docker.io/library/python:3.11-slim-bookworm"

_CHECKOUT = Path(__file__).parent.parent
_RECIPES = Path(__file__).parent / "zookeeper"
_FORMAT = "OCI layout of uncompressed layers"
_JAVA_BASE = "localhost/testbed/java:17"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_CONFIG = "/etc/pip.conf"
_PATHS_OF_THIS_MACHINE = ("cert", "find-links", "config-file", "cache-dir", "require-virtualenv")
# As in the official image, `python` is Python 3 and pip may install; the empty file is where a build mounts pip's
# configuration of the machine, so that not even a mount point of it is left in an image.
_LIKE_OFFICIAL_PYTHON = f"""
ln -s /usr/bin/python3 /usr/local/bin/python
rm /usr/lib/python3*/EXTERNALLY-MANAGED
: > {_PIP_CONFIG}
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """A built image: its name in a cluster and the directory of its OCI layout."""

    reference: str
    layout: Path


@dataclasses.dataclass(frozen=True, slots=True)
class OperatorImage:
    """The operator's image as a cluster has it: its name, and what is another one for another build of that name."""

    reference: str
    identity: str


def zookeeper_reference(version: str) -> str:
    """Return the name of the ZooKeeper image of a release."""
    return f"docker.io/library/zookeeper:{version}"


def pause() -> Image:
    """Return the image of the process that holds a pod's namespaces."""
    program = binaries.pause()
    recipe = 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n'
    return _image("image-pause", PAUSE_IMAGE, recipe, {"pause": program})


def zookeeper(version: str) -> Image:
    """Return the ZooKeeper image of a release, with the contract of the official one."""
    base = _base("java", _JAVA_BASE, ("openjdk-17-jre-headless", "netcat-openbsd", "ca-certificates"))
    return _image(
        f"image-zookeeper-{version}",
        zookeeper_reference(version),
        (_RECIPES / "Dockerfile").read_text(),
        {
            "zkServer.sh": _RECIPES / "zkServer.sh",
            "zkCli.sh": _RECIPES / "zkCli.sh",
            "lib": jars.release(version),
        },
        base=base,
    )


def operator() -> Image:
    """Return the operator's image, built from the project's own Dockerfile."""
    packages = ("python3.11", "python3.11-venv", "python3-pip", "ca-certificates")
    base = _base("python", PYTHON_IMAGE, packages, _LIKE_OFFICIAL_PYTHON)
    dockerfile = (_CHECKOUT / "Dockerfile").read_text()
    files = {name: _CHECKOUT / name for name in _copied(dockerfile)}
    with _pip_configuration() as configuration:
        mounts = [f"{configuration}:{_PIP_CONFIG}:ro", f"{_CERTIFICATES}:{_CERTIFICATES}:ro"]
        named = build_arguments()
        return _image("image-operator", OPERATOR_IMAGE, dockerfile, files, base=base, mounts=mounts, arguments=named)


def build_arguments() -> dict[str, str]:
    """Return what the labels of the operator's image say of the checkout."""
    project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())["project"]
    return {"VERSION": project["version"], "REVISION": _revision()}


def _revision() -> str:
    """Return the commit, marked when the image would not be the one of the commit; outside of git it is unknown."""
    try:
        commit = run("git", "-C", _CHECKOUT, "rev-parse", "HEAD").strip()
        changed = run("git", "-C", _CHECKOUT, "status", "--porcelain", "--", "Dockerfile", "operator", "requirements")
    except TestbedError:
        return "unknown"
    return f"{commit}-dirty" if changed else commit


@dataclasses.dataclass(frozen=True, slots=True)
class _Base:
    reference: str
    archive: Path


def _base(kind: str, reference: str, packages: tuple[str, ...], script: str = "") -> _Base:
    return _Base(reference, rootfs(kind, packages, script))


def _image(
    kind: str,
    reference: str,
    recipe: str,
    files: dict[str, Path],
    *,
    base: _Base | None = None,
    mounts: Sequence[str] = (),
    arguments: Mapping[str, str] | None = None,
) -> Image:
    """Return an image. The arguments only name it: they alone make no other one of the same content."""

    def build(directory: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            context = Path(scratch)
            (context / "Dockerfile").write_text(recipe)
            for name, source in files.items():
                _copy(source, context / name)
            if base is not None:
                _ensure_base(base)
            _build(context, reference, base, mounts, arguments or {})
        oci.write(reference, directory, _push)

    inputs: list[Input] = [_FORMAT, reference, recipe, *files, *(fingerprint(path) for path in files.values())]
    inputs += [base.reference, base.archive.parent.name] if base is not None else []
    return Image(reference, artefact(kind, tuple(inputs), build))


def _push(reference: str, target: str) -> None:
    _buildah("push", "--format=oci", "--disable-compression", reference, target)


def _build(context: Path, reference: str, base: _Base | None, mounts: Sequence[str], named: Mapping[str, str]) -> None:
    arguments = [f"--build-arg=BASE_IMAGE={base.reference}"] if base is not None else []
    arguments += [f"--build-arg={name}={value}" for name, value in named.items()]
    volumes = [f"--volume={mount}" for mount in mounts]
    # Layers are kept, so that a change of the sources alone does not install the dependencies again.
    _buildah("bud", "--layers", "--pull-never", *arguments, *volumes, f"--tag={reference}", context)


def _ensure_base(base: _Base) -> None:
    """Put a Debian file system under its name into the builder's storage, unless this very one is there."""
    exact = f"localhost/testbed/base:{base.archive.parent.name}"
    with contextlib.suppress(TestbedError):
        _buildah("tag", exact, base.reference)
        return
    with tempfile.TemporaryDirectory(dir=cache_root()) as scratch:
        context = Path(scratch)
        (context / "rootfs.tar").hardlink_to(base.archive)
        (context / "Dockerfile").write_text("FROM scratch\nADD rootfs.tar /\n")
        _buildah("bud", "--layers", f"--tag={exact}", f"--tag={base.reference}", context)


def _buildah(verb: str, *arguments: str | Path) -> None:
    storage = cache_root() / "buildah"
    places = [f"--root={storage / 'root'}", f"--runroot={storage / 'run'}", "--storage-driver=overlay"]
    isolation = ["--isolation=chroot"] if verb == "bud" else []
    run("buildah", *places, verb, *isolation, *arguments, what=f"buildah {verb}")


def _copied(dockerfile: str) -> list[str]:
    """Return the files and directories of the build context that a Dockerfile copies."""
    lines = re.findall(r"^\s*(?:COPY|ADD)\s+(?!--from)(.+)$", dockerfile, re.MULTILINE)
    return sorted({name for line in lines for name in line.split()[:-1] if not name.startswith("--")})


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


@contextlib.contextmanager
def _pip_configuration() -> Iterator[Path]:
    """Write pip's configuration of this machine, variables of the environment included, for the time of a build."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", said.stdout, re.MULTILINE)
    settings = {key: value for key, value in found if key not in _PATHS_OF_THIS_MACHINE}
    settings["cert"] = str(_CERTIFICATES)
    with tempfile.NamedTemporaryFile("w", prefix="pip-", suffix=".conf") as file:
        file.write("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()))
        file.flush()
        yield Path(file.name)
