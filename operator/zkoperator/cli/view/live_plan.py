"""A fresh look at both sides of a ConfigSync: the plan of an active pass, of which nothing is carried out. I/O."""

import argparse
import asyncio
from dataclasses import replace
from functools import partial

from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.api.sync import Mode
from zkoperator.cli.view.command_line import in_cluster
from zkoperator.cli.view.connection import assumed_settings
from zkoperator.cli.view.summary import condition_of
from zkoperator.errors import FieldError, InvalidError, TransientError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_MAPS, Manifest
from zkoperator.mirror.model.config_map import content_of
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.merge_base import decode_base
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.claimants import Claimants
from zkoperator.mirror.observe.claims import rival_of
from zkoperator.mirror.observe.config_map_cache import value_of
from zkoperator.mirror.observe.endpoint import EndpointFinder
from zkoperator.mirror.observe.ledger_cache import read_ledger
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.subtree import Endpoint
from zkoperator.mirror.plan.plan import Plan, make_plan
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync, validate
from zkoperator.zk.pool import SessionConnector
from zkoperator.zk.port import Zk
from zkoperator.zk.snapshot import Snapshot
from zkoperator.zk.subtree_feed import SubtreeFeed

_NO_LEDGER = Ledger(version=0, czxid=0, mzxid=0)


def add_reach_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how to reach the ensemble."""
    parser.add_argument("--hosts", metavar="HOST:PORT,...", help="reach the ensemble here, as through a forwarded port")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=10.0, help="for reading the subtree (10)")


async def make_fresh_plan(api: KubeClient, raw: Manifest, arguments: argparse.Namespace) -> tuple[ValidatedSync, Plan]:
    """Return the ConfigSync, and what a pass would do with it now if its mode were Active.

    Raises:
        InvalidError: when it cannot be acted on.
        TransientError: when the ensemble cannot be read from here; says how it can.
    """
    sync = validate(raw)
    active = reachable(sync, arguments.hosts)
    place = await _place(api, active)
    zk = await SessionConnector().open(place.hosts, place.credential)
    try:
        snapshot = await _first_snapshot(zk, place, sync, arguments)
        return sync, make_plan(active, await _observe(api, zk, active, snapshot))
    finally:
        await zk.close()


def reachable(sync: ValidatedSync, hosts: str | None) -> ValidatedSync:
    """Return the sync as one that would write, at the given hosts if there are any."""
    active = replace(sync, mode=Mode.ACTIVE)
    if hosts is None:
        return active
    return replace(active, source=replace(sync.source, cluster=None, hosts=tuple(hosts.split(","))))


def flapping_keys(sync: ValidatedSync) -> frozenset[str]:
    """Return the keys that the operator holds for flapping, as far as its report has them: only it remembers."""
    reported = condition_of(sync.status.conditions, SyncCondition.READY)
    if reported is None or reported.reason != SyncReason.FLAPPING:
        return frozenset()
    return frozenset(item.key for item in sync.status.conflicts)


async def _place(api: KubeClient, sync: ValidatedSync) -> Endpoint:
    """Find the ensemble. Whoever runs the command connects for themselves, so the hosts it names are allowed."""
    domain = assumed_settings().cluster_domain
    settings = MirrorSettings(allowed_hosts=sync.source.hosts, cluster_domain=domain)
    found = await EndpointFinder(api, settings).find(sync)
    if isinstance(found, Waiting):
        raise InvalidError((FieldError(sync.name, f"{found.reason}: {found.message}"),))
    return found


async def _first_snapshot(zk: Zk, place: Endpoint, sync: ValidatedSync, arguments: argparse.Namespace) -> Snapshot:
    """Read the subtree once, whole."""
    changed = asyncio.Event()
    feed = SubtreeFeed(zk, place.root, on_change=changed.set)
    following = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(arguments.timeout):
            return await _follow(feed, following, changed)
    except TimeoutError as error:
        raise TransientError(_out_of_reach(place, sync, arguments.command.NAME)) from error
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(feed: SubtreeFeed, following: asyncio.Task[None], changed: asyncio.Event) -> Snapshot:
    """Wait for the first snapshot; raise what ended the feed before there was one."""
    while (snapshot := feed.snapshot()) is None:
        waiting_for_change = asyncio.create_task(changed.wait())
        await asyncio.wait((following, waiting_for_change), return_when=asyncio.FIRST_COMPLETED)
        waiting_for_change.cancel()
        changed.clear()
        if following.done():
            following.result()
    return snapshot


def _out_of_reach(place: Endpoint, sync: ValidatedSync, command: str) -> str:
    service = f"{sync.source.cluster or 'NAME'}-zk"
    return (
        f"the ensemble at {','.join(place.hosts)} cannot be read from here; run the command in the cluster "
        f"({in_cluster(command, sync.name, sync.namespace, operator=sync.status.operator)}), or forward a port "
        f"(kubectl port-forward -n {sync.namespace} svc/{service} 2181) and add --hosts 127.0.0.1:2181"
    )


async def _observe(api: KubeClient, zk: Zk, sync: ValidatedSync, snapshot: Snapshot) -> Observed:
    manifest = await api.get(CONFIG_MAPS, sync.namespace, sync.config_map)
    content = content_of(manifest) if manifest is not None else None
    base = decode_base(content.base_text) if content is not None else None
    ledger = await read_ledger(zk, sync.uid)
    return Observed(
        snapshot=snapshot,
        content=content,
        base=base,
        value_of=partial(value_of, manifest if manifest is not None else {}),
        # A push would begin with a ledger of its own; what it would write is the same.
        ledger=ledger or (_NO_LEDGER if sync.pushes else None),
        ledger_is_mine=True,
        claimed_by=await _rival(api, zk, sync) if sync.pushes and ledger is None else "",
        flapping=flapping_keys(sync),
    )


async def _rival(api: KubeClient, zk: Zk, sync: ValidatedSync) -> str:
    rivals = Claimants(api)
    rival = await rival_of(zk, sync.source.root, await rivals.claimant(sync), rivals.standing)
    return str(rival) if rival is not None else ""
