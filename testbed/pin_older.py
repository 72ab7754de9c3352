"""Writes the go.mod and go.sum of an older Kubernetes: `python -m testbed.pin_older 1.31.14`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed.binaries import OLDER

_STAGED = re.compile(r"^\s*(k8s\.io/\S+) => \./staging/", re.MULTILINE)
_DIRECTIVES = re.compile(r"^(?:go|godebug default=).*$", re.MULTILINE)
_UNAVAILABLE = re.compile(r"(k8s\.io/\S+)@v\S+: reading \S+: (?:403|404|410)")


def main(version: str) -> None:
    """Pin every module that the API server and the controllers of this version need."""
    minor, _, patch = version.rpartition(".")
    with TemporaryDirectory() as scratch:
        module = Path(scratch)
        shutil.copy(OLDER / "main.go", module)
        text = _own_go_mod(module, version).read_text()
        patches = dict.fromkeys(_STAGED.findall(text), int(patch))
        while missing := _tidied(module, _go_mod(text, minor, patch, patches)):
            for name in missing:
                patches[name] -= 1
        target = OLDER / minor
        target.mkdir(exist_ok=True)
        for name in ("go.mod", "go.sum"):
            shutil.copy(module / name, target)


def _own_go_mod(module: Path, version: str) -> Path:
    (module / "go.mod").write_text("module zkoperator.dev/testbed/older\n")
    done = _go(module, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}")
    found = re.search('"GoMod": "(.+)"', done.stdout)
    if found is None:
        raise SystemExit(done.stderr + done.stdout)
    return Path(found[1])


def _go_mod(text: str, minor: str, patch: str, patches: dict[str, int]) -> str:
    """Return the file before it is tidied. Of the parts of Kubernetes, not each module has every patch version."""
    parts = [f"replace {name} => {name} v0.{minor.partition('.')[2]}.{each}" for name, each in patches.items()]
    lines = ["module zkoperator.dev/testbed/older", *_DIRECTIVES.findall(text)]
    return "\n".join([*lines, f"require k8s.io/kubernetes v{minor}.{patch}", *parts, ""])


def _tidied(module: Path, go_mod: str) -> set[str]:
    """Write and tidy the file; return the modules whose versions cannot be had."""
    (module / "go.mod").write_text(go_mod)
    done = _go(module, "mod", "tidy")
    missing = set(_UNAVAILABLE.findall(done.stderr))
    if done.returncode and not missing:
        raise SystemExit(done.stderr)
    return missing


def _go(module: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["go", *arguments], cwd=module, capture_output=True, text=True)


if __name__ == "__main__":
    main(sys.argv[1])
