"""Reading both sides for one pass: the cached picture and ConfigMap wherever they are known to be current. I/O."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from zkoperator.api.reasons import SyncReason
from zkoperator.errors import InvalidError, TransientError
from zkoperator.kube.port import CONFIG_MAPS, KubeApi
from zkoperator.mirror.content import Content
from zkoperator.mirror.ledgers import read_ledger
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.meter import UNMETERED, Meter
from zkoperator.mirror.observed import Observed
from zkoperator.mirror.places import Places
from zkoperator.mirror.stopwatch import Stopwatch
from zkoperator.mirror.target import value_of, version_of
from zkoperator.mirror.trees import Sessions, Tree
from zkoperator.mirror.tuning import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.mirror.waiting import Waiting
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.zk.paths import parent_of
from zkoperator.zk.picture import Picture
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, ConnectionState, Zk

_GRACE_S = 3.0
"""A connection that comes back within this time was never gone, as far as status is concerned."""
_PLACE_AGE_S = 60.0
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
        self._sessions = sessions
        self._config_maps = config_maps
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._meter = meter
        self._places = Places(api, settings)
        self._turns = asyncio.Semaphore(settings.tree_reads)

    async def observe(self, sync: ValidatedSync, memory: Memory) -> Observed | Waiting:
        """Return both sides, or why they are not known."""
        if (waiting := await self._attach(sync, memory)) is not None:
            return waiting
        tree = memory.tree
        picture = tree.picture() if tree is not None else None
        if tree is None or picture is None:
            return self._not_consistent(memory)
        memory.disconnected_s = None
        manifest = await self.config_map(sync, memory)
        content = memory.target.content(manifest) if manifest is not None else None
        if memory.losses != tree.losses:
            # Nobody knows what became of the ledger while the connection was away.
            memory.forget_ledger()
            memory.losses = tree.losses
        await self._read_ledger(sync, memory, tree.zk, content)
        picture = await self._recent(tree, content, memory)
        if picture is None:
            return Waiting(SyncReason.SYNCING, "catching up with the ensemble", _CATCH_UP_S, silent=True)
        return Observed(
            picture=picture,
            content=content,
            base=memory.target.base(content) if content is not None else None,
            value_of=partial(value_of, manifest if manifest is not None else {}),
            ledger=memory.ledger,
            ledger_is_mine=memory.ledger_is_mine,
            claimed_by=memory.claimed_by if memory.claimed_until_s > self._clock.now_s() else "",
            missing_above=await _missing_above(tree.zk, picture),
            acl=OPEN_ACL if tree.place.credential is None else CREATOR_ACL,
            flapping=memory.flaps.held(self._clock.now_s()),
            refused=memory.refused if memory.refused_until_s > self._clock.now_s() else frozenset(),
        )

    async def config_map(self, sync: ValidatedSync, memory: Memory) -> Mapping[str, Any] | None:
        """Return the newest known ConfigMap; read it where the store cannot know it: it has no label of ours."""
        now_s = self._clock.now_s()
        stored = self._config_maps.get(Key(sync.namespace, sync.config_map))
        known = memory.target.newest(stored, now_s)
        if known is not None and not memory.target.must_read:
            return known
        return await self._read_config_map(sync, memory, stored)

    async def _read_config_map(
        self, sync: ValidatedSync, memory: Memory, stored: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        read = await self._api.get(CONFIG_MAPS, sync.namespace, sync.config_map)
        if read is not None and stored is not None:
            memory.target.wrote(version_of(stored), read, self._clock.now_s())
        else:
            memory.target.forget()
        return read

    async def _attach(self, sync: ValidatedSync, memory: Memory) -> Waiting | None:
        """Follow the subtree where it is now. A place that was found is looked up again only after a while."""
        tree, now_s = memory.tree, self._clock.now_s()
        is_same = memory.source == sync.source
        if is_same and (waiting := self._unfollowable(tree, now_s - memory.place_s)) is not None:
            return waiting
        settled = is_same and tree is not None and tree.failure is None
        if settled and tree is not None and (tree.is_connected or now_s - memory.place_s < _PLACE_AGE_S):
            return None
        place = await self._places.find(sync)
        if isinstance(place, Waiting):
            await self.detach(memory)
            return place
        memory.place_s, memory.source = now_s, sync.source
        if tree is not None and settled and tree.place == place:
            return None
        await self.detach(memory)
        zk = await self._sessions.lease(place.hosts, place.credential)
        key = Key(sync.namespace, sync.name)
        watch = Stopwatch(zk, place.root, self._meter, self._clock.now_s)
        memory.tree = Tree(place, zk, self._turns, partial(self._wake, key), watch)
        return None

    def _unfollowable(self, tree: Tree | None, age_s: float) -> Waiting | None:
        """A server that refuses to be watched is asked again after a while, not at once."""
        if tree is None or not isinstance(tree.failure, InvalidError) or age_s >= self._settings.retry_s:
            return None
        message = f"the ensemble cannot be followed: {tree.failure}"
        return Waiting(SyncReason.DISCONNECTED, message, self._settings.retry_s, connected=False)

    async def detach(self, memory: Memory) -> None:
        """Stop following, and give the session back."""
        tree, memory.tree = memory.tree, None
        memory.forget_ledger()
        if tree is not None:
            await tree.close()
            await self._sessions.release(tree.zk)

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

    async def _read_ledger(self, sync: ValidatedSync, memory: Memory, zk: Zk, content: Content | None) -> None:
        """Read the ledger unless it is known; doubt a ConfigMap that is older than the one that was pushed last."""
        base = memory.target.base(content) if content is not None else None
        if not sync.pushes and (base is None or base.ledger_czxid == 0):
            memory.forget_ledger()
            return
        if not memory.ledger_is_known:
            before, memory.ledger = memory.ledger, await read_ledger(zk, sync.uid)
            memory.ledger_is_known = True
            memory.ledger_is_mine = memory.ledger_is_mine and memory.ledger == before
        if content is None or memory.ledger is None:
            return
        if content.number and content.number < memory.ledger.resource_number:
            memory.target.doubt()
            raise TransientError("the ConfigMap that is known is older than the one that was pushed last")

    async def _recent(self, tree: Tree, content: Content | None, memory: Memory) -> Picture | None:
        """Return the picture if it is at least as new as everything that was written from it or to it."""
        base = memory.target.base(content) if content is not None else None
        needed = base.zxid if base is not None else 0
        pushed = memory.ledger.last_push_zxid if memory.ledger is not None else 0
        picture = tree.picture()
        if picture is None or picture.zxid >= max(needed, pushed):
            return picture
        # The server may only lag behind; after a sync it does not, and a lower zxid means another history.
        await tree.zk.sync(tree.place.root)
        picture = _as_of_now(tree)
        is_behind = picture is not None and picture.zxid < pushed <= tree.zk.last_zxid
        return None if is_behind else picture


def _as_of_now(tree: Tree) -> Picture | None:
    """A picture that stands is the state at every zxid heard of since: events come before replies."""
    picture = tree.picture()
    if picture is None or picture.zxid >= tree.zk.last_zxid:
        return picture
    return replace(picture, zxid=tree.zk.last_zxid)


async def _missing_above(zk: Zk, picture: Picture) -> tuple[str, ...]:
    if picture.root_exists:
        return ()
    missing: list[str] = []
    path = parent_of(picture.root)
    while path != "/" and await zk.exists(path) is None:
        missing.append(path)
        path = parent_of(path)
    return tuple(reversed(missing))
