"""`diff`: what a ConfigSync would write where, from a fresh look at both sides. Writes nothing and shows no value."""

import argparse
import asyncio
import os
from dataclasses import replace
from functools import partial

from zkoperator.api.sync import Mode
from zkoperator.cli.connection import add_connection, connect, namespace_of
from zkoperator.cli.differences import Differences, differences, text
from zkoperator.cli.objects import fetch
from zkoperator.cli.output import add_output, print_json, style, wants_json
from zkoperator.errors import FieldError, InvalidError, TransientError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.base import decode_base
from zkoperator.mirror.content import content_of
from zkoperator.mirror.ledger import Ledger
from zkoperator.mirror.ledgers import read_ledger
from zkoperator.mirror.observed import Observed
from zkoperator.mirror.places import Places
from zkoperator.mirror.plan import make_plan
from zkoperator.mirror.target import value_of
from zkoperator.mirror.trees import Place
from zkoperator.mirror.tuning import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync, validate
from zkoperator.mirror.waiting import Waiting
from zkoperator.settings import read_settings
from zkoperator.zk.feed import TreeFeed
from zkoperator.zk.picture import Picture
from zkoperator.zk.pool import SessionConnector
from zkoperator.zk.port import Zk

NAME = "diff"
HELP = "show what a ConfigSync would write where, without values"

_NO_LEDGER = Ledger(version=0, czxid=0, mzxid=0)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sync", help="name of the ConfigSync")
    parser.add_argument("--hosts", metavar="HOST:PORT,...", help="reach the ensemble here, as through a forwarded port")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0, help="for reading the subtree (10)")
    add_connection(parser)
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read both sides, merge and print. The exit status is 0 whether or not they differ."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    async with connect(arguments) as api:
        raw = await fetch(api, CONFIG_SYNCS, namespace_of(arguments), arguments.sync)
        sync = reachable(validate(raw), arguments.hosts)
        found = await _compare(api, sync, arguments.timeout)
    if wants_json(arguments):
        print_json(found.to_json())
    else:
        print(text(found, style()))
    return 0


def reachable(sync: ValidatedSync, hosts: str | None) -> ValidatedSync:
    """Return the sync as one that would write, at the given hosts if there are any."""
    active = replace(sync, mode=Mode.ACTIVE)
    if hosts is None:
        return active
    return replace(active, source=replace(sync.source, cluster=None, hosts=tuple(hosts.split(","))))


async def _compare(api: KubeClient, sync: ValidatedSync, timeout_s: float) -> Differences:
    place = await _place(api, sync)
    zk = await SessionConnector().open(place.hosts, place.credential)
    try:
        picture = await _first_picture(zk, place, timeout_s)
        return differences(make_plan(sync, await _observe(api, zk, sync, picture)))
    finally:
        await zk.close()


async def _place(api: KubeClient, sync: ValidatedSync) -> Place:
    """Find the ensemble. Whoever runs the command connects for themselves, so the hosts it names are allowed."""
    domain = read_settings({}, os.environ).cluster_domain
    settings = MirrorSettings(allowed_hosts=sync.source.hosts, cluster_domain=domain)
    found = await Places(api, settings).find(sync)
    if isinstance(found, Waiting):
        raise InvalidError((FieldError(sync.name, f"{found.reason}: {found.message}"),))
    return found


async def _first_picture(zk: Zk, place: Place, timeout_s: float) -> Picture:
    """Read the subtree once, whole."""
    changed = asyncio.Event()
    feed = TreeFeed(zk, place.root, on_change=changed.set)
    following = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(timeout_s):
            return await _follow(feed, following, changed)
    except TimeoutError as error:
        raise TransientError(_out_of_reach(place)) from error
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(feed: TreeFeed, following: asyncio.Task[None], changed: asyncio.Event) -> Picture:
    """Wait for the first picture; raise what ended the feed before there was one."""
    while (picture := feed.picture()) is None:
        news = asyncio.create_task(changed.wait())
        await asyncio.wait((following, news), return_when=asyncio.FIRST_COMPLETED)
        news.cancel()
        changed.clear()
        if following.done():
            following.result()
    return picture


def _out_of_reach(place: Place) -> str:
    return (
        f"the ensemble at {','.join(place.hosts)} cannot be read from here; run the command in the cluster "
        "(kubectl exec -n zkoperator-system deploy/zkoperator -- python -m zkoperator diff ...), or forward a port "
        "(kubectl port-forward svc/NAME-zk 2181) and add --hosts 127.0.0.1:2181"
    )


async def _observe(api: KubeClient, zk: Zk, sync: ValidatedSync, picture: Picture) -> Observed:
    manifest = await api.get(CONFIG_MAPS, sync.namespace, sync.config_map)
    content = content_of(manifest) if manifest is not None else None
    base = decode_base(content.base_text) if content is not None else None
    ledger = await read_ledger(zk, sync.uid)
    return Observed(
        picture=picture,
        content=content,
        base=base,
        value_of=partial(value_of, manifest if manifest is not None else {}),
        # A push would begin with a ledger of its own; what it would write is the same.
        ledger=ledger or (_NO_LEDGER if sync.pushes else None),
        ledger_is_mine=True,
    )
