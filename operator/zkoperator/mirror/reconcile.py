"""ConfigSync: validate, observe, plan, apply, status. One pass of one key. I/O."""

from collections.abc import Callable
from dataclasses import replace

from zkoperator.api.reasons import SyncReason
from zkoperator.api.sync import ConfigSyncStatus
from zkoperator.errors import ConflictError, ForbiddenError, InvalidError, TransientError
from zkoperator.kube.port import CONFIG_SYNCS, KubeApi, Manifest
from zkoperator.mirror.apply.applier import Applier
from zkoperator.mirror.apply.rollout import Restarter
from zkoperator.mirror.finalize import Finalizer
from zkoperator.mirror.memory import Memory, new_memory
from zkoperator.mirror.model.config_map import managers_of
from zkoperator.mirror.model.meter import PULL, PUSH, UNMETERED, Meter
from zkoperator.mirror.model.names import APPROVE_ANNOTATION, RESOLVE_ANNOTATION
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import ConfigMaps, Observer
from zkoperator.mirror.observe.subtree import Sessions
from zkoperator.mirror.plan.decisions import short_hash
from zkoperator.mirror.plan.plan import Plan, make_plan
from zkoperator.mirror.plan.pull import CreateConfigMap, WriteConfigMap
from zkoperator.mirror.plan.push import PushMulti
from zkoperator.mirror.plan.refusal import STUCK
from zkoperator.mirror.plan.steps import ClaimLedger
from zkoperator.mirror.rollout import Rollouts
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.reporter import Reporter, written_status
from zkoperator.mirror.status.status import (
    Told,
    status_of_errors,
    status_of_plan,
    status_of_waiting,
)
from zkoperator.mirror.validate import ValidatedSync, validate
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain
from zkoperator.runtime.wall_clock import time_text

_RESOURCE_AGE_S = 300.0
_NO_STATUS = ConfigSyncStatus()


class MirrorReconciler:
    """Reconciles all ConfigSyncs of a process; `reconcile` is what the keyed loop calls.

    Args:
        api: the Kubernetes API.
        sessions: shared ZooKeeper sessions.
        config_maps: store of the ConfigMaps with the label `zkoperator.dev/sync`, with their folded managers.
        settings: of all ConfigSyncs.
        clock: monotonic time.
        meter: counts what is done.
    """

    def __init__(
        self,
        api: KubeApi,
        sessions: Sessions,
        config_maps: ConfigMaps,
        settings: MirrorSettings | None = None,
        clock: Clock = MONOTONIC,
        meter: Meter = UNMETERED,
    ) -> None:
        self._api = api
        self._config_maps = config_maps
        self._settings = settings or MirrorSettings()
        self._clock = clock
        self._meter = meter
        self._wake: Callable[[Key], None] = lambda _: None
        self._forget: Callable[[Key], None] = lambda _: None
        self._memories: dict[Key, Memory] = {}
        self._by_target: dict[Key, set[Key]] = {}
        self._by_cluster: dict[Key, set[Key]] = {}
        self._indexed: dict[Key, ValidatedSync] = {}
        self._observer = Observer(api, sessions, config_maps, self._settings, clock, lambda key: self._wake(key), meter)
        self._applier = Applier(api, self._settings, clock, meter)
        self._reporter = Reporter(api, self._settings, clock, meter)
        restarter = Restarter(api, self._settings, clock, self._reporter, meter)
        self._rollouts = Rollouts(restarter, self._reporter, clock)
        self._ending = Finalizer(api, self._observer, self._applier, self._reporter, self._settings, clock)

    def bind(self, wake: Callable[[Key], None], forget: Callable[[Key], None] = lambda _: None) -> None:
        """Set who is told that a key should be looked at, or never again: `wake` and `forget` of the loop."""
        self._wake = wake
        self._forget = forget

    def resource_changed(self, key: Key, resource_version: str) -> None:
        """The ConfigSync was created, changed or deleted; our own status writes, known by their version, are none."""
        memory = self._memories.get(key)
        if memory is not None:
            if resource_version and resource_version == memory.version:
                return
            memory.is_stale = True
        self._wake(key)

    def config_map_changed(self, key: Key) -> None:
        """A ConfigMap with our label appeared, changed or vanished (its label was taken off, or it was deleted)."""
        for known in (self._memories[sync] for sync in self._by_target.get(key, ()) if sync in self._memories):
            known.edits.heard(self._clock.now_s())
        vanished = self._config_maps.get(key) is None
        for sync in self._by_target.get(key, ()):
            if vanished and (memory := self._memories.get(sync)) is not None:
                memory.target.doubt()
            self._wake(sync)

    def cluster_changed(self, key: Key) -> None:
        """A ZooKeeperCluster appeared, changed its members or vanished."""
        for sync in self._by_cluster.get(key, ()):
            if (memory := self._memories.get(sync)) is not None:
                memory.place_s = float("-inf")
            self._wake(sync)

    async def reconcile(self, key: Key) -> LookAgain:
        """Do one pass; return when to look again."""
        again_s = await self._pass(key)
        return WHEN_WOKEN if again_s is None else LookAgain(again_s)

    async def _pass(self, key: Key) -> float | None:
        memory = self._memories.get(key)
        if memory is None:
            memory = self._memories[key] = new_memory(self._settings)
        try:
            sync = await self._read(key, memory)
            if sync is None:
                return None
            if sync.deleting:
                return await self._finish(sync, memory)
            await self._ending.keep_finalizer(sync, memory)
            seen = await self._observer.observe(sync, memory)
            if isinstance(seen, Waiting):
                return await self._report_waiting(seen, sync, memory)
            plan = make_plan(sync, seen)
            return await self._carry_out(plan, sync, seen, memory)
        except ForbiddenError as error:
            memory.is_refused = True
            return await self._report_refusal(SyncReason.FORBIDDEN, str(error), memory)

    async def close(self) -> None:
        """Stop following every subtree."""
        for memory in self._memories.values():
            await self._observer.detach(memory)
        self._memories.clear()

    async def _read(self, key: Key, memory: Memory) -> ValidatedSync | None:
        """Return the ConfigSync; None when it is gone or cannot be acted on, which is dealt with here."""
        is_due = memory.is_stale or self._clock.now_s() - memory.read_s > _RESOURCE_AGE_S
        if is_due and not await self._read_again(key, memory):
            return None
        if memory.sync is None and memory.raw is not None:
            try:
                memory.sync = validate(memory.raw)
            except InvalidError as error:
                await self._report_errors(error, memory)
                return None
            self._index(key, memory.sync)
        return memory.sync

    async def _read_again(self, key: Key, memory: Memory) -> bool:
        """Read the ConfigSync from the API server; False when it is gone, which is dealt with.

        One that was created since under the same name shares nothing with it, and begins with a pass of its own.
        """
        now_s = self._clock.now_s()
        found = await self._ask(key, memory)
        if found is None or memory.is_of_another(found):
            memory.is_stale = True
            await self._gone(key, memory)
            if found is not None:
                self._wake(key)
            return False
        memory.read_s = now_s
        if found["metadata"].get("resourceVersion") != memory.version:
            memory.saw(found)
        return True

    async def _ask(self, key: Key, memory: Memory) -> Manifest | None:
        """Only an answer makes the memory current, and not even that if something was heard while it was awaited."""
        found: Manifest | None = None
        memory.is_stale = False
        try:
            found = await self._api.get(CONFIG_SYNCS, key.namespace, key.name)
        finally:
            memory.is_stale = memory.is_stale or found is None
        return found

    async def _gone(self, key: Key, memory: Memory) -> None:
        # `sync` is empty between a write of the status and the next pass, and while nothing happens.
        sync = memory.sync or self._indexed.get(key)
        if sync is not None:
            await self._ending.forget(sync, memory)
        await self._observer.detach(memory)
        self._memories.pop(key, None)
        self._unindex(key)
        self._forget(key)
        self._meter.object_gone(key)

    async def _finish(self, sync: ValidatedSync, memory: Memory) -> float | None:
        waiting = await self._ending.finish(sync, memory)
        return await self._report_waiting(waiting, sync, memory) if waiting is not None else None

    async def _carry_out(self, plan: Plan, sync: ValidatedSync, seen: Observed, memory: Memory) -> float | None:
        """Apply the plan and report; a plan with news that a stale ledger could explain is made again first."""
        if _may_be_pushed(plan, sync, memory):
            memory.doubt_ledger()
            return 0.0
        wait_s = self._debounce(plan, seen, memory)
        if wait_s > 0:
            return wait_s
        began_s = self._clock.now_s()
        try:
            overwritten = await self._applier.apply(plan.steps, sync, seen, memory)
        except InvalidError as error:
            message = f"what was written was refused: {error}; see the limits in docs/consistency.md"
            return await self._report_refusal(SyncReason.KEY_INVALID, message, memory)
        except (ConflictError, TransientError):
            await self._tell_failing(sync, memory)
            raise
        memory.failing_s = None
        if any(isinstance(step, ClaimLedger) for step in plan.steps):
            return 0.0
        self._remember(plan, memory)
        self._count(plan, memory, began_s)
        for path in overwritten:
            note = f"znode {path} was deleted and created again by somebody else while it was being pushed"
            await self._reporter.emit_event(memory, "Overwrote", note, "Push")
        again_s = await self._report(plan, sync, memory)
        if again_s is None and not plan.steps:
            memory.rest()
        return again_s

    def _debounce(self, plan: Plan, seen: Observed, memory: Memory) -> float:
        """Return how long a pull that is part of a burst still waits. Everything else goes at once."""
        if len(plan.steps) == 1 and isinstance(step := plan.steps[0], WriteConfigMap) and (step.puts or step.removes):
            return memory.burst.wait_s(seen.snapshot.zxid, self._clock.now_s())
        memory.burst.settled()
        return 0.0

    async def _tell_failing(self, sync: ValidatedSync, memory: Memory) -> None:
        """A write that fails now and then is nothing; while all fail, Ready must not go on being True."""
        now_s = self._clock.now_s()
        memory.failing_s = now_s if memory.failing_s is None else memory.failing_s
        if now_s - memory.failing_s >= self._settings.failing_s:
            message = "every write has failed for a while; the operator's log says why"
            await self._report_waiting(Waiting(SyncReason.SYNCING, message), sync, memory)

    def _remember(self, plan: Plan, memory: Memory) -> None:
        now_s = self._clock.now_s()
        if any(isinstance(step, WriteConfigMap) for step in plan.steps):
            memory.burst.wrote(now_s)
        if plan.steps:
            self._meter.flapped(memory.flaps.note(plan.carried, now_s))
        memory.flaps.release(plan.resolved)
        if memory.tree is not None:
            memory.tree.forget_values()

    def _count(self, plan: Plan, memory: Memory, began_s: float) -> None:
        """Tell how long what was written has taken from the first word of it."""
        news = {PUSH: memory.edits, **({PULL: memory.tree.watch.news} if memory.tree is not None else {})}
        written = {PUSH for step in plan.steps if isinstance(step, PushMulti)}
        written |= {PULL for step in plan.steps if isinstance(step, WriteConfigMap | CreateConfigMap) and step.puts}
        written |= {PULL for step in plan.steps if isinstance(step, WriteConfigMap) and step.removes}
        for direction in written & news.keys():
            if (since_s := news[direction].since_s) is not None:
                self._meter.landed(direction, self._clock.now_s() - since_s)
        if not plan.steps and plan.stop is None:
            self._meter.idled()
        if not plan.more:
            for side in news.values():
                side.settled(began_s)

    async def _report(self, plan: Plan, sync: ValidatedSync, memory: Memory) -> float | None:
        manifest = await self._observer.config_map(sync, memory)
        content = memory.target.content(manifest) if manifest is not None else None
        told = Told(
            generation=sync.generation,
            config_map=sync.config_map,
            now=time_text(),
            wrote=bool(plan.steps),
            managers=managers_of(manifest) if manifest is not None and (plan.conflicts or plan.flapping) else {},
            config_map_uid=content.uid if content is not None else "",
            newest=_newest(memory) if not plan.steps else None,
            has_ledger=memory.ledger is not None,
            notes=(f"the last push was split into {memory.parts} transactions",) if memory.parts > 0 else (),
            workloads=sync.rollout,
        )
        if sync.rollout:
            told = self._rollouts.with_content(told, plan, sync, memory, manifest)
        await self._settle_annotations(plan, sync, memory)
        waits = [
            await self._reporter.write_status(memory, status_of_plan(plan, written_status(memory), told)),
            0.0 if _is_resolvable_now(plan, sync, memory) else None,
            memory.flaps.next_release_s(self._clock.now_s()),
            0.0 if plan.more else None,
            self._settings.retry_s if plan.stop in STUCK or plan.problems else None,
        ]
        if plan.stop is None:
            waits.append(await self._rollouts.carry_out(sync, memory, told))
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    async def _settle_annotations(self, plan: Plan, sync: ValidatedSync, memory: Memory) -> None:
        """Take off what has been decided: it must not decide a later conflict, nor approve of later deletions."""
        annotations = _spent_annotations(plan, sync)
        if plan.stop is not None or not annotations or memory.raw is None:
            return
        meta = memory.raw["metadata"]
        patch = {"metadata": {"annotations": annotations}}
        written = await self._api.patch(
            CONFIG_SYNCS, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"]
        )
        if written is not None:
            memory.saw(written)

    async def _report_waiting(self, waiting: Waiting, sync: ValidatedSync, memory: Memory) -> float | None:
        told = Told(sync.generation, sync.config_map, time_text())
        previous = written_status(memory)
        if waiting.silent and previous.conditions:
            return waiting.again_s
        reported = replace(waiting, reason=SyncReason.SYNCING, message="connecting") if waiting.silent else waiting
        lag_s = await self._reporter.write_status(memory, status_of_waiting(reported, previous, told))
        return min((wait_s for wait_s in (lag_s, waiting.again_s) if wait_s is not None), default=None)

    async def _report_refusal(self, reason: SyncReason, message: str, memory: Memory) -> float | None:
        """Something was refused for reasons that no event will change: tell, and try again after a while."""
        if memory.sync is None:
            raise ForbiddenError(message)
        waiting = Waiting(reason, message, self._settings.retry_s)
        return await self._report_waiting(waiting, memory.sync, memory)

    async def _report_errors(self, error: InvalidError, memory: Memory) -> None:
        raw = memory.raw or {"metadata": {}}
        told = Told(int(raw["metadata"].get("generation", 0)), "", time_text())
        await self._reporter.write_status(memory, status_of_errors(error.errors, written_status(memory), told))

    def _index(self, key: Key, sync: ValidatedSync) -> None:
        self._unindex(key)
        self._by_target.setdefault(Key(key.namespace, sync.config_map), set()).add(key)
        if sync.source.cluster is not None:
            self._by_cluster.setdefault(Key(key.namespace, sync.source.cluster), set()).add(key)
        self._indexed[key] = replace(sync, status=_NO_STATUS)

    def _unindex(self, key: Key) -> None:
        sync = self._indexed.pop(key, None)
        if sync is None:
            return
        _discard(self._by_target, Key(key.namespace, sync.config_map), key)
        if sync.source.cluster is not None:
            _discard(self._by_cluster, Key(key.namespace, sync.source.cluster), key)


def _may_be_pushed(plan: Plan, sync: ValidatedSync, memory: Memory) -> bool:
    """Whether the ledger must be read again first: what somebody else has pushed is no side of a difference."""
    if any(isinstance(step, ClaimLedger) for step in plan.steps):
        return False
    doubted, memory.doubted = memory.doubted, plan.doubtful
    return sync.pushes and not plan.doubtful <= doubted


def _spent_annotations(plan: Plan, sync: ValidatedSync) -> dict[str, str | None]:
    """Return the annotations as they are to be: without what is carried out, or was said of other values than these."""
    shown = {item.key: (item.zookeeper, item.config_map) for item in sync.status.conflicts}
    waiting = {
        item.key
        for item in (*plan.conflicts, *plan.flapping)
        if (now := (short_hash(item.zookeeper), short_hash(item.config_map))) == shown.get(item.key, now)
    }
    left = {key: side for key, side in sync.resolve.items() if key in waiting}
    changed: dict[str, str | None] = {}
    if left != sync.resolve:
        changed[RESOLVE_ANNOTATION] = ",".join(f"{key}={side}" for key, side in left.items()) or None
    if sync.approved and plan.pending is None:
        changed[APPROVE_ANNOTATION] = None
    return changed


def _is_resolvable_now(plan: Plan, sync: ValidatedSync, memory: Memory) -> bool:
    """Whether a resolution waited only for the status to show its conflict, which it does since this pass."""
    return memory.sync is None and any(item.key in sync.resolve for item in plan.conflicts)


def _newest(memory: Memory) -> int | None:
    snapshot = memory.tree.snapshot() if memory.tree is not None else None
    return snapshot.newest if snapshot is not None else None


def _discard(index: dict[Key, set[Key]], at: Key, key: Key) -> None:
    keys = index.get(at, set())
    keys.discard(key)
    if not keys:
        index.pop(at, None)
