"""`status`: a table of both kinds, or everything about one object; also as a live view."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.output import add_output, json_line, print_json, style, wants_json
from zkoperator.cli.view.summary import ClusterSummary, SyncSummary, cluster_summary, sync_summary, to_json
from zkoperator.cli.view.tables import cluster_detail, cluster_table, sync_detail, sync_table
from zkoperator.cli.view.terminal import Style
from zkoperator.cli.view.usage import FINDINGS, add_exit_code
from zkoperator.errors import FieldError, InvalidError, TransientError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS

NAME = "status"
HELP = "show a summary of ensembles and ConfigSyncs"

_EVERY_S = 2.0
_CLEAR = "\x1b[H\x1b[2J"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", nargs="?", help="everything about the objects of this name")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument(
        "-w",
        "--watch",
        action="store_true",
        help=f"look again every {_EVERY_S:g} s until interrupted; with -o json one line a change",
    )
    add_exit_code(parser, "unless all objects that are shown are ready (not with --watch)")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the objects once, or until interrupted."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        shown, is_ready = await _show(api, arguments, "")
        while arguments.watch:
            await asyncio.sleep(_EVERY_S)
            try:
                shown, is_ready = await _show(api, arguments, shown)
            except TransientError as error:
                print(f"{error}; looking again", file=sys.stderr)
    return FINDINGS if arguments.exit_code and not is_ready else 0


async def _show(api: KubeClient, arguments: argparse.Namespace, shown: str) -> tuple[str, bool]:
    """Show everything once; return what is on the screen now, and whether all of it is ready."""
    found = await _summaries(api, arguments)
    return _print(found, arguments, shown), all(summary.healthy is True for summary in found)


def _print(found: Sequence[ClusterSummary | SyncSummary], arguments: argparse.Namespace, shown: str) -> str:
    if wants_json(arguments):
        values = [to_json(summary) for summary in found]
        if arguments.watch:
            return _print_changed(json_line(values), shown)
        print_json(values)
        return ""
    text = page(found, arguments, style(), datetime.now(UTC))
    if arguments.watch and sys.stdout.isatty():
        print(f"{_CLEAR}{text}", flush=True)
        return text
    return _print_changed(text, shown)


async def _summaries(api: KubeClient, arguments: argparse.Namespace) -> list[ClusterSummary | SyncSummary]:
    namespace = "" if arguments.all_namespaces else namespace_of(arguments)
    clusters, syncs = await asyncio.gather(api.list(ZOOKEEPER_CLUSTERS, namespace), api.list(CONFIG_SYNCS, namespace))
    found: list[ClusterSummary | SyncSummary] = [cluster_summary(raw) for raw in clusters.items]
    found += [sync_summary(raw) for raw in syncs.items]
    if arguments.name is None:
        return found
    named = [summary for summary in found if summary.name == arguments.name]
    if not named:
        where = f"namespace {namespace}" if namespace else "any namespace"
        message = f"there is no ZooKeeperCluster and no ConfigSync of this name in {where}; try -A"
        raise InvalidError((FieldError(arguments.name, message),))
    return named


def page(
    found: Sequence[ClusterSummary | SyncSummary], arguments: argparse.Namespace, colours: Style, now: datetime
) -> str:
    """Return the whole output as text."""
    clusters = [summary for summary in found if isinstance(summary, ClusterSummary)]
    syncs = [summary for summary in found if isinstance(summary, SyncSummary)]
    if arguments.name is not None:
        details = [*(cluster_detail(c, colours, now) for c in clusters), *(sync_detail(s, colours, now) for s in syncs)]
        return "\n\n".join(details)
    parts = []
    if clusters:
        parts.append(cluster_table(clusters, colours, namespaced=arguments.all_namespaces))
    if syncs:
        parts.append(sync_table(syncs, colours, namespaced=arguments.all_namespaces))
    return "\n\n".join(parts) or "no ZooKeeperCluster and no ConfigSync here; -A looks into all namespaces"


def _print_changed(text: str, shown: str) -> str:
    """Print the text unless it is what was printed last."""
    if text != shown:
        print(text, flush=True)
    return text
