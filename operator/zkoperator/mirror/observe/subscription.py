"""Follows the subtree of each ConfigSync at its present endpoint, on shared sessions. I/O."""

from collections.abc import Callable
from functools import partial
from weakref import WeakKeyDictionary

from zkoperator.api.reasons import SyncReason
from zkoperator.errors import ForbiddenError, TooLargeError, ZkOperatorError
from zkoperator.kube.port import KubeApi
from zkoperator.mirror.model.meter import Meter
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.endpoint import EndpointFinder
from zkoperator.mirror.observe.read_timer import ReadTimer
from zkoperator.mirror.observe.subscription_state import SubscriptionState
from zkoperator.mirror.observe.subtree import Endpoint, Sessions, Subtree
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import LookAgain
from zkoperator.zk.port import SessionLostError, Zk
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot_builder import SubtreeLimits


class Subscriptions:
    """Follows the subtrees of all ConfigSyncs of a process. Calls `wake` with the key when a subtree has changed."""

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
        self._endpoints = EndpointFinder(api, settings)
        self._limits = SubtreeLimits(settings.tree_znodes, settings.tree_bytes)
        self._permits: WeakKeyDictionary[Zk, ReadPermits] = WeakKeyDictionary()

    async def follow(self, sync: ValidatedSync, sides: BothSides) -> Waiting | None:
        """Follow the subtree at its present endpoint, or return why that is impossible.

        An unexpected exception that has ended the subscription is raised again.
        """
        state = sides.subscription
        subtree = state.subtree if state.source == sync.source else None
        if subtree is not None and (waiting := await self._ended(subtree, sides)) is not None:
            return waiting
        if subtree is not None and subtree.failure is None and not self._must_look_up(sync, state, subtree):
            return None
        endpoint = await self._endpoints.find(sync)
        state.is_refused = False
        if subtree is not None and subtree.failure is None and _may_stay(subtree, endpoint):
            state.endpoint_s = self._clock.now_s()
            return None
        if isinstance(endpoint, Waiting):
            await self.detach(sides)
            return endpoint
        await self._move(sync, sides, endpoint)
        return None

    async def detach(self, sides: BothSides) -> None:
        """Stop following the subtree and release the session."""
        subtree, sides.subscription.subtree = sides.subscription.subtree, None
        sides.ledger.forget()
        if subtree is not None:
            try:
                await subtree.close()
            finally:
                # If this pass is cancelled meanwhile, nothing else would release the lease.
                await self._sessions.release(subtree.zk)

    def verify(self, state: SubscriptionState, subtree: Subtree) -> None:
        """Check what no event announces: permissions, and changes that the watch has not reported."""
        now_s, snapshot = self._clock.now_s(), subtree.snapshot()
        if now_s - state.verified_s >= self._settings.reread_s:
            state.verified_s = state.unreadable_verified_s = now_s
            subtree.verify(everything=True)
        elif (
            snapshot is not None
            and snapshot.unreadable
            and now_s - state.unreadable_verified_s >= self._settings.retry_s
        ):
            state.unreadable_verified_s = now_s
            subtree.verify(everything=False)

    async def _ended(self, subtree: Subtree, sides: BothSides) -> Waiting | None:
        """Return why the subtree cannot be followed, None when there is no failure or when it is time to try again."""
        state, failure = sides.subscription, subtree.failure
        if failure is not None and not isinstance(failure, ZkOperatorError):
            await self.detach(sides)
            raise failure
        if failure is None or isinstance(failure, SessionLostError):
            return None
        longest_s = self._settings.retry_s * 2.0 ** min(state.failures, 20)
        again_s = state.endpoint_s + min(longest_s, self._settings.reread_s) - self._clock.now_s()
        if again_s <= 0:
            state.failures += 1
            return None
        return _cannot_follow(failure, LookAgain(again_s))

    def _must_look_up(self, sync: ValidatedSync, state: SubscriptionState, subtree: Subtree) -> bool:
        """Return whether to look the endpoint up again: soon when something is wrong, rarely when nothing is."""
        age_s, snapshot = self._clock.now_s() - state.endpoint_s, subtree.snapshot()
        if sync.deleting and subtree.is_connected:
            return False
        is_well = subtree.is_connected and not state.is_refused and (snapshot is None or not snapshot.unreadable)
        return age_s >= (self._settings.reread_s if is_well else self._settings.retry_s)

    async def _move(self, sync: ValidatedSync, sides: BothSides, endpoint: Endpoint) -> None:
        await self.detach(sides)
        zk = await self._sessions.lease(endpoint.hosts, endpoint.credential, endpoint.tls)
        timer = ReadTimer(zk, endpoint.roots, self._meter, self._clock.now_s)
        permits = self._permits.setdefault(zk, ReadPermits(self._settings.tree_reads))
        wake = partial(self._wake, Key(sync.namespace, sync.name))
        state = sides.subscription
        state.subtree = Subtree(endpoint, zk, permits, self._limits, wake, timer, sides.seal.digest)
        state.source = sync.source
        state.endpoint_s = state.verified_s = state.unreadable_verified_s = self._clock.now_s()
        state.is_refused = False
        sides.backlog.forget_refusals()


def _cannot_follow(failure: ZkOperatorError, again: LookAgain) -> Waiting:
    if isinstance(failure, TooLargeError):
        return Waiting(SyncReason.TOO_LARGE, f"{failure}; nothing is written while it is", again)
    message = f"the ensemble cannot be followed: {failure}"
    if isinstance(failure, ForbiddenError):
        message += (
            "; name a Secret with a username and password that it knows in spec.zookeeper.credentialsSecret "
            "(SASL is not supported)"
        )
        return Waiting(SyncReason.FORBIDDEN, message, again, connected=False)
    return Waiting(SyncReason.DISCONNECTED, message, again, connected=False)


def _may_stay(subtree: Subtree, found: Endpoint | Waiting) -> bool:
    """Return whether to keep the connection. A working one stays, unless credential, roots or trust have changed."""
    if isinstance(found, Waiting):
        return found.reason is SyncReason.DISCONNECTED and subtree.is_connected
    present = subtree.endpoint
    is_same = (present.credential, present.roots, present.tls) == (found.credential, found.roots, found.tls)
    return is_same and (subtree.is_connected or present.hosts == found.hosts)
