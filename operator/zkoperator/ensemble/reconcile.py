"""ZooKeeperCluster: validate, observe, plan, apply, status. Everything that happens to an ensemble starts here."""

import logging
from collections.abc import Callable
from datetime import datetime

from zkoperator.api.reasons import ClusterReason
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.controller.keyed_state import KeyedState
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.apply.reconfigurer import Reconfigurer
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.observer import Observer, Schedules, Store, unknown_schedules
from zkoperator.ensemble.plan.gate import gate
from zkoperator.ensemble.plan.plan import IDLE_S, REST_S, SOON_S, Plan, make_plan
from zkoperator.ensemble.plan.refused_step import (
    ClaimRefusedError,
    plan_after_refusal,
    plan_after_refused_child,
    refused_child,
    waiting_for_budget,
)
from zkoperator.ensemble.plan.steps import (
    CertificateStep,
    RecordBootstrap,
    RecordIncarnation,
    RecordReplacement,
    Step,
    WriteBinding,
)
from zkoperator.ensemble.state import ClusterState, Rest
from zkoperator.ensemble.status.meter import UNMETERED, Meter, cause_of
from zkoperator.ensemble.status.reporter import Reporter
from zkoperator.ensemble.status.status import invalid_status, status_of
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, minimal_cluster, validate
from zkoperator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    TransientError,
    UnsafeError,
    ZkOperatorError,
)
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS, BudgetSpentError, KubeApi, Manifest
from zkoperator.logs import about
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain, Outcome, classify
from zkoperator.runtime.wall_clock import time_text, utc_now
from zkoperator.zk.port import MemberProbe, ZkConnector

_MAX_CONFLICTS = 10
"""Conflicts in a row that an informer which is late may cause. The next one is reported in the status."""

_OBSERVATIONS_PER_S = 60.0
"""Observations of all settled clusters together, so that their cost is bounded for any number of clusters."""

_RECORDS = (RecordBootstrap, RecordIncarnation, RecordReplacement)
"""Steps that write into status themselves, so that what was read of it is out of date."""

_log = logging.getLogger(__name__)


class EnsembleReconciler:
    """One pass over one cluster at a time.

    Args:
        api: the Kubernetes API, for writes and for reads that must be current.
        store: the last known objects, clusters included.
        probe: sends four-letter words to members.
        connector: opens sessions for reconfigurations.
        defaults: settings of the operator that apply to every cluster.
        clock: monotonic time.
        meter: counts what is done.
        wall: the time by which certificates begin and end.
        schedules: knows the schedules of backups.
        images: finds the image for the Jobs of restores.
    """

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        probe: MemberProbe,
        connector: ZkConnector,
        defaults: Defaults,
        clock: Clock = MONOTONIC,
        meter: Meter = UNMETERED,
        wall: Callable[[], datetime] = utc_now,
        schedules: Schedules = unknown_schedules,
        images: ImageFinder | None = None,
    ) -> None:
        self._now_s: Callable[[], float] = clock.now_s
        self._meter = meter
        self._api = api
        self._store = store
        self._defaults = defaults
        self._observer = Observer(
            api, store, probe, self._now_s, wall, schedules, images, reads_nodes=defaults.reads_nodes
        )
        self._applier = Applier(api, Reconfigurer(api, connector), wall)
        self._reporter = Reporter(api, self._now_s, meter=meter)
        self._states = KeyedState(ClusterState)

    async def reconcile(self, key: Key) -> LookAgain:
        """Make one pass: observe the cluster, carry out the next steps and write the status.

        Returns:
            When the next pass is due; `WHEN_WOKEN` when the cluster is gone or cannot be observed.

        Raises:
            ZkOperatorError: as the loop runner classifies them; the status has been written before.
        """
        state = self._states.of(key)
        raw = await self._fetch(key, state)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self._forget(key)
            return WHEN_WOKEN
        try:
            cluster = self._validated(raw, state)
        except InvalidError as error:
            return await self._refuse(raw, error, state)
        observed = await self._observe(cluster, state)
        decided = _decide(cluster, observed, state)
        state.rest = Rest(raw, cluster, observed, decided) if decided.settled else None
        plan = await self._carry_out(cluster, observed, decided, state)
        return await self._report(raw, cluster, observed, plan, state) if plan is not None else LookAgain(SOON_S)

    async def _observe(self, cluster: ValidatedCluster, state: ClusterState) -> Observed:
        """Glance at a cluster at rest. If anything has changed, or the cluster is not at rest, observe it in full."""
        rest = state.rest
        if rest is not None and rest.cluster is cluster and rest.plan.look_again_s >= REST_S:
            glanced = await self._observer.glance(cluster, state.observer)
            if glanced is not None and glanced == rest.observed:
                return glanced
        return await self._observer.observe(cluster, state.observer)

    def _validated(self, raw: Manifest, state: ClusterState) -> ValidatedCluster:
        rest = state.rest
        return rest.cluster if rest is not None and rest.raw == raw else validate(raw, self._defaults)

    async def _report(
        self, raw: Manifest, cluster: ValidatedCluster, observed: Observed, plan: Plan, state: ClusterState
    ) -> LookAgain:
        key = Key(cluster.meta.namespace, cluster.meta.name)
        self._meter.blocked(key, cause_of(gate(observed)) if plan.reason is ClusterReason.BLOCKED else None)
        await self._reporter.write_status(raw, status_of(cluster, observed, plan, time_text()), state.report)
        settled = sum(each.is_settled for each in self._states.values())
        rest_s = settled / _OBSERVATIONS_PER_S if plan.settled else 0.0
        return LookAgain(max(plan.look_again_s, rest_s))

    async def _fetch(self, key: Key, state: ClusterState) -> Manifest | None:
        """Read a settled cluster from the store, any other one from the API: its status is part of the decision."""
        if state.is_settled:
            return await self._store.fetch(ZOOKEEPER_CLUSTERS, key.namespace, key.name)
        return await self._api.get(ZOOKEEPER_CLUSTERS, key.namespace, key.name)

    async def _carry_out(
        self, cluster: ValidatedCluster, observed: Observed, plan: Plan, state: ClusterState
    ) -> Plan | None:
        """Apply the steps. Return the plan to report, None when the observation is out of date."""
        state.is_settled = plan.settled
        step: Step | None = None
        try:
            for step in plan.steps:
                state.repairs.check(cluster.meta.generation, step, self._now_s())
                if isinstance(step, CertificateStep):
                    state.observer.certificates.forget()
                if isinstance(step, WriteBinding):
                    state.observer.binding.forget()
                how = await self._step(cluster, observed, step)
                state.repairs.record(cluster.meta.generation, step, self._now_s())
                await self._reporter.report_step(cluster.meta, step, how)
        except ConflictError as error:
            extra = about("ZooKeeperCluster", cluster.meta.namespace, cluster.meta.name)
            _log.debug("looking again: %s", error, extra=extra)
            state.conflicts += 1
            return plan_after_refusal(plan, error) if state.conflicts > _MAX_CONFLICTS else None
        except BudgetSpentError as error:
            state.conflicts = 0
            return waiting_for_budget(cluster, plan, error, state.budget_waited_s(self._now_s()))
        except (UnsafeError, TransientError, ForbiddenError, InvalidError) as error:
            state.conflicts = 0
            return self._refused(cluster, plan, step, error, state)
        state.conflicts, state.budget_spent_at_s = 0, None
        return None if any(isinstance(step, _RECORDS) for step in plan.steps) else plan

    def _refused(
        self, cluster: ValidatedCluster, plan: Plan, step: Step | None, error: ZkOperatorError, state: ClusterState
    ) -> Plan:
        """Return the plan to report after this step has failed. What must hold nothing else up is noted."""
        if isinstance(error, ClaimRefusedError):
            state.observer.expansions.refuse(error.uid, error.wish, str(error), self._now_s())
        child = refused_child(step, error)
        if child is None:
            return plan_after_refusal(plan, error)
        state.observer.refusals.note(child, cluster.meta.generation, str(error), self._now_s())
        return plan_after_refused_child(plan, error)

    async def _step(self, cluster: ValidatedCluster, observed: Observed, step: Step) -> str:
        began_s, result = self._now_s(), Outcome.SUCCESS
        try:
            return await self._applier.apply(cluster, observed, step)
        except ZkOperatorError as error:
            result = classify(error)[0]
            raise
        finally:
            self._meter.stepped(type(step).__name__, result.value, self._now_s() - began_s)

    def _forget(self, key: Key) -> None:
        self._states.drop(key)
        self._meter.object_gone(key)

    async def _refuse(self, raw: Manifest, error: InvalidError, state: ClusterState) -> LookAgain:
        """Report the errors and change nothing; what runs is observed as before."""
        state.is_settled, state.rest = True, None
        cluster = minimal_cluster(raw, self._defaults)
        if cluster is None:
            generation = raw["metadata"].get("generation", 0)
            status = invalid_status(raw.get("status") or {}, error.errors, generation, time_text())
            await self._reporter.write_status(raw, status, state.report)
            return WHEN_WOKEN
        plan = Plan((), ClusterReason.INVALID_SPEC, str(error), IDLE_S)
        observed = await self._observer.observe(cluster, state.observer)
        return await self._report(raw, cluster, observed, plan, state)


def _decide(cluster: ValidatedCluster, observed: Observed, state: ClusterState) -> Plan:
    """Return the last plan if the cluster is at rest and neither spec nor observation has changed, else a new one."""
    rest = state.rest
    is_same = rest is not None and rest.cluster is cluster and rest.observed == observed
    return rest.plan if rest is not None and is_same else _plan(cluster, observed)


def _plan(cluster: ValidatedCluster, observed: Observed) -> Plan:
    if observed.refused:
        reading = Plan((), ClusterReason.FORBIDDEN, f"reading Secret {cluster.names.secret}", IDLE_S)
        return plan_after_refusal(reading, ForbiddenError(observed.refused))
    return make_plan(cluster, observed)
