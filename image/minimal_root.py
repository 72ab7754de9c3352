"""Copies Python, its standard library and all that it and a virtual environment link to into a root of their own.

The operator's image is made of that and of the virtual environment: it has no shell, no package manager and no program
but Python. usage: python3 minimal_root.py ROOT VENV
"""

import compileall
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

LEFT_OUT = ("__pycache__", "dist-packages", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "test")
LEFT_OUT += ("tests", "tkinter", "turtledemo", "config-*")
KEPT = ("/etc/ld.so.cache", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/openssl.cnf", "/usr/lib/ssl/openssl.cnf")
WRITTEN = {
    "etc/passwd": "root:x:0:0:root:/:/bin/false\nzkoperator:x:65532:65532:zkoperator:/:/bin/false\n",
    "etc/group": "root:x:0:\nzkoperator:x:65532:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
LIBRARY = re.compile(r"(/\S+) \(0x")


def main(root: Path, venv: Path) -> None:
    """Fill the root."""
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, below(root, library), ignore=shutil.ignore_patterns(*LEFT_OUT))
    unchecked = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(below(root, library), quiet=2, stripdir=str(root), invalidation_mode=unchecked)
    programs = list(chain(venv / "bin" / "python3"))
    linking = [programs[-1], *(library / "lib-dynload").glob("*.so"), *venv.rglob("*.so*")]
    for file in {*map(Path, KEPT), *linked(linking), *programs}:
        if file.exists() and not file.is_relative_to(venv):
            copy(file, below(root, file))
    for name, text in WRITTEN.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "tmp").mkdir(mode=0o1777, exist_ok=True)
    (root / "tmp").chmod(0o1777)


def below(root: Path, path: Path) -> Path:
    """Return the place of an absolute path below the root."""
    return root / path.relative_to("/")


def chain(link: Path) -> Iterator[Path]:
    """Yield a link and what it leads to, step by step."""
    yield link
    while link.is_symlink():
        link = link.parent / os.readlink(link)
        yield link


def linked(files: Iterable[Path]) -> Iterator[Path]:
    """Yield the libraries that the files are linked to, the loader included."""
    for file in files:
        told = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False).stdout
        yield from map(Path, LIBRARY.findall(told))


def copy(source: Path, target: Path) -> None:
    """Copy a file; a link stays one only where a program is meant, so that libraries need no second name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    is_program = source.parent.name == "bin"
    shutil.copy2(source, target, follow_symlinks=not is_program)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
