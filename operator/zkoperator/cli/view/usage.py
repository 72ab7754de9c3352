"""How commands end: the exit statuses, and what is wrong usage.

0: done, and nothing to report; 1: failed with a message, or findings where `--exit-code` asks for them; 2: wrong usage;
3: a cluster or an ensemble could not be reached, so nothing is known.
"""

import argparse
import re

from zkoperator.errors import InvalidError, TransientError, ZkOperatorError


class UsageError(InvalidError):
    """The arguments or variables of the command cannot be used; nothing was done."""


class NotYetError(ZkOperatorError):
    """What the command waited for did not happen in time."""


FINDINGS = 1
WRONG_USAGE = 2
UNREACHABLE = 3


def exit_status(error: ZkOperatorError) -> int:
    """Return the exit status of a command that ended with this error."""
    if isinstance(error, UsageError):
        return WRONG_USAGE
    return UNREACHABLE if isinstance(error, TransientError) else FINDINGS


def add_exit_code(parser: argparse.ArgumentParser, when: str) -> None:
    """Add `--exit-code`; `when` says what makes the command end with `FINDINGS`."""
    parser.add_argument("--exit-code", action="store_true", help=f"exit with {FINDINGS} {when}")


def seconds(text: str) -> float:
    """Return a positive number of seconds; for `type` of an argument."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"write a number of seconds larger than 0, not {text}")
    return value


def duration(text: str) -> int:
    """Return a time such as 90s, 10m or 1h30m in seconds; for `type` of an argument."""
    if not _DURATION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"write a time such as 90s, 10m or 1h30m, not {text}")
    total = sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([a-z])", text))
    if total == 0:
        raise argparse.ArgumentTypeError("write a time longer than 0")
    return total


_DURATION = re.compile(r"([0-9]{1,6}[dhms])+")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
