"""The deletion of a ConfigSync: the data that `onDelete` names, then ledger and claim, then the finalizer. I/O."""

from dataclasses import dataclass, replace

from zkoperator.api.reasons import SyncReason
from zkoperator.api.sync import OnDelete
from zkoperator.controller.cluster_access import shell_port
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS, KubeApi
from zkoperator.mirror.apply.applier import Applier
from zkoperator.mirror.model.config_map import content_of
from zkoperator.mirror.model.ledger import Ledger, effective_digests
from zkoperator.mirror.model.merge_base import Base, value_digest
from zkoperator.mirror.model.names import FINALIZER
from zkoperator.mirror.model.seal import PLAIN_SEAL
from zkoperator.mirror.model.selected_znodes import SelectedZnodes, select_znodes
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import Observer
from zkoperator.mirror.observe.resource import ResourceState
from zkoperator.mirror.observe.subscription_state import SubscriptionState
from zkoperator.mirror.plan.guard import History, history_of
from zkoperator.mirror.plan.left_znodes import all_left, some_left
from zkoperator.mirror.plan.plan import make_plan
from zkoperator.mirror.plan.pull import pulled_digest
from zkoperator.mirror.plan.push import Edit, PushInput, plan_push
from zkoperator.mirror.plan.recall import base_in_effect
from zkoperator.mirror.plan.steps import ClaimLedger
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.state import SyncState
from zkoperator.mirror.status.reporter import Reporter
from zkoperator.mirror.validate import ValidatedSync, finalizers_of
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.outcome import LookAgain

_GONE_FOR_GOOD = (
    *(SyncReason.CREDENTIALS_NOT_FOUND, SyncReason.HOST_NOT_ALLOWED, SyncReason.NOT_GRANTED),
    *(SyncReason.SECRETS_NOT_GRANTED, SyncReason.INVALID_SPEC),
)
"""Reasons that probably last: nobody repairs them for a ConfigSync, or a namespace, that is being deleted."""

_DELETING = Waiting(SyncReason.SYNCING, "deleting znodes", LookAgain(0.1))
_BASE_LOST = "the target and the status have lost which of them were synchronised"
_ANOTHER_HISTORY = "the root or the ensemble was restored, wiped or replaced: these may not be what was synchronised"


class Finalizer:
    """Sets the finalizer when `onDelete` asks for a deletion, carries the deletion out and removes the finalizer."""

    def __init__(
        self,
        api: KubeApi,
        observer: Observer,
        applier: Applier,
        reporter: Reporter,
        settings: MirrorSettings,
        clock: Clock,
    ) -> None:
        self._api = api
        self._observer = observer
        self._applier = applier
        self._reporter = reporter
        self._settings = settings
        self._clock = clock

    async def keep_finalizer(self, sync: ValidatedSync, state: SyncState) -> None:
        """Set the finalizer when `onDelete` asks for a deletion, remove it otherwise."""
        wanted = sync.on_delete is not OnDelete.RETAIN
        if wanted is not sync.has_finalizer:
            await self._set_finalizer(state.resource, wanted=wanted)

    async def finish(self, sync: ValidatedSync, state: SyncState) -> Waiting | None:
        """Do what `onDelete` asks for and remove the finalizer. Return what it waits for, None when it is done."""
        if not sync.has_finalizer:
            return None
        if sync.on_delete is OnDelete.DELETE_CONFIG_MAP:
            await self._delete_config_map(sync, state.resource)
        if sync.on_delete is OnDelete.DELETE_ZNODES:
            waiting = await self._delete_znodes(sync, state)
            if waiting is not None and not self._gives_up(waiting, state.sides.subscription):
                return waiting
            if waiting is not None:
                await self._record_all_left(sync, state.resource, f"also ledger and claim: {waiting.message}")
        await self._applier.leave(sync, state.sides)
        await self._set_finalizer(state.resource, wanted=False)
        return None

    async def _set_finalizer(self, resource: ResourceState, *, wanted: bool) -> None:
        meta = resource.raw["metadata"]
        others = [name for name in finalizers_of(resource.raw) if name != FINALIZER]
        patch = {"metadata": {"finalizers": [*others, FINALIZER] if wanted else others}}
        written = await self._api.patch(
            CONFIG_SYNCS, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"]
        )
        if written is None:
            resource.is_stale = True
        else:
            resource.saw(written)

    def _gives_up(self, waiting: Waiting, subscription: SubscriptionState) -> bool:
        """Note since when the ensemble is unreachable. Return whether to give up; a Secret may come back."""
        if waiting.reason not in _GONE_FOR_GOOD:
            subscription.unreachable_s = None
            return waiting.reason is SyncReason.CLUSTER_NOT_FOUND
        now_s = self._clock.now_s()
        since_s = now_s if subscription.unreachable_s is None else subscription.unreachable_s
        subscription.unreachable_s = since_s
        return now_s - since_s >= self._settings.retry_s

    async def _record_all_left(self, sync: ValidatedSync, resource: ResourceState, why: str) -> None:
        await self._record_left(resource, all_left(sync, await self._port(sync), why))

    async def _record_left(self, resource: ResourceState, note: str) -> None:
        await self._reporter.emit_event(resource, "ZnodesLeft", note, "Delete")

    async def _port(self, sync: ValidatedSync) -> int:
        """Return the port for the shell in a member's pod."""
        key = sync.cluster
        return shell_port(await self._api.get(ZOOKEEPER_CLUSTERS, *key) if key is not None else None)

    async def _delete_config_map(self, sync: ValidatedSync, resource: ResourceState) -> None:
        """Delete the ConfigMap or Secret. A Secret that the installation does not grant any more stays."""
        end, name = sync.target.end, sync.target.name
        found = await self._api.get(end.resource, sync.namespace, name)
        content = content_of(found, end, PLAIN_SEAL.digest) if found is not None else None
        if found is None or content is None or content.label != sync.name or content.controller is not None:
            return
        try:
            await self._api.delete(end.resource, sync.namespace, name, uid=found["metadata"]["uid"])
        except ForbiddenError:
            if not end.is_secret:
                raise
            note = f"the operator may not delete Secrets any more: kubectl delete secret -n {sync.namespace} {name}"
            await self._reporter.emit_event(resource, "SecretLeft", note, "Delete")

    async def _delete_znodes(self, sync: ValidatedSync, state: SyncState) -> Waiting | None:
        """Delete the znodes that were synchronised and have not changed since. An Event names what stays.

        Writes at most once. The next pass observes the result.
        """
        observed = await self._observer.observe(sync, state.sides)
        if isinstance(observed, Waiting):
            return observed
        sync = _with_known_names(sync, observed)
        selected = select_znodes(observed.snapshot, sync.selection)
        base = base_in_effect(sync, observed, selected)
        if base is None and selected.keys and sync.synced_before:
            await self._record_all_left(sync, state.resource, _BASE_LOST)
            return None
        znodes = _synchronised(base, observed, selected)
        edits = [Edit(key, selected.paths[key], None) for key in znodes.unchanged if key not in observed.refused]
        if edits and base is not None and _is_another_history(base, sync, observed):
            await self._record_all_left(sync, state.resource, _ANOTHER_HISTORY)
            return None
        if observed.ledger is None or not observed.ledger_is_mine:
            return await self._claim(sync, observed, state)
        push, _ = plan_push(edits, _input(selected, sync, observed, observed.ledger))
        if push is not None:
            await self._applier.apply((push,), sync, observed, state.sides)
            return _DELETING
        refused = [selected.paths[key] for key in observed.refused if key in selected.keys]
        edited = [selected.paths[key] for key in znodes.edited]
        if note := some_left(sync, await self._port(sync), edited, refused):
            await self._record_left(state.resource, note)
        return None

    async def _claim(self, sync: ValidatedSync, observed: Observed, state: SyncState) -> Waiting | None:
        await self._applier.apply((ClaimLedger(observed.ledger),), sync, observed, state.sides)
        rival = state.sides.ledger.claimed_by
        if not rival:
            return _DELETING
        await self._record_all_left(sync, state.resource, f"ConfigSync {rival} pushes there")
        return None


def _with_known_names(sync: ValidatedSync, observed: Observed) -> ValidatedSync:
    """Return the ConfigSync with the names that its keys have: an edit of `spec.keys` before its end renames none."""
    base = base_in_effect(sync, observed, select_znodes(observed.snapshot, sync.selection))
    if base is None or base.naming == sync.selection.naming.without_short_keys:
        return sync
    naming = replace(base.naming, shortens=sync.selection.naming.shortens)
    return replace(sync, selection=sync.selection.named(naming))


@dataclass(frozen=True, slots=True)
class _Synchronised:
    """The keys of the merge base whose znodes exist, by whether these are as they were."""

    unchanged: tuple[str, ...]
    edited: tuple[str, ...]


def _synchronised(base: Base | None, observed: Observed, selected: SelectedZnodes) -> _Synchronised:
    known = effective_digests(base, observed.ledger) if base is not None else {}
    common = [key for key in selected.keys if key in known]
    unchanged = [key for key in common if value_digest(known[key]) == pulled_digest(selected.keys[key])]
    return _Synchronised(tuple(unchanged), tuple(key for key in common if key not in set(unchanged)))


def _is_another_history(base: Base, sync: ValidatedSync, observed: Observed) -> bool:
    """Return whether the ensemble was replaced or restored, so that equality with the merge base proves nothing."""
    if history_of(base, observed.snapshot, observed.ledger, sync.source.ensemble) is not History.SAME:
        return True
    return make_plan(sync, observed).stop is SyncReason.SOURCE_REGRESSED


def _input(selected: SelectedZnodes, sync: ValidatedSync, observed: Observed, ledger: Ledger) -> PushInput:
    return PushInput(
        selected=selected,
        ledger=ledger,
        sync_uid=sync.uid,
        annotated_zxid=observed.base.zxid if observed.base is not None else 0,
        resource_version=observed.content.resource_version if observed.content is not None else "",
        config_map=observed.content.uid if observed.content is not None else "",
        limits=observed.limits,
        digest=observed.seal.digest,
    )
