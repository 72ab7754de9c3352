"""Observes both sides of a ConfigSync as a pass does, and plans; nothing of the plan is carried out. I/O."""

import argparse
import asyncio
from dataclasses import replace

from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.api.sync import Mode
from zkoperator.cli.view.borrowed_key import BorrowedKey
from zkoperator.cli.view.command_line import in_cluster, in_cluster_with_input
from zkoperator.cli.view.connection import assumed_settings
from zkoperator.cli.view.summary import condition_of
from zkoperator.cli.view.usage import seconds
from zkoperator.ensemble.model.names import CLIENT_PORT, LOOPBACK_PORT
from zkoperator.errors import FieldError, InvalidError, TransientError, UnsafeError
from zkoperator.kube.port import KubeApi, Manifest
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.claimants import Claimants
from zkoperator.mirror.observe.claims import rival_of
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import Observer
from zkoperator.mirror.observe.targets import GrantedSecrets, Targets
from zkoperator.mirror.plan.plan import Plan, make_plan
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.state import new_state
from zkoperator.mirror.validate import ValidatedSync, validate
from zkoperator.runtime.clock import MONOTONIC
from zkoperator.runtime.keys import Key
from zkoperator.templates.pool import WorkerPool
from zkoperator.zk.pool import SessionConnector, SessionPool
from zkoperator.zk.port import Zk, ZkConnector
from zkoperator.zk.session import SessionSettings

_NO_LEDGER = Ledger(version=0, czxid=0, mzxid=0)
_UNKNOWN_YET = (SyncReason.SYNCING, SyncReason.DISCONNECTED)
"""Reasons for which the ensemble may answer a moment later."""
_LONGEST_WAIT_S = 1.0


def add_reach_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say how to reach the ensemble."""
    parser.add_argument("--hosts", metavar="HOST:PORT,...", help="reach the ensemble here, as through a forwarded port")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, default=10.0, help="for reading the subtree (10)")


def refuse_writes() -> None:
    """Stop a write to ZooKeeper: the commands that plan only read."""
    raise UnsafeError("this command writes nothing to ZooKeeper")


_READ_ONLY = SessionConnector(settings=SessionSettings(before_write=refuse_writes))


async def make_fresh_plan(
    api: KubeApi, raw: Manifest, arguments: argparse.Namespace, connector: ZkConnector = _READ_ONLY
) -> tuple[ValidatedSync, Plan]:
    """Return the ConfigSync, and what a pass would do with it now if its mode were Active.

    Raises:
        InvalidError: the ConfigSync cannot be acted on.
        TransientError: the ensemble cannot be read from here; the message says how it can.
    """
    sync = validate(raw)
    active = reachable(sync, arguments.hosts)
    sessions = SessionPool(connector)
    look = _Look(api, sessions, active)
    try:
        async with asyncio.timeout(arguments.timeout):
            # However it is reached from here, it is the ensemble of the spec.
            return sync, make_plan(replace(active, source=sync.source), await look.observe())
    except TimeoutError as error:
        raise TransientError(_out_of_reach(look.hosts, sync, arguments)) from error
    finally:
        await sessions.close()


class _Look:
    """One observation of both sides, with the observer of the operator.

    Args:
        api: the Kubernetes API.
        sessions: of the ensemble; the caller closes them.
        sync: the ConfigSync, in mode Active.
    """

    def __init__(self, api: KubeApi, sessions: SessionPool, sync: ValidatedSync) -> None:
        # People who run the command connect for themselves, so the hosts that they name are allowed.
        settings = MirrorSettings(allowed_hosts=sync.source.hosts, cluster_domain=assumed_settings().cluster_domain)
        self._api = api
        self._sync = sync
        self._sides: BothSides = new_state(settings).sides
        self._changed = asyncio.Event()
        self.hosts: tuple[str, ...] = ()
        """The members of the ensemble, once they are known."""
        secrets = GrantedSecrets(_NoStore(), BorrowedKey(api, sync.status.operator))
        targets = Targets(_NoStore(), secrets, settings.retry_s)
        self._renderer = WorkerPool()
        self._observer = Observer(
            api,
            sessions,
            targets,
            settings,
            MONOTONIC,
            lambda _: self._changed.set(),
            renderer=self._renderer,
        )

    async def observe(self) -> Observed:
        """Return both sides once the subtree is read, as a pass of the operator would have them."""
        try:
            observed = await self._first()
        finally:
            await self._observer.detach(self._sides)
            await self._renderer.close()
        sync = self._sync
        return replace(
            observed,
            # A push would begin with a ledger of its own; what it would write is the same.
            ledger=observed.ledger or (_NO_LEDGER if sync.pushes else None),
            ledger_is_mine=True,
            flapping=flapping_keys(sync),
        )

    async def _first(self) -> Observed:
        while True:
            self._changed.clear()
            observed = await self._observer.observe(self._sync, self._sides)
            subtree = self._sides.subscription.subtree
            self.hosts = subtree.endpoint.hosts if subtree is not None else ()
            if isinstance(observed, Observed):
                return replace(
                    observed, claimed_by=await self._rival(subtree.zk if subtree is not None else None, observed)
                )
            if subtree is None or observed.reason not in _UNKNOWN_YET:
                raise InvalidError((FieldError(self._sync.name, f"{observed.reason}: {observed.message}"),))
            await self._wait(observed)

    async def _wait(self, waiting: Waiting) -> None:
        """Wait until the subtree changes, at most as long as a pass of the operator would."""
        try:
            async with asyncio.timeout(min(waiting.again.after_s, _LONGEST_WAIT_S)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _rival(self, zk: Zk | None, observed: Observed) -> str:
        """Return who pushes to an overlapping subtree; a ConfigSync with a ledger has claimed its own already."""
        if zk is None or not self._sync.pushes or observed.ledger is not None:
            return ""
        claimants = Claimants(self._api)
        rival = await rival_of(zk, self._sync.source.root, await claimants.claimant(self._sync), claimants.standing)
        return str(rival) if rival is not None else ""


class _NoStore:
    """A store that knows no object, so that the observer reads it."""

    synced = True

    def get(self, key: Key) -> Manifest | None:
        """Return None."""

    def refusal(self, namespace: str) -> str | None:
        """Return None."""


def reachable(sync: ValidatedSync, hosts: str | None) -> ValidatedSync:
    """Return the sync in mode Active, at the given hosts if there are any."""
    active = replace(sync, mode=Mode.ACTIVE)
    if hosts is None:
        return active
    return replace(active, source=replace(sync.source, cluster=None, hosts=tuple(hosts.split(","))))


def flapping_keys(sync: ValidatedSync) -> frozenset[str]:
    """Return the keys that the operator holds for flapping, from its report: nobody else knows them."""
    reported = condition_of(sync.status.conditions, SyncCondition.READY)
    if reported is None or reported.reason != SyncReason.FLAPPING:
        return frozenset()
    return frozenset(item.key for item in sync.status.conflicts)


def _out_of_reach(hosts: tuple[str, ...], sync: ValidatedSync, arguments: argparse.Namespace) -> str:
    command, operator = arguments.command.NAME, sync.status.operator
    if vars(arguments).get("file"):
        there = in_cluster_with_input(f"{command} -f -", sync.namespace, operator=operator)
    else:
        there = in_cluster(command, sync.name, sync.namespace, operator=operator)
    cluster = sync.cluster or Key(sync.namespace, "NAME")
    service = f"{cluster.name}-zk"
    where = f"at {','.join(hosts)} " if hosts else ""
    inside = f"pod/{service}-0 {CLIENT_PORT}:{LOOPBACK_PORT}"
    return (
        f"the ensemble {where}cannot be read from here; run the command in the cluster "
        f"({there}), or forward a port "
        f"(kubectl port-forward -n {cluster.namespace} svc/{service} {CLIENT_PORT}, or {inside} where "
        f"plaintext is refused) and add --hosts 127.0.0.1:{CLIENT_PORT}"
    )
