"""The command line: `python -m zkoperator COMMAND`, and the same as the kubectl plugin `kubectl zk COMMAND`.

One file a command, each with `NAME`, `HELP`, `configure(parser)` and `run(arguments) -> exit status`. What a command
shows is computed by pure functions and printed in one place.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from zkoperator import __version__
from zkoperator.cli.commands import (
    approve,
    audit,
    backup_job,
    cli,
    crds,
    diff,
    docs,
    lint,
    logs,
    plan,
    recover,
    render,
    report,
    resolve,
    restart,
    run,
    status,
    version,
)
from zkoperator.cli.view.usage import exit_status
from zkoperator.errors import InvalidError, ZkOperatorError


class Command(Protocol):
    """What the module of a command offers."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """The word after `zkoperator`."""

    @property
    def HELP(self) -> str:  # noqa: N802 - a constant of a module
        """One line for the list of commands."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it and return the exit status."""


COMMANDS: tuple[Command, ...] = (
    status,
    plan,
    recover,
    diff,
    resolve,
    approve,
    restart,
    logs,
    cli,
    audit,
    report,
    lint,
    render,
    run,
    backup_job,
    crds,
    docs,
    version,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status, see `view/usage.py`."""
    arguments = parsed(sys.argv[1:] if argv is None else argv)
    command: Command = arguments.command
    try:
        return command.run(arguments)
    except ZkOperatorError as error:
        for line in _lines(error):
            print(f"error: {line}", file=sys.stderr)
        return exit_status(error)
    except BrokenPipeError:
        # The reader of our output (`head`) has seen enough. Without this the interpreter complains at its exit.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments. What follows `--` after `cli` is a command line of another program, not ours."""
    before, after = list(argv), []
    if before[:1] == [cli.NAME] and "--" in before:
        end = before.index("--")
        before, after = before[:end], before[end + 1 :]
    return argparse.Namespace(**{**vars(parser().parse_args(before)), "words": after})


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    program = Path(sys.argv[0]).name
    name = program.replace("-", " ", 1) if program.startswith("kubectl-") else "zkoperator"
    top = argparse.ArgumentParser(
        prog=name, description="ZooKeeper on Kubernetes: ensembles, and znodes as ConfigMaps."
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP, description=command.HELP)
        command.configure(sub)
        sub.set_defaults(command=command)
    return top


def _lines(error: ZkOperatorError) -> tuple[str, ...]:
    if isinstance(error, InvalidError):
        return tuple(map(str, error.errors))
    return (str(error),)
