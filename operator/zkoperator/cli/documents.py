"""Generated files: what they are called and what stands in them, and YAML as the project writes it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from zkoperator.api.crd import KINDS, definition
from zkoperator.api.reference import reference

_NOTICE = "# Generated from operator/zkoperator/api by `python -m zkoperator crds`.\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that scripts and configuration files can be read."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the documents as one YAML stream, in the order of their keys."""
    return "---\n".join(
        yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
        for document in documents
    )


def crd_files() -> dict[str, str]:
    """Return the text of each file of `crds/`, by its name."""
    return {f"{kind.plural}.yaml": _NOTICE + to_yaml([definition(kind)]) for kind in KINDS}


def reference_files() -> dict[str, str]:
    """Return the text of each reference page of `docs/`, by its name."""
    return {f"reference-{kind.name.lower()}.md": reference(kind) for kind in KINDS}


def write(files: Mapping[str, str], directory: Path) -> None:
    """Write the files into the directory, which is made when it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
