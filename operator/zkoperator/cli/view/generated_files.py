"""The names and contents of generated files, and YAML in the style of the project."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from zkoperator.api.crd import KINDS, definition
from zkoperator.api.reference import reference
from zkoperator.errors import FieldError, InvalidError
from zkoperator.settings import Settings, flag_of, variable_of

_NOTICE = "# Generated from operator/zkoperator/api by `python -m zkoperator crds`.\n"


_SETTINGS_HEAD = """<!-- Generated from operator/zkoperator/settings.py by `python -m zkoperator docs`. -->

# Settings of the operator

Flags of `zkoperator run`, and variables of the Deployment. A flag wins over its variable; an unknown `ZKOPERATOR_*`
variable ends the operator at once with its name. The shipped Deployment sets `ZKOPERATOR_NAMESPACE`,
`ZKOPERATOR_IDENTITY` and `ZKOPERATOR_LOG_FORMAT`; your own kustomization adds others as in
[the how-to about hosts](howto-outside.md).

| Flag | Variable | Default | Meaning |
| --- | --- | --- | --- |"""


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
    kinds = {f"reference-{kind.name.lower()}.md": reference(kind) for kind in KINDS}
    return {**kinds, "reference-settings.md": settings_page()}


def settings_page() -> str:
    """Return the page about the operator's settings."""
    rows = [
        f"| `{flag_of(option.name)}` | `{variable_of(option.name)}` | {_default(option.default)} "
        f"| {option.metadata['meaning']} |"
        for option in fields(Settings)
    ]
    return "\n".join((_SETTINGS_HEAD, *rows)) + "\n"


def _default(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if value not in ((), "") else ""


def write(files: Mapping[str, str], directory: Path) -> None:
    """Write the files into the directory, which is made when it is missing.

    Raises:
        InvalidError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise InvalidError((FieldError(str(error.filename or directory), message),)) from error
