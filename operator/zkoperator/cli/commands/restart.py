"""`restart`: restart an ensemble member by member, or one of its members, through the operator's gate."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.members import MEMBER, is_ready, name_of, pods_of
from zkoperator.cli.view.objects import annotation, fetch, request, require_unpaused
from zkoperator.cli.view.output import add_output, print_json, wants_json
from zkoperator.cli.view.summary import cluster_summary, doing
from zkoperator.cli.view.waiting import Progress, add_wait, wait_for
from zkoperator.ensemble.model.names import RESTART, RESTARTED
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS, Manifest

NAME = "restart"
HELP = "restart the members of an ensemble one at a time, followers first, or a single member"

_LIMIT_S = 1800

Look = Callable[[], Awaitable[Progress]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("cluster", help="name of the ZooKeeperCluster")
    parser.add_argument("member", nargs="?", help=f"{MEMBER}; default: all, one after another")
    add_wait(parser, "all of it was restarted and is ready", _LIMIT_S)
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Annotate the cluster or the pod; the operator does the rest."""
    return asyncio.run(_run(arguments, datetime.now(UTC).isoformat(timespec="milliseconds")))


async def _run(arguments: argparse.Namespace, asked: str) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, ZOOKEEPER_CLUSTERS, namespace_of(arguments), arguments.cluster)
        require_unpaused(raw, "restarted")
        ask = _ask_all if arguments.member is None else _ask_one
        what, look = await ask(api, raw, asked, arguments.member)
        if arguments.wait:
            await wait_for(look, arguments.wait_timeout)
    if wants_json(arguments):
        print_json({"cluster": arguments.cluster, "restarts": what, "request": asked, "done": arguments.wait})
    elif arguments.wait:
        print(f"{what}: restarted and ready")
    else:
        print(f"{what}: the operator was asked for a restart; `status {arguments.cluster}` shows it")
    return 0


async def _ask_all(api: KubeClient, raw: Manifest, asked: str, _: str | None) -> tuple[str, Look]:
    await request(api, ZOOKEEPER_CLUSTERS, raw, RESTART, asked)
    namespace, cluster = raw["metadata"]["namespace"], raw["metadata"]["name"]

    async def look() -> Progress:
        now = await fetch(api, ZOOKEEPER_CLUSTERS, namespace, cluster)
        return whole(now, await pods_of(api, namespace, cluster), asked)

    return f"all members of {cluster}", look


async def _ask_one(api: KubeClient, raw: Manifest, asked: str, member: str | None) -> tuple[str, Look]:
    namespace, cluster = raw["metadata"]["namespace"], raw["metadata"]["name"]
    (pod,) = await pods_of(api, namespace, cluster, [member or ""])
    await request(api, PODS, pod, RESTART, asked)

    async def look() -> Progress:
        now = await fetch(api, ZOOKEEPER_CLUSTERS, namespace, cluster)
        return one(now, await api.get(PODS, namespace, name_of(pod)), pod["metadata"]["uid"])

    return name_of(pod), look


def whole(raw: Manifest, pods: Sequence[Manifest], asked: str) -> Progress:
    """Return how many members were made for the request; done when all of them are ready again."""
    renewed = [pod for pod in pods if annotation(pod, RESTARTED).startswith(asked)]
    done = len(renewed) == len(pods) and all(map(is_ready, pods)) and cluster_summary(raw).healthy is True
    return Progress(done, f"{len(renewed)} of {len(pods)} members were restarted; {doing(raw)}")


def one(raw: Manifest, pod: Manifest | None, before: str) -> Progress:
    """Return whether there is another pod in place of the one with the uid `before`, and whether it is ready."""
    if pod is None or pod["metadata"]["uid"] == before:
        return Progress(False, f"not restarted yet; {doing(raw)}")
    return Progress(is_ready(pod), f"restarted, and not ready yet; {doing(raw)}")
