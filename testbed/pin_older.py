"""Writes the go.mod and go.sum of an older Kubernetes: `python -m testbed.pin_older 1.31.14`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed.binaries import OLDER

_STAGED = re.compile(r"^\s*(k8s\.io/\S+) => \./staging/", re.MULTILINE)


def main(version: str) -> None:
    """Pin every module that the API server and the controllers of this version need."""
    minor = version.rpartition(".")[0]
    with TemporaryDirectory() as scratch:
        module = Path(scratch)
        shutil.copy(OLDER / "main.go", module)
        (module / "go.mod").write_text("module zkoperator.dev/testbed/older\n")
        kubernetes = Path(
            _go(module, "mod", "download", "-json", f"k8s.io/kubernetes@v{version}", find='"GoMod": "(.+)"')
        )
        text = kubernetes.read_text()
        staged = dict.fromkeys(_STAGED.findall(text))
        (module / "go.mod").write_text(
            "\n".join(
                [
                    "module zkoperator.dev/testbed/older",
                    *re.findall(r"^(?:go|godebug default=).*$", text, re.MULTILINE),
                    f"require k8s.io/kubernetes v{version}",
                    *(f"replace {name} => {name} v0.{version.partition('.')[2]}" for name in staged),
                    "",
                ]
            )
        )
        _go(module, "mod", "tidy")
        target = OLDER / minor
        target.mkdir(exist_ok=True)
        for name in ("go.mod", "go.sum"):
            shutil.copy(module / name, target)


def _go(module: Path, *arguments: str, find: str = "") -> str:
    done = subprocess.run(["go", *arguments], cwd=module, check=True, stdout=subprocess.PIPE, text=True)
    found = re.search(find, done.stdout)
    assert found is not None, done.stdout
    return found[1] if find else ""


if __name__ == "__main__":
    main(sys.argv[1])
