"""`logs`: what the members of an ensemble log, in one stream that outlives their restarts."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.log_follow import Follower
from zkoperator.cli.view.log_lines import LogLine, in_order, text
from zkoperator.cli.view.members import MEMBER, name_of, pods_of
from zkoperator.cli.view.output import add_output, json_line, style, wants_json
from zkoperator.cli.view.usage import duration
from zkoperator.ensemble.model.names import CONTAINER
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import PODS

NAME = "logs"
HELP = "show the logs of the members of an ensemble in the order of their time"

_TAIL = 100


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("cluster", help="name of the ZooKeeperCluster")
    parser.add_argument("member", nargs="*", help=f"{MEMBER}; default: all")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted, restarts included")
    parser.add_argument("--tail", metavar="LINES", type=int, default=_TAIL, help=f"of each member; -1: all ({_TAIL})")
    parser.add_argument("--since", metavar="TIME", type=duration, help="only what is younger, such as 10m")
    parser.add_argument("-p", "--previous", action="store_true", help="of the container before the last restart")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the lines once, or follow."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    namespace = namespace_of(arguments)
    async with connect(arguments) as api:
        pods = await _names(api, namespace, arguments)
        show = _printer(arguments, max(map(len, pods)))
        if arguments.follow:
            await Follower(api, namespace, parameters(arguments), show).follow(
                lambda: _names(api, namespace, arguments)
            )
        for line in in_order(await _read(api, namespace, pods, parameters(arguments))):
            show(line)
    return 0


async def _names(api: KubeClient, namespace: str, arguments: argparse.Namespace) -> list[str]:
    return [name_of(pod) for pod in await pods_of(api, namespace, arguments.cluster, arguments.member)]


def parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """Return what the API server is asked for."""
    asked = {"container": CONTAINER, "timestamps": "true"}
    asked |= {"tailLines": str(arguments.tail)} if arguments.tail >= 0 else {}
    asked |= {"sinceSeconds": str(arguments.since)} if arguments.since is not None else {}
    return asked | ({"previous": "true"} if arguments.previous else {})


def _printer(arguments: argparse.Namespace, width: int) -> Callable[[LogLine], None]:
    colours = style()
    if wants_json(arguments):
        return lambda line: print(json_line(line.to_json()), flush=True)
    return lambda line: print(text(line, colours, width), flush=True)


async def _read(api: KubeClient, namespace: str, pods: Sequence[str], asked: dict[str, str]) -> list[tuple[str, str]]:
    """Return the logs by pod. A member without logs is named on stderr; if no member has any, that is an error."""
    answers = await asyncio.gather(
        *(api.text(PODS, namespace, pod, "log", asked) for pod in pods), return_exceptions=True
    )
    found: list[tuple[str, str]] = []
    failed: list[ZkOperatorError] = []
    for pod, answer in zip(pods, answers, strict=True):
        if isinstance(answer, str):
            found.append((pod, answer))
        elif isinstance(answer, ZkOperatorError):
            failed.append(answer)
        else:
            raise answer
    if not found:
        raise failed[0]
    for error in failed:
        print(f"warning: {error}", file=sys.stderr)
    return found
