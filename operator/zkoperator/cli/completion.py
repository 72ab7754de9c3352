"""`kubectl_complete-zk`: what kubectl asks when somebody completes `kubectl zk` in a shell.

kubectl gives the words after `zk`, the unfinished one last, and reads one suggestion a line, then a number behind a
colon that says whether the shell may offer names of files as well.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

from zkoperator.cli import COMMANDS, Command
from zkoperator.cli.commands.resolve import SIDES
from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.suggestions import Suggestions, suggestions
from zkoperator.cli.view.summary import cluster_summary, sync_summary
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS

_FILES, _NO_FILES = ":0", ":4"
_PATIENCE_S = 3.0


def main(argv: Sequence[str] | None = None) -> int:
    """Print the suggestions. After an error it suggests nothing: a command line has no place for messages."""
    words = list(sys.argv[1:] if argv is None else argv) or [""]
    found = suggestions({command.NAME: _parser(command) for command in COMMANDS}, words)
    shown = [text if not about else f"{text}\t{about}" for text, about in found.words]
    if found.argument:
        with suppress(ZkOperatorError, TimeoutError):
            shown = asyncio.run(_names(found, words))
    kept = [line for line in shown if line.startswith(words[-1])]
    print("\n".join([*kept, _FILES if found.files else _NO_FILES]))
    return 0


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=command.NAME, description=command.HELP)
    command.configure(parser)
    return parser


async def _names(found: Suggestions, words: Sequence[str]) -> list[str]:
    """Return what the cluster has for the argument."""
    place = argparse.ArgumentParser(add_help=False)
    add_connection(place)
    arguments, _ = place.parse_known_args([word for word in words[1:-1] if word != "--"])
    async with asyncio.timeout(_PATIENCE_S), connect(arguments) as api:
        return sorted(await _values(api, namespace_of(arguments), found))


async def _values(api: KubeClient, namespace: str, found: Suggestions) -> list[str]:
    clusters = (await api.list(ZOOKEEPER_CLUSTERS, namespace)).items if found.argument in _OF_CLUSTERS else ()
    syncs = (await api.list(CONFIG_SYNCS, namespace)).items if found.argument in _OF_SYNCS else ()
    match found.argument, found.given:
        case "member", (cluster, *_):
            summaries = (cluster_summary(raw) for raw in clusters if raw["metadata"]["name"] == cluster)
            return [member.name for summary in summaries for member in summary.members]
        case "choice", (sync, *_):
            shown = (sync_summary(raw) for raw in syncs if raw["metadata"]["name"] == sync)
            return [f"{item.key}={side}" for one in shown for item in one.conflicts for side in SIDES]
        case _:
            return [raw["metadata"]["name"] for raw in (*clusters, *syncs)]


_OF_CLUSTERS = ("cluster", "name", "member")
_OF_SYNCS = ("sync", "name", "choice")
