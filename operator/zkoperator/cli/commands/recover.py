"""`recover`: compare the members of an ensemble that has lost its quorum, and approve to go on from one of them."""

import argparse
import asyncio
from collections.abc import Mapping

from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.cli.view.connection import add_connection, connect, namespace_of
from zkoperator.cli.view.members import name_of, pods_of
from zkoperator.cli.view.objects import fetch, request, require_unpaused
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.cli.view.summary import cluster_summary, condition_of, doing
from zkoperator.cli.view.survivors import approval, page, seed_among, survivors_of, to_json
from zkoperator.cli.view.usage import FINDINGS
from zkoperator.cli.view.waiting import Progress, add_wait, wait_for
from zkoperator.ensemble.model.names import CONTAINER, RECOVER
from zkoperator.errors import FieldError, InvalidError, ZkOperatorError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS, Manifest

NAME = "recover"
HELP = "compare the members of an ensemble that has lost its quorum for good, and approve to go on from one of them"

_LIMIT_S = 1800
_TAIL = 5000


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("cluster", help="name of the ZooKeeperCluster")
    parser.add_argument("--approve", action="store_true", help="do what is proposed; without it nothing is changed")
    add_wait(parser, "the ensemble is ready again; only with --approve", _LIMIT_S)
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare once, and approve where that is asked for."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    namespace, cluster = namespace_of(arguments), arguments.cluster
    async with connect(arguments) as api:
        raw = await fetch(api, ZOOKEEPER_CLUSTERS, namespace, cluster)
        require_lost_quorum(raw)
        if arguments.approve:
            require_unpaused(raw, "recovered")
        survivors = survivors_of(cluster_summary(raw).members, await _logs(api, namespace, cluster))
        seed = seed_among(survivors)
        approved = arguments.approve and seed is not None
        if approved and seed is not None:
            await request(api, ZOOKEEPER_CLUSTERS, raw, RECOVER, approval(seed))
        if wants_json(arguments):
            print_json(to_json(cluster, survivors, seed, approved=approved))
        else:
            print(page(cluster, namespace, survivors, seed, style()))
        if approved and arguments.wait:
            await wait_for(lambda: _look(api, namespace, cluster), arguments.wait_timeout)
    return 0 if approved else FINDINGS


def require_lost_quorum(raw: Manifest) -> None:
    """Refuse while members may still agree by themselves.

    Raises:
        InvalidError: the ensemble serves, or has never served.
    """
    found = condition_of(cluster_summary(raw).conditions, ClusterCondition.AVAILABLE)
    if found is None or found.reason != ClusterReason.QUORUM_LOST:
        said = f"{found.reason}: {found.message}" if found is not None else "the operator has not looked at it yet"
        raise InvalidError((FieldError(raw["metadata"]["name"], f"has not lost its quorum ({said})"),))


async def _logs(api: KubeClient, namespace: str, cluster: str) -> Mapping[str, str]:
    """Return the newest lines of each member that has a log."""
    pods = [name_of(pod) for pod in await pods_of(api, namespace, cluster)]
    return {pod: text for pod in pods if (text := await _log(api, namespace, pod))}


async def _log(api: KubeClient, namespace: str, pod: str) -> str:
    try:
        return await api.text(PODS, namespace, pod, "log", {"container": CONTAINER, "tailLines": str(_TAIL)})
    except ZkOperatorError:
        return ""


async def _look(api: KubeClient, namespace: str, cluster: str) -> Progress:
    raw = await fetch(api, ZOOKEEPER_CLUSTERS, namespace, cluster)
    is_begun = "incarnation" in (raw.get("status") or {})
    return Progress(cluster_summary(raw).healthy is True and is_begun, doing(raw))
