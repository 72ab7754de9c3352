"""`diff`: what a ConfigSync would write where, from a fresh look at both sides. Writes nothing and shows no value.

With files: what it would write once they are applied.
"""

import argparse
import asyncio
import sys

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.differences import differences, text, znode_rows, znodes_of
from zkoperator.cli.view.file_diff import Compared, FileDiff, is_compared, no_sync
from zkoperator.cli.view.live_plan import add_reach_flags, make_fresh_plan
from zkoperator.cli.view.manifest_files import read_manifests
from zkoperator.cli.view.manifests import Document
from zkoperator.cli.view.objects import fetch
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.cli.view.usage import FINDINGS, UNREACHABLE, UsageError, add_exit_code
from zkoperator.errors import FieldError
from zkoperator.kube.port import CONFIG_SYNCS, KubeApi, Manifest
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.validate import ValidatedSync

NAME = "diff"
HELP = "show what a ConfigSync would write where, without values"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sync", nargs="?", help="name of the ConfigSync")
    parser.add_argument(
        "-f",
        "--file",
        action="append",
        metavar="FILE",
        help="compare as if this manifest, YAML or JSON, or directory of them were applied; - for the standard "
        f"input. Exits with {FINDINGS} when anything would be written",
    )
    parser.add_argument("--keys", action="store_true", help="list every common key with its znode, too; not with -f")
    add_reach_flags(parser)
    add_exit_code(parser, "when the two sides differ, or nothing could be compared; -f does so anyway")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read both sides, merge and print."""
    if (arguments.sync is None) is (arguments.file is None):
        raise UsageError((FieldError("diff", "write the name of one ConfigSync, or -f FILE"),))
    if arguments.file is None:
        return asyncio.run(_run(arguments))
    if arguments.keys:
        raise UsageError((FieldError("--keys", "is for a ConfigSync that is there; leave out -f"),))
    read = read_manifests(arguments.file)
    if read.problems:
        raise UsageError(read.problems)
    documents = [document for document in read.documents if is_compared(document)]
    if all(document.value["kind"] != "ConfigSync" for document in documents):
        raise UsageError(no_sync(arguments.file))
    return asyncio.run(_run_files(arguments, documents))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, CONFIG_SYNCS, namespace_of(arguments), arguments.sync)
        sync, plan = await make_fresh_plan(api, raw, arguments)
    found = differences(plan, sync.mode, sync.status, sync.target)
    znodes = znodes_of(plan, sync) if arguments.keys else ()
    if wants_json(arguments):
        keys = {"keys": [{"key": key, "znode": znode} for key, znode in znodes]} if arguments.keys else {}
        print_json(found.to_json() | keys)
    else:
        print("\n\n".join(filter(None, (text(found, style()), znode_rows(znodes) if znodes else ""))))
    return FINDINGS if arguments.exit_code and not found.is_equal else 0


async def _run_files(arguments: argparse.Namespace, documents: list[Document]) -> int:
    async def plan_of(api: KubeApi, raw: Manifest) -> tuple[ValidatedSync, Plan]:
        return await make_fresh_plan(api, raw, arguments)

    async with connect(arguments) as api:
        compared = await FileDiff(api, namespace_of(arguments), plan_of).compare(documents)
    if wants_json(arguments):
        print_json({"configSyncs": [item.to_json() for item in compared]})
    else:
        print("\n\n".join(map(_text, compared)))
    for item in compared:
        if item.failure:
            print(f"error: ConfigSync {item.namespace}/{item.name}: {item.failure}", file=sys.stderr)
    is_unknown = any(item.status == UNREACHABLE for item in compared)
    return UNREACHABLE if is_unknown else max(item.status for item in compared)


def _text(item: Compared) -> str:
    head = f"ConfigSync {item.namespace}/{item.name}" + (" (new)" if item.is_new else "")
    lines = [finding.text(style()) for finding in item.findings]
    if item.found is not None:
        lines.append(text(item.found, style()))
    return "\n".join([f"{head}:", *(lines or ["nothing could be compared"])])
