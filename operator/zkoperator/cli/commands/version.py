"""`version`: which operator this is."""

import argparse

from zkoperator import __version__
from zkoperator.cli.view.output import add_output, print_json, wants_json

NAME = "version"
HELP = "print the version"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the version."""
    if wants_json(arguments):
        print_json({"version": __version__})
    else:
        print(__version__)
    return 0
