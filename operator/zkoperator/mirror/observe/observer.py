"""Reading both sides for one pass: the cached snapshot and ConfigMap wherever they are known to be current. I/O."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from zkoperator.api.reasons import SyncReason
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, KubeApi
from zkoperator.mirror.apply.claims import read_ledger, release
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.merge_base import Base
from zkoperator.mirror.model.meter import UNMETERED, Meter
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.config_map_cache import value_of, version_of
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.subscription import Subscriptions
from zkoperator.mirror.observe.subtree import Sessions, Subtree
from zkoperator.mirror.plan.push import limits_after
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync, config_map_name_of
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.zk.paths import parent_of
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, ConnectionState, Zk
from zkoperator.zk.snapshot import Snapshot

_GRACE_S = 3.0
"""A connection that comes back within this time was never gone, as far as status is concerned."""
_CATCH_UP_S = 1.0


class ConfigMaps(Protocol):
    """The ConfigMaps with our label, as last seen."""

    def get(self, key: Key) -> dict[str, Any] | None:
        """Return the object, or None."""


class Observer:
    """Reads for all ConfigSyncs of a process. `wake` is called with the key of a tree that changed."""

    def __init__(
        self,
        api: KubeApi,
        sessions: Sessions,
        config_maps: ConfigMaps,
        settings: MirrorSettings,
        clock: Clock,
        wake: Callable[[Key], None],
        meter: Meter = UNMETERED,
    ) -> None:
        self._api = api
        self._config_maps = config_maps
        self._settings = settings
        self._clock = clock
        self._follower = Subscriptions(api, sessions, settings, clock, wake, meter)

    async def observe(self, sync: ValidatedSync, memory: Memory) -> Observed | Waiting:
        """Return both sides, or why they are not known."""
        if (waiting := await self._follower.follow(sync, memory)) is not None:
            return waiting
        tree = memory.tree
        if tree is None or tree.snapshot() is None:
            return self._not_consistent(memory)
        memory.disconnected_s, memory.follow_failures = None, 0
        self._follower.verify(memory, tree)
        if memory.losses != tree.losses:
            # Nobody knows what became of the ledger while the connection was away.
            memory.forget_ledger()
            memory.losses = tree.losses
        manifest = await self.config_map(sync, memory)
        await self._read_ledger(sync, memory, tree.zk, _base_of(manifest, memory))
        if _is_older_than_the_push(manifest, memory):
            manifest = await self._read_config_map(sync, memory, self._stored(sync))
            if _is_older_than_the_push(manifest, memory):
                _void_entries(manifest, memory)
        snapshot = await self._recent(tree, _base_of(manifest, memory), memory)
        if snapshot is None:
            return Waiting(SyncReason.SYNCING, "catching up with the ensemble", _CATCH_UP_S, silent=True)
        seen = await self._observed(tree, snapshot, manifest, memory)
        return replace(seen, owner_is_gone=await self._owner_is_gone(sync, seen.content))

    async def _owner_is_gone(self, sync: ValidatedSync, content: Content | None) -> bool:
        """Whether the label names a ConfigSync that has no use for the ConfigMap any more."""
        if content is None or content.label in (None, "", sync.name):
            return False
        owner = await self._api.get(CONFIG_SYNCS, sync.namespace, str(content.label))
        return owner is None or config_map_name_of(owner) not in ("", sync.config_map)

    async def _observed(
        self, tree: Subtree, snapshot: Snapshot, manifest: Mapping[str, Any] | None, memory: Memory
    ) -> Observed:
        now_s = self._clock.now_s()
        return Observed(
            snapshot=snapshot,
            content=memory.target.content(manifest) if manifest is not None else None,
            base=_base_of(manifest, memory),
            value_of=partial(value_of, manifest if manifest is not None else {}),
            ledger=memory.ledger,
            ledger_is_mine=memory.ledger_is_mine,
            claimed_by=memory.claimed_by if memory.claimed_until_s > now_s else "",
            missing_above=await _missing_above(tree.zk, snapshot),
            acl=OPEN_ACL if tree.place.credential is None else CREATOR_ACL,
            flapping=memory.flaps.held(now_s),
            refused=memory.refused.at(now_s),
            unfit=memory.unfit.at(now_s),
            limits=limits_after(memory.push_failures, kept=frozenset(memory.kept.at(now_s))),
        )

    async def config_map(self, sync: ValidatedSync, memory: Memory) -> Mapping[str, Any] | None:
        """Return the newest known ConfigMap; read it where the store cannot know it: it has no label of ours."""
        now_s = self._clock.now_s()
        stored = self._stored(sync)
        known = memory.target.newest(stored, now_s)
        if known is not None and not memory.target.must_read:
            return known
        return await self._read_config_map(sync, memory, stored)

    def _stored(self, sync: ValidatedSync) -> Mapping[str, Any] | None:
        return self._config_maps.get(Key(sync.namespace, sync.config_map))

    async def _read_config_map(
        self, sync: ValidatedSync, memory: Memory, stored: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        read = await self._api.get(CONFIG_MAPS, sync.namespace, sync.config_map)
        if read is not None and stored is not None:
            memory.target.wrote(version_of(stored), read, self._clock.now_s())
        else:
            memory.target.forget()
        return read

    async def detach(self, memory: Memory) -> None:
        """Stop following, and give the session back."""
        await self._follower.detach(memory)

    def _not_consistent(self, memory: Memory) -> Waiting:
        if memory.tree is not None and memory.tree.zk.state is ConnectionState.CONNECTED:
            memory.disconnected_s = None
            return Waiting(SyncReason.SYNCING, "reading the subtree", connected=True, silent=True)
        now_s = self._clock.now_s()
        since_s = memory.disconnected_s = now_s if memory.disconnected_s is None else memory.disconnected_s
        memory.forget_ledger()
        if now_s - since_s < _GRACE_S:
            return Waiting(SyncReason.DISCONNECTED, "", _GRACE_S - (now_s - since_s), silent=True)
        message = "no connection to the ensemble; nothing is written until there is one"
        return Waiting(SyncReason.DISCONNECTED, message, self._settings.retry_s, connected=False)

    async def _read_ledger(self, sync: ValidatedSync, memory: Memory, zk: Zk, base: Base | None) -> None:
        """Read the ledger unless it is known. One that pushes no more needs its own until the base is in one place."""
        if not sync.writes_znodes and (base is None or base.ledger_czxid == 0):
            if sync.status.base is not None and sync.status.base.ledger:
                await release(zk, sync.source.root, sync.uid)
            memory.forget_ledger()
            return
        if not memory.ledger_is_known:
            before, found = memory.ledger, await read_ledger(zk, sync.uid)
            if found is not None and before is not None:
                found = replace(found, claim_version=before.claim_version)
            memory.ledger, memory.ledger_is_known = found, True
            memory.ledger_is_mine = memory.ledger_is_mine and found == before

    async def _recent(self, tree: Subtree, base: Base | None, memory: Memory) -> Snapshot | None:
        """Return the snapshot if it is at least as new as everything that was written from it or to it."""
        needed = base.zxid if base is not None else 0
        pushed = memory.ledger.last_push_zxid if memory.ledger is not None else 0
        snapshot = tree.snapshot()
        if snapshot is None or snapshot.zxid >= max(needed, pushed):
            return snapshot
        # The server may only lag behind; after a sync it does not, and a lower zxid means another history.
        await tree.zk.sync(tree.place.root)
        snapshot = _as_of_now(tree)
        is_behind = snapshot is not None and snapshot.zxid < pushed <= tree.zk.last_zxid
        return None if is_behind else snapshot


def _base_of(manifest: Mapping[str, Any] | None, memory: Memory) -> Base | None:
    return memory.target.base(memory.target.content(manifest)) if manifest is not None else None


def _is_older_than_the_push(manifest: Mapping[str, Any] | None, memory: Memory) -> bool:
    """Whether a later version of the ConfigMap was pushed already, as far as versions are numbers."""
    if manifest is None or memory.ledger is None:
        return False
    return 0 < memory.target.content(manifest).number < memory.ledger.resource_number


def _void_entries(manifest: Mapping[str, Any] | None, memory: Memory) -> None:
    """Forget what was pushed after the backup from which the API server was restored.

    The ConfigMap is as it was then, and its annotation says what both sides had in common; so what the ledger has
    beyond that counts as ZooKeeper's own, and is neither reverted nor deleted.
    """
    if memory.ledger is not None:
        memory.ledger = replace(memory.ledger, entries={}, resource_version=version_of(manifest))
        memory.ledger_is_mine = False


def _as_of_now(tree: Subtree) -> Snapshot | None:
    """A snapshot that stands is the state at every zxid heard of since: events come before replies."""
    snapshot = tree.snapshot()
    if snapshot is None or snapshot.zxid >= tree.zk.last_zxid:
        return snapshot
    return replace(snapshot, zxid=tree.zk.last_zxid)


async def _missing_above(zk: Zk, snapshot: Snapshot) -> tuple[str, ...]:
    if snapshot.root_exists:
        return ()
    missing: list[str] = []
    path = parent_of(snapshot.root)
    while path != "/" and await zk.exists(path) is None:
        missing.append(path)
        path = parent_of(path)
    return tuple(reversed(missing))
