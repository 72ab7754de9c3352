"""`zkoperator run`: the operator itself."""

import argparse
import dataclasses
import os

from zkoperator.logs import configure_logs
from zkoperator.settings import Settings, flag_of, read_settings, variable_of

NAME = "run"
HELP = "run the operator"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each setting."""
    for option in dataclasses.fields(Settings):
        meaning = f"{option.metadata['meaning']} (variable {variable_of(option.name)})"
        parser.add_argument(flag_of(option.name), dest=option.name, metavar="VALUE", help=meaning)


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal ends it."""
    flags = {option.name: getattr(arguments, option.name) for option in dataclasses.fields(Settings)}
    settings = read_settings(flags, os.environ)
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    # Imported here so that every other command starts without the libraries of the operator.
    from zkoperator.app import run as operate

    return operate(settings)
