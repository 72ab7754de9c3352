"""`crds`: the CustomResourceDefinitions, to pipe into `kubectl apply -f -` or to write as files."""

import argparse
from pathlib import Path

from zkoperator.api.crd import KINDS, definition
from zkoperator.cli.documents import crd_files, to_yaml, write

NAME = "crds"
HELP = "print the CustomResourceDefinitions"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add `--write`."""
    parser.add_argument("--write", metavar="DIR", type=Path, help="write one file a kind into DIR instead")


def run(arguments: argparse.Namespace) -> int:
    """Print or write them."""
    if arguments.write is None:
        print(to_yaml(definition(kind) for kind in KINDS), end="")
    else:
        write(crd_files(), arguments.write)
    return 0
