"""Following the subtree of each ConfigSync where it is now, on a session shared with all others. I/O."""

from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from zkoperator.api.reasons import SyncReason
from zkoperator.errors import ForbiddenError, TooLargeError, ZkOperatorError
from zkoperator.kube.port import KubeApi
from zkoperator.mirror.apply.claims import release_claim
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.meter import Meter
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.endpoint import Endpoints
from zkoperator.mirror.observe.read_timer import ReadTimer
from zkoperator.mirror.observe.subtree import Endpoint, Sessions, Subtree
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import Source, ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.zk.port import SessionLostError, Zk
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot_builder import SubtreeLimits


class Subscriptions:
    """Follows for all ConfigSyncs of a process. `wake` is called with the key of a tree that changed."""

    def __init__(
        self,
        api: KubeApi,
        sessions: Sessions,
        settings: MirrorSettings,
        clock: Clock,
        wake: Callable[[Key], None],
        meter: Meter,
    ) -> None:
        self._sessions = sessions
        self._settings = settings
        self._clock = clock
        self._wake = wake
        self._meter = meter
        self._places = Endpoints(api, settings)
        self._budget = SubtreeLimits(settings.tree_znodes, settings.tree_bytes)
        self._turns: WeakKeyDictionary[Zk, ReadPermits] = WeakKeyDictionary()

    async def follow(self, sync: ValidatedSync, memory: Memory) -> Waiting | None:
        """Follow the subtree where it is now, or return why that cannot be.

        Raises whatever has ended the tree and is no error of the ensemble's.
        """
        tree = memory.tree if memory.source == sync.source else None
        if tree is not None and (waiting := await self._ended(tree, memory)) is not None:
            return waiting
        if tree is not None and tree.failure is None and not self._must_look(sync, memory, tree):
            return None
        place = await self._places.find(sync)
        memory.is_refused = False
        if tree is not None and tree.failure is None and _may_stay(tree, place):
            memory.place_s = self._clock.now_s()
            return None
        if isinstance(place, Waiting):
            await self.detach(memory)
            return place
        await self._move(sync, memory, place)
        return None

    async def detach(self, memory: Memory) -> None:
        """Stop following, and give the session back."""
        tree, memory.tree = memory.tree, None
        memory.forget_ledger()
        if tree is not None:
            try:
                await tree.close()
            finally:
                # Nobody knows of the lease any more, should this pass be cancelled meanwhile.
                await self._sessions.release(tree.zk)

    def verify(self, memory: Memory, tree: Subtree) -> None:
        """Look at what nobody tells of: permissions, and whether the watch has told everything."""
        now_s, snapshot = self._clock.now_s(), tree.snapshot()
        if now_s - memory.rechecked_s >= self._settings.reread_s:
            memory.rechecked_s = memory.asked_again_s = now_s
            tree.verify(everything=True)
        elif snapshot is not None and snapshot.unreadable and now_s - memory.asked_again_s >= self._settings.retry_s:
            memory.asked_again_s = now_s
            tree.verify(everything=False)

    async def _ended(self, tree: Subtree, memory: Memory) -> Waiting | None:
        """Tell of a tree that cannot be followed, and begin anew when it is time."""
        failure = tree.failure
        if failure is not None and not isinstance(failure, ZkOperatorError):
            await self.detach(memory)
            raise failure
        if failure is None or isinstance(failure, SessionLostError):
            return None
        longest_s = self._settings.retry_s * 2.0 ** min(memory.follow_failures, 20)
        again_s = memory.place_s + min(longest_s, self._settings.reread_s) - self._clock.now_s()
        if again_s <= 0:
            memory.follow_failures += 1
            return None
        return _cannot_follow(failure, again_s)

    def _must_look(self, sync: ValidatedSync, memory: Memory, tree: Subtree) -> bool:
        """Whether the place may have changed: soon where something is wrong, now and then where nothing is."""
        age_s, snapshot = self._clock.now_s() - memory.place_s, tree.snapshot()
        if sync.deleting and tree.is_connected:
            return False
        is_well = tree.is_connected and not memory.is_refused and (snapshot is None or not snapshot.unreadable)
        return age_s >= (self._settings.reread_s if is_well else self._settings.retry_s)

    async def _move(self, sync: ValidatedSync, memory: Memory, place: Endpoint) -> None:
        if memory.tree is not None and memory.source is not None and memory.source != sync.source:
            await self._give_claim_back(memory.tree, memory.source, sync)
        await self.detach(memory)
        zk = await self._sessions.lease(place.hosts, place.credential)
        watch = ReadTimer(zk, place.root, self._meter, self._clock.now_s)
        turns = self._turns.setdefault(zk, ReadPermits(self._settings.tree_reads))
        wake = partial(self._wake, Key(sync.namespace, sync.name))
        memory.tree = Subtree(place, zk, turns, self._budget, wake, watch)
        memory.source = sync.source
        memory.place_s = memory.rechecked_s = memory.asked_again_s = self._clock.now_s()
        memory.forget_refusals()

    async def _give_claim_back(self, tree: Subtree, source: Source, sync: ValidatedSync) -> None:
        """Let others push to where the spec has pointed before, if the ensemble answers. See `Claimants`."""
        is_elsewhere = (source.root, source.ensemble) != (sync.source.root, sync.source.ensemble)
        if not is_elsewhere or not tree.is_connected:
            return
        try:
            await release_claim(tree.zk, source.root, sync.uid)
        except ZkOperatorError:
            return


def _cannot_follow(failure: ZkOperatorError, again_s: float) -> Waiting:
    if isinstance(failure, TooLargeError):
        return Waiting(SyncReason.TOO_LARGE, f"{failure}; nothing is written while it is", again_s)
    message = f"the ensemble cannot be followed: {failure}"
    if isinstance(failure, ForbiddenError):
        message += (
            "; name a Secret with a username and password that it knows in spec.zookeeper.credentialsSecret "
            "(SASL is not supported)"
        )
        return Waiting(SyncReason.FORBIDDEN, message, again_s, connected=False)
    return Waiting(SyncReason.DISCONNECTED, message, again_s, connected=False)


def _may_stay(tree: Subtree, place: Endpoint | Waiting) -> bool:
    """A connection that works is kept while names cannot be resolved or members change, not with another identity."""
    if isinstance(place, Waiting):
        return place.reason is SyncReason.DISCONNECTED and tree.is_connected
    is_same = (tree.place.credential, tree.place.root) == (place.credential, place.root)
    return is_same and (tree.is_connected or tree.place.hosts == place.hosts)
