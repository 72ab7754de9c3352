"""`diff`: what a ConfigSync would write where, from a fresh look at both sides. Writes nothing and shows no value."""

import argparse
import asyncio

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.differences import differences, text, znode_rows, znodes_of
from zkoperator.cli.view.live_plan import add_reach_flags, make_fresh_plan
from zkoperator.cli.view.objects import fetch
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.cli.view.usage import FINDINGS, add_exit_code
from zkoperator.kube.port import CONFIG_SYNCS

NAME = "diff"
HELP = "show what a ConfigSync would write where, without values"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sync", help="name of the ConfigSync")
    parser.add_argument("--keys", action="store_true", help="list every common key with its znode, too")
    add_reach_flags(parser)
    add_exit_code(parser, "when the two sides differ, or nothing could be compared")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read both sides, merge and print."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, CONFIG_SYNCS, namespace_of(arguments), arguments.sync)
        sync, plan = await make_fresh_plan(api, raw, arguments)
    found = differences(plan, sync.mode, sync.status)
    znodes = znodes_of(plan, sync) if arguments.keys else ()
    if wants_json(arguments):
        keys = {"keys": [{"key": key, "znode": znode} for key, znode in znodes]} if arguments.keys else {}
        print_json(found.to_json() | keys)
    else:
        print("\n\n".join(filter(None, (text(found, style()), znode_rows(znodes) if znodes else ""))))
    return FINDINGS if arguments.exit_code and not found.is_equal else 0
