"""`docs`: the reference pages of both kinds and of the settings, as they stand in `docs/`."""

import argparse
from pathlib import Path

from zkoperator.cli.view.generated_files import reference_files, write
from zkoperator.cli.view.output import add_output, print_json, wants_json

NAME = "docs"
HELP = "print the reference of both kinds and of the settings"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--write", metavar="DIR", type=Path, help="write the pages into DIR instead")
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print or write them."""
    pages = reference_files()
    if arguments.write is not None:
        write(pages, arguments.write)
    elif wants_json(arguments):
        print_json(pages)
    else:
        print("\n".join(pages.values()), end="")
    return 0
