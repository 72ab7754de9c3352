"""`version`: which operator this is."""

import argparse

from zkoperator import __version__

NAME = "version"
HELP = "print the version"


def configure(parser: argparse.ArgumentParser) -> None:
    """Take no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Print the version."""
    print(__version__)
    return 0
