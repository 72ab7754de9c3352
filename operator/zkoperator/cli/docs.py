"""`docs`: the reference pages of both kinds, as they stand in `docs/`."""

import argparse
from pathlib import Path

from zkoperator.cli.documents import reference_files, write

NAME = "docs"
HELP = "print the reference of both kinds"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add `--write`."""
    parser.add_argument("--write", metavar="DIR", type=Path, help="write one page a kind into DIR instead")


def run(arguments: argparse.Namespace) -> int:
    """Print or write them."""
    if arguments.write is None:
        print("\n".join(reference_files().values()), end="")
    else:
        write(reference_files(), arguments.write)
    return 0
