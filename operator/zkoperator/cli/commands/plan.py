"""`plan`: what the operator would do next with a cluster, and what blocks it. Changes nothing."""

import argparse
import asyncio
import time

from zkoperator.api.cluster import ZooKeeperClusterStatus
from zkoperator.api.parse import parse
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.cli.view.connection import add_connection, assumed_settings, connect, namespace_of
from zkoperator.cli.view.next_steps import Forecast, forecast, reported, text
from zkoperator.cli.view.objects import fetch
from zkoperator.cli.view.output import add_output, print_json, style, wants_json
from zkoperator.ensemble.observe.answers import Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.observer import Observer, ObserverState
from zkoperator.ensemble.observe.store import LiveStore
from zkoperator.ensemble.plan.plan import make_plan
from zkoperator.ensemble.validate import Defaults, validate
from zkoperator.errors import ForbiddenError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS, Manifest
from zkoperator.zk.admin import SocketProbe

NAME = "plan"
HELP = "show what the operator would do next with a ZooKeeperCluster, and what blocks it"

_OPERATOR = "the operator's image"
"""Stands for the one of Jobs, which the forecast does not need to know."""
_PROBE_S = 3.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("cluster", help="name of the ZooKeeperCluster")
    parser.add_argument(
        "--default-image", metavar="IMAGE", help="the operator's --default-image, for clusters that name no image"
    )
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Observe, plan and print."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, ZOOKEEPER_CLUSTERS, namespace_of(arguments), arguments.cluster)
        shown = await _forecast(api, raw, arguments.default_image)
    if wants_json(arguments):
        print_json(shown.to_json())
    else:
        print(text(shown, style()))
    return 0


async def _forecast(api: KubeClient, raw: Manifest, image: str | None) -> Forecast:
    settings = assumed_settings(image)
    cluster = validate(raw, Defaults(settings.default_image, settings.cluster_domain))
    images = ImageFinder(api, _OPERATOR, "", "")
    observer = Observer(api, LiveStore(api), SocketProbe(timeout_s=_PROBE_S), time.monotonic, images=images)
    try:
        observed = await observer.observe(cluster, ObserverState())
    except ForbiddenError:
        return _last_report(raw)
    if observed.refused or is_out_of_reach(observed):
        return _last_report(raw)
    assumed = "" if (raw.get("spec") or {}).get("image") else settings.default_image
    return forecast(cluster.names, observed, make_plan(cluster, observed), assumed)


def is_out_of_reach(observed: Observed) -> bool:
    """Return whether none of several members answered: probably they cannot be reached from here."""
    return bool(observed.answers) and all(isinstance(answer, Silent) for answer in observed.answers.values())


def _last_report(raw: Manifest) -> Forecast:
    status = parse(ZooKeeperClusterStatus, raw.get("status") or {})
    known = None if isinstance(status, tuple) else status
    return reported(raw["metadata"]["name"], raw["metadata"]["namespace"], known)
