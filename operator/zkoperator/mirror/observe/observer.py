"""Reads both sides for one pass, from the caches when they are known to be current. I/O."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from zkoperator.api.meta import Truth
from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.api.sync import Direction
from zkoperator.kube.port import CONFIG_SYNCS, KubeApi
from zkoperator.mirror.model.backlog import Backlog
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.model.names import zxid_of
from zkoperator.mirror.model.push_limits import limits_after
from zkoperator.mirror.model.template import Rendering
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache, version_of
from zkoperator.mirror.observe.ledger_cache import LedgerCache, needs_ledger, read_ledger
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.renderings import Renderings
from zkoperator.mirror.observe.subscription import Subscriptions
from zkoperator.mirror.observe.subtree import Sessions, Subtree
from zkoperator.mirror.observe.targets import Targets
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync, target_of
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import LookAgain
from zkoperator.runtime.wall_clock import seconds_since
from zkoperator.templates.port import NoRenderer, Renderer
from zkoperator.zk.paths import parent_of
from zkoperator.zk.port import Zk
from zkoperator.zk.snapshot import Snapshot

_GRACE_S = 3.0
"""The status does not show a lost connection that comes back within this time, in seconds."""
_CATCH_UP_S = 1.0
_BOTH = Direction.TWO_WAY
_NO_VALUES: Mapping[str, bytes] = MappingProxyType({})
_HELD = SyncCondition.DELETIONS_HELD


class Observer:
    """Reads both sides for all ConfigSyncs of a process. Calls `wake` with the key when a subtree has changed."""

    def __init__(
        self,
        api: KubeApi,
        sessions: Sessions,
        targets: Targets,
        settings: MirrorSettings,
        clock: Clock,
        wake: Callable[[Key], None],
        meter: Meter = UNMETERED,
        renderer: Renderer | None = None,
    ) -> None:
        self._api = api
        self._targets = targets
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._renderings = Renderings(renderer or NoRenderer(), settings, clock, meter)
        self._subscriptions = Subscriptions(api, sessions, settings, clock, wake, meter)

    async def observe(self, sync: ValidatedSync, sides: BothSides) -> Observed | Waiting:
        """Return both sides, or the reason why they are not known."""
        seal = await self._targets.seal(sync)
        if isinstance(seal, Waiting):
            return seal
        sides.seal = seal
        if (waiting := await self._subscriptions.follow(sync, sides)) is not None:
            return waiting
        subscription, ledger = sides.subscription, sides.ledger
        subtree = subscription.subtree
        if subtree is None or subtree.snapshot() is None:
            return self._not_consistent(sides)
        subscription.disconnected_s, subscription.failures = None, 0
        self._subscriptions.verify(subscription, subtree)
        if ledger.losses != subtree.losses:
            # Another process may have written the ledger while there was no connection.
            ledger.forget()
            ledger.losses = subtree.losses
        manifest = await self.config_map(sync, sides)
        if (wait_s := self._creation_wait_s(manifest, sync, sides.config_map)) > 0:
            kind = sync.target.kind
            message = f"the {kind} was deleted; it is created again from the znodes unless somebody else does so now"
            return Waiting(SyncReason.SYNCING, message, LookAgain(wait_s))
        base = _base_of(manifest, sides.config_map) or sides.config_map.carried()
        await _read_ledger(sync, ledger, subtree.zk, base)
        if _is_older_than_the_push(manifest, sides):
            manifest = await self._read_config_map(sync, sides.config_map, self._targets.stored(sync))
            if _is_older_than_the_push(manifest, sides):
                _void_entries(manifest, ledger)
        least_zxid = _least_zxid(sync, manifest, sides.config_map)
        snapshot = await self._recent(subtree, least_zxid, ledger)
        if snapshot is None:
            message = "catching up with the ensemble"
            return Waiting(SyncReason.SYNCING, message, LookAgain(_CATCH_UP_S), silent=True)
        rendering = await self._rendering(sync, sides, subtree, snapshot, least_zxid)
        if isinstance(rendering, Waiting):
            return rendering
        self._restore_deletions(sync, sides.backlog)
        of = rendering.snapshot if rendering is not None else snapshot
        observed = await self._observed(subtree, of, manifest, sides)
        is_gone = await self._owner_is_gone(sync, observed.content)
        return replace(observed, owner_is_gone=is_gone, rendering=rendering)

    async def _rendering(
        self, sync: ValidatedSync, sides: BothSides, subtree: Subtree, snapshot: Snapshot, least_zxid: int
    ) -> Rendering | Waiting | None:
        """Return what the templates make of the subtree; None without any, or while a part of it is missing."""
        templates = sync.template
        if templates is None or not snapshot.root_exists or templates.hides(snapshot):
            return None
        wake = partial(self._wake, Key(sync.namespace, sync.name))
        return await self._renderings.current(sync, templates, sides, subtree, snapshot, least_zxid, wake)

    def _creation_wait_s(self, manifest: Mapping[str, Any] | None, sync: ValidatedSync, cache: ConfigMapCache) -> float:
        """Return how long to wait before a deleted ConfigMap is created again, so that its owner can create it."""
        if manifest is not None or sync.deleting or not sync.synced_before or sync.rules.direction is not _BOTH:
            cache.deleted_s = None
            return 0.0
        now_s = self._clock.now_s()
        cache.deleted_s = now_s if cache.deleted_s is None else cache.deleted_s
        return cache.deleted_s + self._settings.recreate_s - now_s

    def _restore_deletions(self, sync: ValidatedSync, backlog: Backlog) -> None:
        """Restore the deletions that an earlier process has recorded in the status."""
        recorded = sync.status.deletions
        is_held = any(item.type == _HELD and item.status is Truth.TRUE for item in sync.status.conditions)
        age_s = seconds_since(recorded.time) if recorded is not None and recorded.time else 0.0
        keys = recorded.keys if recorded is not None else ()
        backlog.deletions.restore(keys, age_s, self._clock.now_s(), held=is_held)

    async def _owner_is_gone(self, sync: ValidatedSync, content: Content | None) -> bool:
        """Return whether the label names a ConfigSync that does not exist or uses another ConfigMap."""
        if content is None or content.label in (None, "", sync.name):
            return False
        owner = await self._api.get(CONFIG_SYNCS, sync.namespace, str(content.label))
        if owner is None:
            return True
        return target_of(owner) not in (None, (sync.target.end.resource, sync.target.name))

    async def _observed(
        self, subtree: Subtree, snapshot: Snapshot, manifest: Mapping[str, Any] | None, sides: BothSides
    ) -> Observed:
        now_s, ledger, backlog = self._clock.now_s(), sides.ledger, sides.backlog
        return Observed(
            snapshot=snapshot,
            content=sides.config_map.content(manifest) if manifest is not None else None,
            base=_base_of(manifest, sides.config_map),
            carried=sides.config_map.carried(),
            value_of=sides.config_map.reader(manifest) if manifest is not None else _NO_VALUES.__getitem__,
            ledger=ledger.ledger,
            ledger_is_mine=ledger.is_mine,
            claimed_by=ledger.claimed_by if ledger.claimed_until_s > now_s else "",
            missing_above=await _missing_above(subtree.zk, snapshot),
            deleted_lately=backlog.deletions.lately(now_s),
            flapping=backlog.flaps.held(now_s),
            contested=backlog.restored.held(now_s),
            common=sides.common,
            seal=sides.seal,
            refused=backlog.refused.at(now_s),
            unfit=backlog.unfit.at(now_s),
            limits=limits_after(backlog.push_failures, kept=frozenset(backlog.kept.at(now_s))),
        )

    async def config_map(self, sync: ValidatedSync, sides: BothSides) -> Mapping[str, Any] | None:
        """Return the newest known ConfigMap or Secret. One without our label is not in the store and is read."""
        cache, stored = sides.config_map, self._targets.stored(sync)
        cache.is_named(sync.target, sync.format, sides.seal)
        known = cache.newest(stored, self._clock.now_s())
        if known is not None and not cache.must_read:
            return known
        return await self._read_config_map(sync, cache, stored)

    async def _read_config_map(
        self, sync: ValidatedSync, cache: ConfigMapCache, stored: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        read = await self._api.get(sync.target.end.resource, sync.namespace, sync.target.name)
        if read is not None and stored is not None:
            cache.wrote(version_of(stored), read, self._clock.now_s())
        else:
            cache.forget()
        return read

    async def detach(self, sides: BothSides) -> None:
        """Stop following the subtree and release the session."""
        if sides.rendering is not None:
            sides.rendering.give_up()
        await self._subscriptions.detach(sides)

    def _not_consistent(self, sides: BothSides) -> Waiting:
        state = sides.subscription
        if state.subtree is not None and state.subtree.is_connected:
            state.disconnected_s = None
            return Waiting(SyncReason.SYNCING, "reading the subtree", connected=True, silent=True)
        now_s = self._clock.now_s()
        since_s = state.disconnected_s = now_s if state.disconnected_s is None else state.disconnected_s
        sides.ledger.forget()
        if now_s - since_s < _GRACE_S:
            return Waiting(SyncReason.DISCONNECTED, "", LookAgain(_GRACE_S - (now_s - since_s)), silent=True)
        why = f" ({state.subtree.zk.problem})" if state.subtree is not None else ""
        message = f"no connection to the ensemble{why}; nothing is written until there is one"
        return Waiting(SyncReason.DISCONNECTED, message, LookAgain(self._settings.retry_s), connected=False)

    async def _recent(self, subtree: Subtree, needed: int, cache: LedgerCache) -> Snapshot | None:
        """Return the snapshot, None while it is older than a pull or a push that this ConfigSync has made."""
        pushed = cache.ledger.last_push_zxid if cache.ledger is not None else 0
        snapshot = subtree.snapshot()
        if snapshot is None or snapshot.zxid >= max(needed, pushed):
            return snapshot
        # The server may lag behind. After a sync it does not, so a lower zxid then means another history.
        await subtree.zk.sync(subtree.endpoint.roots[0])
        snapshot = _as_of_now(subtree)
        is_behind = snapshot is not None and snapshot.zxid < pushed <= subtree.zk.last_zxid
        return None if is_behind else snapshot


async def _read_ledger(sync: ValidatedSync, cache: LedgerCache, zk: Zk, base: Base | None) -> None:
    """Read the ledger, unless it is known or is not needed (see `needs_ledger`)."""
    if not needs_ledger(sync, base):
        cache.forget()
    elif not cache.is_known:
        before, found = cache.ledger, await read_ledger(zk, sync.uid)
        if found is not None and before is not None:
            found = replace(found, claim_version=before.claim_version)
        cache.ledger, cache.is_known = found, True
        cache.is_mine = cache.is_mine and found == before


def _base_of(manifest: Mapping[str, Any] | None, cache: ConfigMapCache) -> Base | None:
    return cache.base(cache.content(manifest)) if manifest is not None else None


def _least_zxid(sync: ValidatedSync, manifest: Mapping[str, Any] | None, cache: ConfigMapCache) -> int:
    """Return the zxid of the state that both sides had in common last."""
    if (base := _base_of(manifest, cache)) is not None:
        return base.zxid
    carried = cache.carried()
    return max(carried.zxid if carried is not None else 0, zxid_of(sync.status.zxid) if sync.status.common else 0)


def _is_older_than_the_push(manifest: Mapping[str, Any] | None, sides: BothSides) -> bool:
    """Return whether a later version of the ConfigMap was already pushed. False when versions are not numbers."""
    ledger = sides.ledger.ledger
    if manifest is None or ledger is None:
        return False
    content = sides.config_map.content(manifest)
    is_another = ledger.config_map not in ("", content.uid)
    return not is_another and 0 < content.number < ledger.resource_number


def _void_entries(manifest: Mapping[str, Any] | None, cache: LedgerCache) -> None:
    """Forget the pushes after the backup from which the API server was restored.

    The restored ConfigMap has the merge base of that time in its annotation. Values that were pushed later count as
    edits of ZooKeeper, so they are neither reverted nor deleted.
    """
    if cache.ledger is not None:
        cache.ledger = replace(cache.ledger, entries={}, resource_version=version_of(manifest))
        cache.is_mine = False


def _as_of_now(subtree: Subtree) -> Snapshot | None:
    """Return the snapshot with the newest zxid of the session. It is valid there: events come before replies."""
    snapshot = subtree.snapshot()
    if snapshot is None or snapshot.zxid >= subtree.zk.last_zxid:
        return snapshot
    return replace(snapshot, zxid=subtree.zk.last_zxid)


async def _missing_above(zk: Zk, snapshot: Snapshot) -> tuple[str, ...]:
    if snapshot.root_exists:
        return ()
    missing: list[str] = []
    path = parent_of(snapshot.root)
    while path != "/" and await zk.exists(path) is None:
        missing.append(path)
        path = parent_of(path)
    return tuple(reversed(missing))
