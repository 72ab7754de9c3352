"""ZNode: validate, observe, plan, apply, status. I/O."""

from zkoperator.api.meta import Condition
from zkoperator.api.reasons import ZNodeReason
from zkoperator.controller.keyed_state import KeyedState
from zkoperator.errors import ForbiddenError, InvalidError
from zkoperator.kube.port import ZNODES, KubeApi, Manifest
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain
from zkoperator.runtime.wall_clock import time_text
from zkoperator.tenant.apply.applier import Applier
from zkoperator.tenant.model.names import FINALIZER
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.observer import Observer, View
from zkoperator.tenant.observe.seen import Seen
from zkoperator.tenant.plan.deletion import deletion_plan
from zkoperator.tenant.plan.plan import make_plan
from zkoperator.tenant.plan.progress import Plan, wait
from zkoperator.tenant.plan.steps import SetFinalizer
from zkoperator.tenant.status.meter import UNMETERED, Meter
from zkoperator.tenant.status.reporter import Reporter
from zkoperator.tenant.status.status import status_of, status_of_errors
from zkoperator.tenant.validate import ValidatedZNode, finalizers_of, validate
from zkoperator.zk.pool import SessionPool


class ZNodeReconciler:
    """One pass over one ZNode at a time.

    Args:
        api: the Kubernetes API.
        sessions: shared with everything else that reads ensembles.
        domain: DNS domain of the Kubernetes cluster.
        meter: counts what is known.
        clock: monotonic time.
    """

    def __init__(
        self,
        api: KubeApi,
        sessions: SessionPool,
        domain: str = "cluster.local",
        meter: Meter = UNMETERED,
        clock: Clock = MONOTONIC,
    ) -> None:
        self._api = api
        self._meter = meter
        self._views = KeyedState(View)
        self._observer = Observer(api, sessions, clock, domain)
        self._applier = Applier(api)
        self._reporter = Reporter(api, meter)

    async def reconcile(self, key: Key) -> LookAgain:
        """Do one pass. Return when to look again."""
        raw = await self._api.get(ZNODES, key.namespace, key.name)
        if raw is None:
            await self._gone(key)
            return WHEN_WOKEN
        try:
            znode = validate(raw)
        except InvalidError as error:
            return await self._refuse(raw, error)
        self._meter.status_known(key, raw.get("status") or {})
        view = self._views.of(key)
        view.cluster = znode.cluster
        seen = await self._observer.observe(znode, view)
        return await self._carry_out(raw, znode, seen, view)

    def naming(self, cluster: Key) -> tuple[Key, ...]:
        """Return the ZNodes in this ZooKeeperCluster, as far as they were looked at."""
        return tuple(key for key in self._views if self._views.of(key).cluster == cluster)

    async def _carry_out(self, raw: Manifest, znode: ValidatedZNode, seen: Seen | Waiting, view: View) -> LookAgain:
        plan = _plan_of(znode, seen)
        if plan.left:
            await self._reporter.tell_left(raw, znode.path, plan.left)
        if plan.step is not None:
            try:
                await self._applier.apply(raw, plan.step, view.zk)
            except ForbiddenError as error:
                plan = wait(Waiting(ZNodeReason.FORBIDDEN, str(error)))
            except InvalidError as error:
                plan = wait(Waiting(ZNodeReason.REFUSED, f"what the spec asks for was refused: {error}; correct it"))
        if plan.report is not None and not isinstance(plan.step, SetFinalizer):
            known = seen if isinstance(seen, Seen) else None
            await self._reporter.write(raw, status_of(znode, plan.report, known, time_text()))
        return LookAgain(plan.look_again_s)

    async def _refuse(self, raw: Manifest, error: InvalidError) -> LookAgain:
        """Report the errors. An object that is being deleted goes: it cannot say which znodes are its own."""
        if raw["metadata"].get("deletionTimestamp") is not None:
            if FINALIZER in finalizers_of(raw):
                await self._applier.apply(raw, SetFinalizer(wanted=False), None)
            return WHEN_WOKEN
        conditions = (raw.get("status") or {}).get("conditions") or ()
        previous = tuple(Condition.model_validate(each) for each in conditions)
        await self._reporter.write(raw, status_of_errors(raw, error.errors, previous, time_text()))
        return WHEN_WOKEN

    async def _gone(self, key: Key) -> None:
        if (view := self._views.find(key)) is not None:
            await self._observer.leave(view)
            self._views.drop(key)
        self._meter.object_gone(key)


def _plan_of(znode: ValidatedZNode, seen: Seen | Waiting) -> Plan:
    if znode.deleting:
        return deletion_plan(znode, seen)
    return wait(seen) if isinstance(seen, Waiting) else make_plan(znode, seen)
