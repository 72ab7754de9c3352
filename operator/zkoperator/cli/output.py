"""Where commands print: text for people, JSON for programs."""

import argparse
import json
import os
import sys
from typing import Any

from zkoperator.cli.terminal import Style, wants_colours


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add `-o json`."""
    parser.add_argument(
        "-o", "--output", choices=("text", "json"), default="text", help="text for people, json for programs"
    )


def wants_json(arguments: argparse.Namespace) -> bool:
    """Tell whether a program reads."""
    return bool(arguments.output == "json")


def style() -> Style:
    """Return the style of the standard output."""
    return Style(wants_colours(is_terminal=sys.stdout.isatty(), environ=os.environ))


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2))
