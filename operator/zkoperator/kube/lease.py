"""Leader election by a Lease that is measured with monotonic clocks alone.

The holder trusts itself for `hold_s` from the moment *before* it sent its last successful renewal. A standby takes over
when it has seen no renewal for the whole lease, from the moment *after* it first saw the last one. As the second span
is longer and begins later, two of them never act at once, whatever the wall clocks say and however long a process
was stopped. A holder that was stopped by a signal finds its time expired when it continues, because `is_leader`
compares times instead of reading a flag.

The deletion of a Lease does not end its holder's time. The holder creates it again; a standby that has ever seen it
waits for the whole lease from the moment after it first found none. A process that has never seen one leads at once, as
after an installation. Two cases stay open: a standby that starts after somebody deleted the Lease and before its
holder has created it again; and a Lease that is created and deleted between two reads.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from zkoperator.errors import ConflictError, ForbiddenError, TransientError, ZkOperatorError
from zkoperator.kube.port import LEASES, KubeApi, Manifest
from zkoperator.runtime.backoff import spread_s
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.wall_clock import micro_time_text

_T = TypeVar("_T")
_LONGEST_LEASE_S = 60.0
_FORBIDDEN_POLL_S = 5.0


class NotLeaderError(TransientError):
    """A write was stopped because another process may hold the Lease by now."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A killed holder is replaced after `lease_s` and two polls at most.

    The margin between `hold_s` and `lease_s` is the time that a write which left just before the end has to arrive, and
    the allowance for clocks that run at different speeds.
    """

    lease_s: float = 10.0
    hold_s: float = 7.0
    renew_every_s: float = 2.0
    poll_every_s: float = 1.0
    request_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.request_s + self.renew_every_s < self.hold_s < self.lease_s:
            raise ValueError("a lease needs request_s + renew_every_s < hold_s < lease_s")

    @property
    def margin_s(self) -> float:
        """Seconds after the end of a holder's trust in which nobody acts."""
        return self.lease_s - self.hold_s


_TIMING = Timing()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A version of the Lease, when we saw it first, and for how long its holder may act from then on.

    Every renewal makes a new version. The version of a Lease that does not exist is "".
    """

    version: str
    since_s: float
    lease_s: float


_NEVER = _Seen("", float("-inf"), 0.0)
_UNANSWERED = "the API server has not answered for the lease yet"


class Elector:
    """Acquires the lease, renews it, and knows until when it may be trusted.

    Args:
        api: the Kubernetes API; not one whose writes are fenced by this very lease.
        namespace: of the operator.
        name: of the Lease.
        identity: unique for this process, never used again by another one.
        timing: see `Timing`.
        clock: monotonic time.

    Attributes:
        problem: why the Lease cannot be read or written, in one line; None while it can.
    """

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        name: str,
        identity: str,
        *,
        timing: Timing = _TIMING,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._timing = timing
        self._clock = clock
        self._until_s = float("-inf")
        self._leading = False
        self._version: str | None = None
        self._seen = _NEVER
        self._renewed_at = datetime.fromtimestamp(0, UTC)
        self._acquired = asyncio.Event()
        self._lost = asyncio.Event()
        self._lost.set()
        self._progress_s = clock.now_s()
        self._log = logging.getLogger(__name__)
        self.problem: str | None = _UNANSWERED

    def is_leader(self) -> bool:
        """Whether we may act at this very moment."""
        return self._leading and self._clock.now_s() < self._until_s

    def require(self) -> float:
        """Return how long a write may take that leaves now. Raises `NotLeaderError` unless we may act.

        It is what is left of our time and half of the margin after it; the other half is for clocks that differ.
        """
        left_s = self._until_s - self._clock.now_s()
        if not self._leading or left_s <= 0:
            raise NotLeaderError("the leader lease is lost or too old to be trusted: nothing is written")
        return left_s + self._timing.margin_s / 2

    async def wait_acquired(self) -> None:
        """Return when we lead."""
        await self._acquired.wait()

    async def wait_lost(self) -> None:
        """Return when we do not lead (any more): everything that acts has to be stopped then."""
        await self._lost.wait()

    def stalled_s(self) -> float:
        """Return the seconds since the last attempt ended: at most a deadline and a poll while `run` is alive."""
        return self._clock.now_s() - self._progress_s

    async def run(self) -> None:
        """Stand by, lead, stand by ... until cancelled; then release the lease if it is ours.

        Stop everything that acts before cancelling this: a standby may take over within a poll.
        """
        try:
            while True:
                delay_s = await self._attempt()
                self._progress_s = self._clock.now_s()
                await self._clock.sleep(delay_s)
        finally:
            held = self._leading
            self._lose("stopping")
            if held:
                await self._release()

    async def _attempt(self) -> float:
        """Try once to get or keep the lease; return the seconds until the next try."""
        self._expire()
        poll_s = spread_s(self._timing.poll_every_s)
        try:
            await (self._renew() if self._leading else self._stand_by())
            self._report_problem(None)
        except ConflictError:
            # Somebody else has written the Lease: the next attempt reads it again.
            self._report_problem(None)
            self._version = None
            poll_s = 0.0 if self._leading else poll_s
        except ForbiddenError as error:
            self._report_problem(str(error))
            poll_s = _FORBIDDEN_POLL_S
        except ZkOperatorError as error:
            self._version = None
            self._report_problem(str(error))
        else:
            poll_s = self._timing.renew_every_s if self._leading else poll_s
        self._expire()
        if not self._leading:
            return poll_s
        # Never sleep past the moment at which the loss has to be noticed.
        return min(poll_s, max(0.0, self._until_s - self._clock.now_s()))

    async def _renew(self) -> None:
        """Renew the Lease, over exactly the version that is known to be ours."""
        if self._version is None:
            lease = await self._get()
            if lease is None:
                await self._create()
                return
            if _holder(lease) != self._identity:
                self._lose(f"the Lease belongs to {_holder(lease) or 'nobody'}")
                return
            self._version = _version(lease)
        await self._write(self._version, {})

    async def _stand_by(self) -> None:
        """Take the Lease when it is free, ours by a write of unknown outcome, or was not renewed for its duration.

        One that was deleted is taken after its duration as well; one that never existed, at once.
        """
        lease = await self._get()
        free = lease is not None and _holder(lease) in {"", self._identity}
        if not free and not self._is_dead():
            return
        if lease is None:
            await self._create()
        else:
            transitions = (lease.get("spec") or {}).get("leaseTransitions") or 0
            await self._write(
                _version(lease), {"acquireTime": self._renewal_time(), "leaseTransitions": transitions + 1}
            )

    async def _create(self) -> None:
        sent_s = self._clock.now_s()
        self._adopt(await self._within(self._api.create(LEASES, self._namespace, self._new_lease())), sent_s)

    async def _write(self, version: str, more: Manifest) -> None:
        spec = self._spec() | more
        sent_s = self._clock.now_s()
        written = await self._within(
            self._api.patch(LEASES, self._namespace, self._name, {"spec": spec}, resource_version=version)
        )
        if written is None:
            raise ConflictError("the Lease was deleted")
        self._adopt(written, sent_s)

    def _adopt(self, lease: Manifest, sent_s: float) -> None:
        """Note that the Lease is ours. Our time counts from the moment before the request was sent."""
        self._expire()
        self._see(lease)
        self._version = _version(lease)
        self._until_s = sent_s + self._timing.hold_s
        if not self._leading and self._clock.now_s() < self._until_s:
            self._leading = True
            self._lost.clear()
            self._acquired.set()
            self._log.info("%s holds the lease %s/%s", self._identity, self._namespace, self._name)

    def _see(self, lease: Manifest | None) -> None:
        """Remember a version of the Lease and when it was seen first."""
        if self._seen.version != _version(lease):
            # For a deleted Lease the version before it says how long its holder may act.
            lease_s = self._lease_s(lease) if lease is not None else self._seen.lease_s
            self._seen = _Seen(_version(lease), self._clock.now_s(), lease_s)

    def _is_dead(self) -> bool:
        """Return whether the version that we saw last has not changed for a whole lease on our clock."""
        return self._clock.now_s() - self._seen.since_s >= self._seen.lease_s

    def _lease_s(self, lease: Manifest) -> float:
        """Return the longer one of our lease and the holder's, which may run with other settings."""
        theirs = (lease.get("spec") or {}).get("leaseDurationSeconds") or 0
        return max(self._timing.lease_s, min(float(theirs), _LONGEST_LEASE_S))

    def _expire(self) -> None:
        if self._leading and self._clock.now_s() >= self._until_s:
            self._lose("it could not be renewed in time")

    def _lose(self, why: str) -> None:
        if not self._leading:
            return
        self._leading = False
        self._until_s = float("-inf")
        self._acquired.clear()
        self._lost.set()
        self._log.info("%s does not hold the lease any more: %s", self._identity, why)

    async def _release(self) -> None:
        try:
            lease = await self._get()
            if _holder(lease) == self._identity:
                free = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._renewal_time()}
                patch = {"spec": free}
                await self._within(
                    self._api.patch(LEASES, self._namespace, self._name, patch, resource_version=_version(lease))
                )
        except ZkOperatorError as error:
            self._log.warning("the lease could not be released, so a standby waits for its end: %s", error)

    async def _get(self) -> Manifest | None:
        lease = await self._within(self._api.get(LEASES, self._namespace, self._name))
        self._see(lease)
        return lease

    async def _within(self, request: Coroutine[Any, Any, _T]) -> _T:
        """Await a request no longer than its deadline, nor past the end of our own time."""
        left_s = self._until_s - self._clock.now_s() if self._leading else self._timing.request_s
        try:
            async with asyncio.timeout(max(0.0, min(self._timing.request_s, left_s))):
                return await request
        except TimeoutError as error:
            raise TransientError("the API server did not answer in time for the lease") from error

    def _new_lease(self) -> Manifest:
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._spec() | {"acquireTime": self._renewal_time(), "leaseTransitions": 0},
        }

    def _spec(self) -> Manifest:
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._timing.lease_s),
            "renewTime": self._renewal_time(),
        }

    def _renewal_time(self) -> str:
        """Return the wall clock's time, for readers only; it always moves, so that each renewal makes a new version."""
        self._renewed_at = max(datetime.now(UTC), self._renewed_at + timedelta(microseconds=1))
        return micro_time_text(self._renewed_at)

    def _report_problem(self, problem: str | None) -> None:
        before, self.problem = self.problem, problem
        if problem is not None and before in {None, _UNANSWERED}:
            self._log.warning("cannot read or write the lease %s/%s: %s", self._namespace, self._name, problem)


def _holder(lease: Manifest | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _version(lease: Manifest | None) -> str:
    return str(((lease or {}).get("metadata") or {}).get("resourceVersion") or "")
