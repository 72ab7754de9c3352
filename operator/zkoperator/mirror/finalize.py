"""The end of a ConfigSync: what `onDelete` asks for, then ledger and claim, then the finalizer. I/O."""

from collections.abc import Mapping
from typing import Any

from zkoperator.api.reasons import SyncReason
from zkoperator.api.sync import OnDelete
from zkoperator.errors import ZkOperatorError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, KubeApi
from zkoperator.mirror.apply.applier import Applier
from zkoperator.mirror.apply.claims import release
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.config_map import content_of
from zkoperator.mirror.model.ledger import Ledger, effective_digests
from zkoperator.mirror.model.names import FINALIZER
from zkoperator.mirror.model.selected_znodes import select_znodes
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.observer import Observer
from zkoperator.mirror.plan.guard import History, history_of
from zkoperator.mirror.plan.plan import make_plan
from zkoperator.mirror.plan.pull import pulled_digest
from zkoperator.mirror.plan.push import Edit, PushInput, plan_push
from zkoperator.mirror.plan.steps import ClaimLedger
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.status.reporter import Reporter
from zkoperator.mirror.validate import ValidatedSync, finalizers_of
from zkoperator.runtime.clock import Clock

_GONE_FOR_GOOD = (SyncReason.CREDENTIALS_NOT_FOUND, SyncReason.HOST_NOT_ALLOWED, SyncReason.INVALID_SPEC)
"""Nobody brings these back for the sake of a ConfigSync that ends; least of all in a namespace that ends."""

_DELETING = Waiting(SyncReason.SYNCING, "deleting znodes", 0.1)
_ANOTHER_HISTORY = "the root or the ensemble was restored, wiped or replaced: these may not be what was synchronised"


class Finalizer:
    """Ends ConfigSyncs, and keeps their finalizer as long as there is something to end."""

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

    async def keep_finalizer(self, sync: ValidatedSync, memory: Memory) -> None:
        """Set or remove the finalizer, so that it is there exactly while `onDelete` asks for a deletion."""
        wanted = sync.on_delete is not OnDelete.RETAIN
        if memory.raw is not None and wanted is not sync.has_finalizer:
            await self._set_finalizer(memory, memory.raw, wanted=wanted)

    async def finish(self, sync: ValidatedSync, memory: Memory) -> Waiting | None:
        """Do what `onDelete` asks for and let the object go; return what it still waits for."""
        if not sync.has_finalizer:
            return None
        if sync.on_delete is OnDelete.DELETE_CONFIG_MAP:
            await self._delete_config_map(sync)
        if sync.on_delete is OnDelete.DELETE_ZNODES:
            waiting = await self._delete_znodes(sync, memory)
            if waiting is not None and not self._is_out_of_reach(waiting, memory):
                return waiting
            if waiting is not None:
                await self._tell_left(memory, f"all znodes, ledger and claim ({waiting.message})", sync)
        await self.forget(sync, memory)
        if memory.raw is not None:
            await self._set_finalizer(memory, memory.raw, wanted=False)
        return None

    async def forget(self, sync: ValidatedSync, memory: Memory) -> None:
        """Remove ledger and claim if the ensemble answers; otherwise they stay and harm nobody: their owner is gone."""
        tree = memory.tree
        if tree is None or not sync.writes_znodes or not tree.is_connected:
            return
        try:
            await release(tree.zk, sync.source.root, sync.uid)
        except ZkOperatorError:
            return

    async def _set_finalizer(self, memory: Memory, raw: Mapping[str, Any], *, wanted: bool) -> None:
        meta = raw["metadata"]
        others = [name for name in finalizers_of(raw) if name != FINALIZER]
        patch = {"metadata": {"finalizers": [*others, FINALIZER] if wanted else others}}
        written = await self._api.patch(
            CONFIG_SYNCS, meta["namespace"], meta["name"], patch, resource_version=meta["resourceVersion"]
        )
        if written is None:
            memory.is_stale = True
        else:
            memory.saw(written)

    def _is_out_of_reach(self, waiting: Waiting, memory: Memory) -> bool:
        """Whether there is nobody left to ask; a missing Secret is told first, and might come back."""
        if waiting.reason not in _GONE_FOR_GOOD:
            memory.lost_s = None
            return waiting.reason is SyncReason.CLUSTER_NOT_FOUND
        now_s = self._clock.now_s()
        memory.lost_s = now_s if memory.lost_s is None else memory.lost_s
        return now_s - memory.lost_s >= self._settings.retry_s

    async def _tell_left(self, memory: Memory, what: str, sync: ValidatedSync) -> None:
        note = f"left behind at {sync.source.root}: {what}"
        await self._reporter.emit_event(memory, "ZnodesLeft", note, "Delete")

    async def _delete_config_map(self, sync: ValidatedSync) -> None:
        found = await self._api.get(CONFIG_MAPS, sync.namespace, sync.config_map)
        content = content_of(found) if found is not None else None
        if found is None or content is None or content.label != sync.name or content.controller is not None:
            return
        await self._api.delete(CONFIG_MAPS, sync.namespace, sync.config_map, uid=found["metadata"]["uid"])

    async def _delete_znodes(self, sync: ValidatedSync, memory: Memory) -> Waiting | None:
        """Delete what was synchronised and is unchanged since; whatever somebody edited is somebody's.

        At most one write, and a pause after it: what comes of it is for the next pass to see.
        """
        seen = await self._observer.observe(sync, memory)
        if isinstance(seen, Waiting):
            return seen
        edits = [edit for edit in _unchanged(sync, seen) if edit.key not in seen.refused]
        if edits and _is_another_history(sync, seen):
            await self._tell_left(memory, f"all znodes ({_ANOTHER_HISTORY})", sync)
            return None
        if seen.ledger is None or not seen.ledger_is_mine:
            return await self._claim(sync, seen, memory)
        push, _ = plan_push(edits, _input(sync, seen, seen.ledger))
        if push is not None:
            await self._applier.apply((push,), sync, seen, memory)
            return _DELETING
        if seen.refused:
            await self._tell_left(memory, f"what may not be deleted: {', '.join(sorted(seen.refused))}", sync)
        return None

    async def _claim(self, sync: ValidatedSync, seen: Observed, memory: Memory) -> Waiting | None:
        await self._applier.apply((ClaimLedger(seen.ledger),), sync, seen, memory)
        if not memory.claimed_by:
            return _DELETING
        await self._tell_left(memory, f"all znodes (ConfigSync {memory.claimed_by} pushes there)", sync)
        return None


def _is_another_history(sync: ValidatedSync, seen: Observed) -> bool:
    """Whether values that are equal to the base say nothing: deletions would be held, or nothing written at all."""
    if history_of(seen.base, seen.snapshot, seen.ledger, sync.source.ensemble) is not History.SAME:
        return True
    return make_plan(sync, seen).stop is SyncReason.SOURCE_REGRESSED


def _unchanged(sync: ValidatedSync, seen: Observed) -> list[Edit]:
    if seen.base is None or seen.base.sync_uid != sync.uid:
        return []
    known = effective_digests(seen.base, seen.ledger)
    selected = select_znodes(seen.snapshot, sync.selection)
    return [
        Edit(key, selected.paths[key], None)
        for key, znode in selected.keys.items()
        if known.get(key) == pulled_digest(znode)
    ]


def _input(sync: ValidatedSync, seen: Observed, ledger: Ledger) -> PushInput:
    return PushInput(
        selected=select_znodes(seen.snapshot, sync.selection),
        ledger=ledger,
        sync_uid=sync.uid,
        annotated_zxid=seen.base.zxid if seen.base is not None else 0,
        resource_version=seen.content.resource_version if seen.content is not None else "",
        limits=seen.limits,
    )
