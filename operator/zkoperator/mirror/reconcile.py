"""One pass for one ConfigSync: validate, observe, plan, apply, status. I/O."""

from collections.abc import Callable
from dataclasses import replace

from zkoperator.api.reasons import SyncReason
from zkoperator.controller.keyed_state import KeyedState
from zkoperator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    TransientError,
    UnknownOutcomeError,
    ZkOperatorError,
    brief_of,
)
from zkoperator.kube.port import CONFIG_SYNCS, FIELD_MANAGER, ZOOKEEPER_CLUSTERS, KubeApi, Manifest, Resource
from zkoperator.mirror.apply import pacing
from zkoperator.mirror.apply.applier import Applier
from zkoperator.mirror.apply.rollout import Restarter
from zkoperator.mirror.finalize import Finalizer
from zkoperator.mirror.model.config_map import Content, managers_of, rivals_of
from zkoperator.mirror.model.decision import short_hash
from zkoperator.mirror.model.meter import PULL, PUSH, UNMETERED, Meter
from zkoperator.mirror.model.names import APPROVE_ANNOTATION, RESOLVE_ANNOTATION
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.ledger_cache import LedgerCache, needs_ledger
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import Observer
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.mirror.observe.subtree import Sessions
from zkoperator.mirror.observe.targets import GrantedSecrets, Store, Targets, reason_of
from zkoperator.mirror.plan.plan import Plan, make_plan
from zkoperator.mirror.plan.pull import CreateConfigMap, WriteConfigMap
from zkoperator.mirror.plan.push import PushMulti
from zkoperator.mirror.plan.refusal import STUCK
from zkoperator.mirror.plan.steps import Step
from zkoperator.mirror.rollout import Rollouts
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.state import SyncState, new_state
from zkoperator.mirror.status.reporter import Reporter
from zkoperator.mirror.status.status import StatusInput, status_of_errors, status_of_plan, status_of_waiting
from zkoperator.mirror.sync_index import SyncIndex
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import NOW, WHEN_WOKEN, LookAgain
from zkoperator.runtime.wall_clock import time_text
from zkoperator.templates.port import Renderer

_RESOURCE_AGE_S = 300.0


class MirrorReconciler:
    """Reconciles all ConfigSyncs of a process. The keyed loop calls `reconcile`.

    Args:
        api: the Kubernetes API.
        sessions: shared ZooKeeper sessions.
        config_maps: store of the ConfigMaps with the label `zkoperator.dev/sync`, with their folded managers.
        settings: settings for all ConfigSyncs.
        clock: monotonic time.
        meter: receives the measurements.
        renderer: renders templates; None: nothing does.
        secrets: None where the installation does not grant Secrets to ConfigSyncs.
    """

    def __init__(
        self,
        api: KubeApi,
        sessions: Sessions,
        config_maps: Store,
        settings: MirrorSettings | None = None,
        clock: Clock = MONOTONIC,
        meter: Meter = UNMETERED,
        renderer: Renderer | None = None,
        secrets: GrantedSecrets | None = None,
    ) -> None:
        settings = settings or MirrorSettings()
        self._api = api
        self._settings = settings
        self._clock = clock
        self._meter = meter
        self._wake: Callable[[Key], None] = lambda _: None
        self._forget: Callable[[Key], None] = lambda _: None
        self._states: KeyedState[SyncState] = KeyedState(lambda: new_state(settings))
        self._index = SyncIndex()
        targets = Targets(config_maps, secrets, settings.retry_s)
        self._observer = Observer(api, sessions, targets, settings, clock, lambda key: self._wake(key), meter, renderer)
        self._applier = Applier(api, settings, clock, meter)
        self._reporter = Reporter(api, settings, clock, meter)
        restarter = Restarter(api, settings, clock, self._reporter.emit_event, meter)
        self._rollouts = Rollouts(restarter, self._reporter, clock)
        self._finalizer = Finalizer(api, self._observer, self._applier, self._reporter, settings, clock)

    def bind(self, wake: Callable[[Key], None], forget: Callable[[Key], None] = lambda _: None) -> None:
        """Set the callbacks of the loop: `wake` asks for a pass for a key, `forget` drops a key."""
        self._wake = wake
        self._forget = forget

    def resource_changed(self, key: Key, resource_version: str) -> None:
        """Note that the ConfigSync was created, changed or deleted. The version of our own last write is ignored."""
        state = self._states.find(key)
        if state is not None:
            if resource_version and resource_version == state.resource.version:
                return
            state.resource.is_stale = True
        self._wake(key)

    def target_changed(self, resource: Resource, key: Key, *, is_gone: bool) -> None:
        """Note that a ConfigMap or Secret with our label appeared, changed or vanished (it, or its label)."""
        for sync in self._index.naming(resource, key):
            if (state := self._states.find(sync)) is not None:
                state.edits.heard(self._clock.now_s())
                if is_gone:
                    state.sides.config_map.doubt()
            self._wake(sync)

    def cluster_changed(self, key: Key) -> None:
        """Note that a ZooKeeperCluster appeared, changed its members or vanished."""
        for sync in self._index.naming(ZOOKEEPER_CLUSTERS, key):
            if (state := self._states.find(sync)) is not None:
                state.sides.subscription.doubt_endpoint()
            self._wake(sync)

    async def reconcile(self, key: Key) -> LookAgain:
        """Do one pass. Return when to look again."""
        state = self._states.of(key)
        sync = await self._read(key, state)
        if sync is None:
            return WHEN_WOKEN
        try:
            return await self._pass(sync, state)
        except ForbiddenError as error:
            state.sides.subscription.is_refused = True
            return await self._report_refusal(reason_of(error), str(error), sync, state)

    async def close(self) -> None:
        """Stop following every subtree."""
        for state in self._states.values():
            await self._observer.detach(state.sides)
        self._states.clear()

    async def _pass(self, sync: ValidatedSync, state: SyncState) -> LookAgain:
        await self._applier.leave_former_source(sync, state.sides)
        if sync.deleting:
            waiting = await self._finalizer.finish(sync, state)
            return await self._report_waiting(waiting, sync, state) if waiting is not None else WHEN_WOKEN
        await self._finalizer.keep_finalizer(sync, state)
        observed = await self._observer.observe(sync, state.sides)
        if isinstance(observed, Waiting):
            return await self._report_waiting(observed, sync, state)
        if _has_spent_ledger(sync, observed):
            await self._applier.release_ledger(sync, state.sides)
        return await self._carry_out(make_plan(sync, observed), sync, observed, state)

    async def _read(self, key: Key, state: SyncState) -> ValidatedSync | None:
        """Return the ConfigSync, None when it is gone or invalid. This method handles both cases."""
        resource = state.resource
        is_due = resource.is_stale or self._clock.now_s() - resource.read_s > _RESOURCE_AGE_S
        if is_due and not await self._read_again(key, state):
            return None
        try:
            sync = resource.validated()
        except InvalidError as error:
            await self._report_errors(error, state)
            return None
        self._index.put(key, sync)
        return sync

    async def _read_again(self, key: Key, state: SyncState) -> bool:
        """Read the ConfigSync from the API server. Return False when it is gone; its state is then dropped.

        A new ConfigSync with the same name shares nothing with the old one. It gets a pass of its own.
        """
        resource, now_s = state.resource, self._clock.now_s()
        found = await self._get(key, resource)
        if found is None or resource.is_of_another(found):
            resource.is_stale = True
            await self._gone(key, state)
            if found is not None:
                self._wake(key)
            return False
        resource.read_s = now_s
        if found["metadata"].get("resourceVersion") != resource.version:
            resource.saw(found)
        return True

    async def _get(self, key: Key, resource: ResourceState) -> Manifest | None:
        """Read the ConfigSync. It stays stale if there is no answer, or if it changes before the answer arrives."""
        found: Manifest | None = None
        resource.is_stale = False
        try:
            found = await self._api.get(CONFIG_SYNCS, key.namespace, key.name)
        finally:
            resource.is_stale = resource.is_stale or found is None
        return found

    async def _gone(self, key: Key, state: SyncState) -> None:
        if (sync := self._index.drop(key)) is not None:
            await self._applier.leave(sync, state.sides)
        await self._observer.detach(state.sides)
        self._rollouts.give_up(key)
        self._states.drop(key)
        self._forget(key)
        self._meter.object_gone(key)

    async def _carry_out(self, plan: Plan, sync: ValidatedSync, observed: Observed, state: SyncState) -> LookAgain:
        """Apply the plan and report. Read the ledger first when a push of another process may explain a difference."""
        if not plan.claims_ledger:
            ledger = state.sides.ledger
            is_doubtful = _must_read_ledger(plan, sync, ledger)
            ledger.doubted = plan.doubtful
            if is_doubtful:
                ledger.doubt()
                return NOW
        wait_s = pacing.wait_s(plan, observed.snapshot.zxid, state.sides.backlog, self._clock.now_s())
        if wait_s > 0:
            return LookAgain(wait_s)
        began_s = self._clock.now_s()
        try:
            overwritten = await self._apply(plan, sync, observed, state)
        except InvalidError as error:
            message = f"what was written was refused: {error}; rename the key, make its value smaller, or exclude it"
            return await self._report_refusal(SyncReason.KEY_INVALID, message, sync, state)
        except (ConflictError, TransientError) as error:
            await self._report_failing(error, sync, state)
            raise
        state.report.succeeded()
        if plan.claims_ledger:
            return NOW
        self._note_writes(plan, state)
        self._count(plan, state, began_s)
        for path in overwritten:
            note = f"znode {path} was deleted and created again by somebody else while it was being pushed"
            await self._reporter.emit_event(state.resource, "Overwrote", note, "Push")
        again = await self._report(plan, sync, state)
        if again == WHEN_WOKEN and not plan.steps:
            state.resource.compact()
        return again

    async def _apply(self, plan: Plan, sync: ValidatedSync, observed: Observed, state: SyncState) -> tuple[str, ...]:
        """Apply the plan. A write of the ConfigMap counts, even when the push after it fails; so does one in doubt."""
        written: list[Step] = []
        try:
            return await self._applier.apply(plan.steps, sync, observed, state.sides, written.append)
        except ZkOperatorError as error:
            backlog, now_s = state.sides.backlog, self._clock.now_s()
            if any(isinstance(step, CreateConfigMap | WriteConfigMap) for step in written):
                self._meter.flapped(pacing.note_pull(plan, backlog, now_s))
            if isinstance(error, UnknownOutcomeError):
                pacing.note_doubt(plan, written, backlog, now_s)
            raise

    async def _report_failing(self, error: ZkOperatorError, sync: ValidatedSync, state: SyncState) -> None:
        """Set Ready to False once all writes have failed for a while. A single failure is not reported."""
        now_s, report = self._clock.now_s(), state.report
        report.failed(brief_of(error), now_s)
        if report.failing_s is not None and now_s - report.failing_s >= self._settings.failing_s:
            how = "; ".join(sorted(report.failures))
            message = f"every write has failed for a while ({how}); the operator goes on trying"
            await self._report_waiting(Waiting(SyncReason.SYNCING, message), sync, state)

    def _note_writes(self, plan: Plan, state: SyncState) -> None:
        flapping = pacing.note_writes(plan, state.sides.backlog, self._clock.now_s())
        if plan.steps:
            self._meter.flapped(flapping)
        if (subtree := state.sides.subscription.subtree) is not None:
            subtree.forget_values()

    def _count(self, plan: Plan, state: SyncState, began_s: float) -> None:
        """Measure how long the written changes have waited since the operator learned of them."""
        subtree = state.sides.subscription.subtree
        clocks = {PUSH: state.edits, **({PULL: subtree.timer.changes} if subtree is not None else {})}
        written = {PUSH for step in plan.steps if isinstance(step, PushMulti)}
        written |= {PULL for step in plan.steps if isinstance(step, WriteConfigMap | CreateConfigMap) and step.puts}
        written |= {PULL for step in plan.steps if isinstance(step, WriteConfigMap) and step.removes}
        for direction in written & clocks.keys():
            if (since_s := clocks[direction].since_s) is not None:
                self._meter.landed(direction, self._clock.now_s() - since_s)
        if not plan.steps and plan.stop is None:
            self._meter.idled()
        if not plan.more:
            for clock in clocks.values():
                clock.settled(began_s)

    async def _report(self, plan: Plan, sync: ValidatedSync, state: SyncState) -> LookAgain:
        manifest = await self._observer.config_map(sync, state.sides)
        content = state.sides.config_map.content(manifest) if manifest is not None else None
        given = _status_input(plan, sync, state, content)
        if manifest is not None and (plan.conflicts or plan.flapping or plan.contested):
            rivals = rivals_of(manifest, plan.contested, FIELD_MANAGER) if plan.contested else ()
            file = sync.format.key if sync.format is not None else ""
            keys = {item.key for item in (*plan.conflicts, *plan.flapping)}
            given = replace(given, managers=managers_of(manifest, file, keys), rivals=rivals)
        if plan.common is not None:
            state.sides.common = plan.common
        if plan.stop is not None:
            self._rollouts.give_up(Key(sync.namespace, sync.name))
        if sync.rollout:
            given = self._rollouts.with_content(given, plan, sync, state, manifest)
        await self._remove_spent_annotations(plan, sync, state.resource)
        status = status_of_plan(plan, state.resource.status(), given)
        written = await self._reporter.write_status(state.resource, state.report, status)
        release_s = state.sides.backlog.next_release_s(self._clock.now_s())
        looks = [
            written.again,
            NOW if written.is_written and _has_resolution(plan, sync) else WHEN_WOKEN,
            LookAgain(release_s) if release_s is not None else WHEN_WOKEN,
            NOW if plan.more else WHEN_WOKEN,
            LookAgain(self._settings.retry_s) if plan.stop in STUCK or plan.problems else WHEN_WOKEN,
        ]
        if plan.stop is None:
            looks.append(await self._rollouts.carry_out(sync, state, given))
        return min(looks)

    async def _remove_spent_annotations(self, plan: Plan, sync: ValidatedSync, resource: ResourceState) -> None:
        """Remove used decisions: they must not decide a later conflict or approve later deletions."""
        annotations = _spent_annotations(plan, sync)
        if plan.stop is not None or not annotations:
            return
        meta = resource.raw["metadata"]
        patch = {"metadata": {"annotations": annotations}}
        written = await self._api.patch(
            CONFIG_SYNCS, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"]
        )
        if written is not None:
            resource.saw(written)

    async def _report_waiting(self, waiting: Waiting, sync: ValidatedSync, state: SyncState) -> LookAgain:
        given = StatusInput(sync.generation, sync.target, time_text())
        previous = state.resource.status()
        if waiting.silent and previous.conditions:
            return waiting.again
        reported = replace(waiting, reason=SyncReason.SYNCING, message="connecting") if waiting.silent else waiting
        status = status_of_waiting(reported, previous, given)
        written = await self._reporter.write_status(state.resource, state.report, status)
        return min(written.again, waiting.again)

    async def _report_refusal(
        self, reason: SyncReason, message: str, sync: ValidatedSync, state: SyncState
    ) -> LookAgain:
        """Report a refusal and try again after a while, because no event announces its end."""
        waiting = Waiting(reason, message, LookAgain(self._settings.retry_s))
        return await self._report_waiting(waiting, sync, state)

    async def _report_errors(self, error: InvalidError, state: SyncState) -> None:
        resource = state.resource
        given = StatusInput(int(resource.raw["metadata"].get("generation", 0)), None, time_text())
        status = status_of_errors(error.errors, resource.status(), given)
        await self._reporter.write_status(resource, state.report, status)


def _has_spent_ledger(sync: ValidatedSync, observed: Observed) -> bool:
    """Return whether ledger and claim remain from a time when the ConfigSync pushed."""
    base = sync.status.base
    return base is not None and base.ledger and not needs_ledger(sync, observed.base)


def _must_read_ledger(plan: Plan, sync: ValidatedSync, ledger: LedgerCache) -> bool:
    """Return whether another process may have pushed a difference since the ledger was read."""
    return sync.pushes and not plan.doubtful <= ledger.doubted


def _status_input(plan: Plan, sync: ValidatedSync, state: SyncState, content: Content | None) -> StatusInput:
    snapshot, parts = state.sides.subscription.snapshot, state.sides.backlog.parts
    return StatusInput(
        generation=sync.generation,
        target=sync.target,
        now=time_text(),
        wrote=bool(plan.steps),
        config_map_uid=content.uid if content is not None else "",
        newest=snapshot.newest if snapshot is not None and not plan.steps else None,
        has_ledger=state.sides.ledger.ledger is not None,
        notes=(f"the last push was split into {parts} transactions",) if parts > 0 else (),
        workloads=sync.rollout,
        deleted=state.sides.backlog.deletions.shown(),
    )


def _spent_annotations(plan: Plan, sync: ValidatedSync) -> dict[str, str | None]:
    """Return the annotations to change: they lose decisions that were carried out or that refer to other values."""
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


def _has_resolution(plan: Plan, sync: ValidatedSync) -> bool:
    """Return whether a resolution waits until the status shows its conflict."""
    return any(item.key in sync.resolve for item in plan.conflicts)
