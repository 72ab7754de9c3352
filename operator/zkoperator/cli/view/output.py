"""The output of commands: text for people, JSON for programs."""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from zkoperator.cli.view.terminal import Style, wants_colours


def add_output(parser: argparse.ArgumentParser, people: str = "text") -> None:
    """Add `-o json`; `people` is the name of the other format."""
    parser.add_argument(
        "-o", "--output", choices=(people, "json"), default=people, help=f"{people} for people, json for programs"
    )


def wants_json(arguments: argparse.Namespace) -> bool:
    """Return whether JSON was asked for."""
    return bool(arguments.output == "json")


def style() -> Style:
    """Return the style of the standard output."""
    is_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else None
    return Style(wants_colours(is_terminal=is_terminal, environ=os.environ), width)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json_text(value))


def json_text(value: Any) -> str:
    """Return a JSON document for a reader."""
    return json.dumps(value, indent=2)


def json_line(value: Any) -> str:
    """Return a JSON document as one line of a stream of them."""
    return json.dumps(value, separators=(",", ":"))


def kubernetes_list(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the objects as one object of kind List, as kubectl does."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}
