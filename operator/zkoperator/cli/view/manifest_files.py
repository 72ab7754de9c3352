"""Reads manifests from files, directories and the standard input. I/O."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zkoperator.cli.view.manifests import Document, documents
from zkoperator.errors import FieldError, InvalidError

STANDARD_INPUT: Final = "-"
_SUFFIXES: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Manifests:
    """What was found: the objects, how many texts they are from, and what could not be read."""

    documents: tuple[Document, ...]
    files: int
    problems: tuple[FieldError, ...]


def read_manifests(names: Sequence[str]) -> Manifests:
    """Return all objects of these files and directories; `-` is the standard input.

    What cannot be read does not keep the rest from being read.
    """
    found: list[Document] = []
    problems: list[FieldError] = []
    paths = list(dict.fromkeys(path for name in names for path in _files(name)))
    for path in paths:
        try:
            found += documents(_text(path), _shown(path))
        except InvalidError as error:
            problems += error.errors
    return Manifests(tuple(found), len(paths), tuple(problems))


def _files(name: str) -> Iterator[str]:
    path = Path(name)
    if name == STANDARD_INPUT or not path.is_dir():
        yield name
        return
    for below in sorted(path.rglob("*")):
        if below.suffix in _SUFFIXES and below.is_file() and not _is_passed_over(below, path):
            yield str(below)


def _is_passed_over(file: Path, top: Path) -> bool:
    """Whether it is in a hidden directory, or a template of a Helm chart, which is no manifest yet."""
    above = [parent for parent in file.parents if parent.is_relative_to(top)]
    if any(part.startswith(".") for part in file.relative_to(top).parts):
        return True
    return any(parent.name == "templates" and (parent.parent / "Chart.yaml").exists() for parent in above)


def _shown(name: str) -> str:
    return "standard input" if name == STANDARD_INPUT else name


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidError((FieldError(_shown(name), f"cannot be read: {error}"),)) from error
