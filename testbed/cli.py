"""The command line of the testbed."""

import argparse
import sys
from collections.abc import Sequence

from testbed import binaries, jars
from testbed.errors import TestbedError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.command(arguments) or 0)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="testbed", description="A real Kubernetes and real ZooKeeper servers.")
    parser.add_argument("--name", default="zkop", help="the cluster (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("build", help="build what is missing, once")
    build.add_argument("--only", choices=["servers"], help="servers: what tests without pods need")
    build.set_defaults(command=_build)
    return parser


def _build(arguments: argparse.Namespace) -> None:
    binaries.kubernetes()
    for version in jars.VERSIONS:
        jars.release(version)
