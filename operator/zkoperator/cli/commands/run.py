"""`zkoperator run`: the operator itself."""

import argparse
import dataclasses
import os
from typing import Any

from zkoperator.cli.view.connection import given_settings
from zkoperator.logs import configure_logs
from zkoperator.settings import Settings, flag_of, variable_of

NAME = "run"
HELP = "run the operator"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add one flag for each setting."""
    for option in dataclasses.fields(Settings):
        meaning = f"{option.metadata['meaning']}{_default(option.default)} (variable {variable_of(option.name)})"
        parser.add_argument(flag_of(option.name), dest=option.name, metavar="VALUE", help=meaning)


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal ends it."""
    flags = {option.name: getattr(arguments, option.name) for option in dataclasses.fields(Settings)}
    settings = given_settings(os.environ, **flags)
    configure_logs(log_format=settings.log_format, level=settings.log_level)
    # Imported here so that every other command starts without the libraries of the operator.
    from zkoperator.app import run as operate

    return operate(settings)


def _default(value: Any) -> str:
    """Return the default as people write it; settings without a value explain that in their meaning."""
    if value in ("", ()):
        return ""
    return f"; default: {str(value).lower() if isinstance(value, bool) else value}"
