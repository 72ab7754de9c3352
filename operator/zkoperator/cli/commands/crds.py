"""`crds`: the CustomResourceDefinitions, to pipe into `kubectl apply -f -` or to write as files."""

import argparse
from pathlib import Path

from zkoperator.api.crd import KINDS, definition
from zkoperator.cli.view.generated_files import crd_files, to_yaml, write
from zkoperator.cli.view.output import add_output, kubernetes_list, print_json, wants_json

NAME = "crds"
HELP = "print the CustomResourceDefinitions"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--write", metavar="DIR", type=Path, help="write one file a kind into DIR instead")
    add_output(parser, "yaml")


def run(arguments: argparse.Namespace) -> int:
    """Print or write them."""
    definitions = [definition(kind) for kind in KINDS]
    if arguments.write is not None:
        write(crd_files(), arguments.write)
    elif wants_json(arguments):
        print_json(kubernetes_list(definitions))
    else:
        print(to_yaml(definitions), end="")
    return 0
