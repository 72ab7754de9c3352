"""Wrong usage of a command, which ends with another exit status than a command that failed."""

import argparse

from zkoperator.errors import InvalidError


class UsageError(InvalidError):
    """The arguments or variables of the command cannot be used; nothing was done."""


UNSETTLED = 3
"""The exit status of commands with `--exit-code` when they found something that is not as it should be."""


def add_exit_code(parser: argparse.ArgumentParser, when: str) -> None:
    """Add `--exit-code`; `when` says what makes the command end with `UNSETTLED`."""
    parser.add_argument("--exit-code", action="store_true", help=f"exit with {UNSETTLED} {when}")


def seconds(text: str) -> float:
    """Return a positive number of seconds; for `type` of an argument."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"write a number of seconds larger than 0, not {text}")
    return value
