"""Carrying out the steps of a plan, each a conditional write that holds its own base. I/O."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from zkoperator.api.reasons import SyncReason
from zkoperator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    TooLargeError,
    UnknownOutcomeError,
    ZkOperatorError,
)
from zkoperator.kube.port import CONFIG_MAPS, KubeApi, Manifest
from zkoperator.mirror.apply.claimants import Claimants
from zkoperator.mirror.apply.claims import take_ledger
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.meter import PULL, PUSH, UNMETERED, Meter
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.subtree import Subtree
from zkoperator.mirror.plan.decisions import Problem
from zkoperator.mirror.plan.pull import CreateConfigMap, WriteConfigMap, manifest, merge_patch
from zkoperator.mirror.plan.push import OWN_OPERATIONS, PushMulti
from zkoperator.mirror.plan.steps import ClaimLedger, Step
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.outcome import Outcome, classify
from zkoperator.zk.port import Committed, MultiError
from zkoperator.zk.request_sizes import multi_bytes
from zkoperator.zk.snapshot import Znode

logger = logging.getLogger(__name__)

Write = CreateConfigMap | WriteConfigMap | PushMulti

_SUSPECT_BYTES = 65_536
"""A push of fewer bytes was not lost for its size."""
_PATIENCE = 4
"""So many losses of large pushes in a row are no accident, once a single key is left of them."""


class Applier:
    """Writes for all ConfigSyncs of a process. After any failure the next pass looks again instead of repeating."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, clock: Clock, meter: Meter = UNMETERED) -> None:
        self._api = api
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._rivals = Claimants(api)

    async def apply(
        self, steps: tuple[Step, ...], sync: ValidatedSync, seen: Observed, memory: Memory
    ) -> tuple[str, ...]:
        """Carry out the steps in order; return the paths of foreign znodes that were overwritten unseen (see docs).

        Raises:
            ConflictError: something changed since it was observed.
        """
        overwritten: tuple[str, ...] = ()
        for step in steps:
            if isinstance(step, ClaimLedger):
                await self._claim(step, sync, seen, memory)
            else:
                overwritten = await self._write(step, sync, memory)
        return overwritten

    async def _write(self, step: Write, sync: ValidatedSync, memory: Memory) -> tuple[str, ...]:
        direction = PUSH if isinstance(step, PushMulti) else PULL
        overwritten: tuple[str, ...] = ()
        try:
            if isinstance(step, PushMulti):
                overwritten = await self._push(step, memory)
            else:
                await self._write_config_map(step, sync, memory)
        except ZkOperatorError as error:
            self._meter.wrote(direction, classify(error)[0])
            raise
        self._meter.wrote(direction, Outcome.SUCCESS)
        return overwritten

    async def _claim(self, step: ClaimLedger, sync: ValidatedSync, seen: Observed, memory: Memory) -> None:
        zk = _tree(memory).zk
        memory.forget_ledger()
        claimant = await self._rivals.claimant(sync)
        found = await take_ledger(zk, sync.source.root, claimant, self._rivals.standing, seen.acl, step.ledger)
        memory.ledger = found if isinstance(found, Ledger) else None
        memory.claimed_by = "" if isinstance(found, Ledger) else self._rivals.described(found)
        memory.claimed_until_s = self._clock.now_s() + self._settings.retry_s
        memory.ledger_is_known = memory.ledger_is_mine = memory.ledger is not None

    async def _write_config_map(
        self, step: CreateConfigMap | WriteConfigMap, sync: ValidatedSync, memory: Memory
    ) -> None:
        values = await _values(_tree(memory), step.puts, step.paths)
        try:
            written = await self._send(step, values, sync, memory)
        except TooLargeError as error:
            self._leave_largest_out(step, memory, error)
            raise ConflictError("the ConfigMap would be too large") from error
        except (ConflictError, UnknownOutcomeError):
            memory.target.doubt()
            raise
        if written is None:
            memory.target.doubt()
            raise ConflictError("the ConfigMap is gone")
        over = step.resource_version if isinstance(step, WriteConfigMap) else ""
        memory.target.wrote(over, written, self._clock.now_s())

    async def _send(
        self,
        step: CreateConfigMap | WriteConfigMap,
        values: Mapping[str, bytes],
        sync: ValidatedSync,
        memory: Memory,
    ) -> Manifest | None:
        self._meter.requested("configmap")
        if isinstance(step, CreateConfigMap):
            return await self._api.create(CONFIG_MAPS, sync.namespace, manifest(step, values, sync.name))
        patch = merge_patch(step, values, memory.target.places())
        return await self._api.patch(
            CONFIG_MAPS, sync.namespace, sync.config_map, patch, resource_version=step.resource_version
        )

    def _leave_largest_out(self, step: CreateConfigMap | WriteConfigMap, memory: Memory, error: TooLargeError) -> None:
        """What limits say that nobody here knows of, so one key after another has to stay behind."""
        if not step.puts:
            raise error
        key = max(step.puts, key=lambda key: (step.puts[key].data_length, key))
        message = "the API server refuses a ConfigMap that has it: too large; make it smaller or exclude it"
        memory.unfit.note(Problem(SyncReason.TOO_LARGE, key, message), self._clock.now_s() + self._settings.reread_s)

    async def _push(self, step: PushMulti, memory: Memory) -> tuple[str, ...]:
        try:
            committed = await _tree(memory).zk.multi(step.operations)
        except MultiError as error:
            raise await self._refused_push(step, error, memory) from error
        except TooLargeError as error:
            self._suspect_size(step, memory)
            raise ConflictError("the push was too large") from error
        except ZkOperatorError as error:
            memory.forget_ledger()
            if isinstance(error, UnknownOutcomeError):
                self._suspect_size(step, memory)
            raise
        memory.push_failures = 0
        memory.ledger = replace(step.ledger, version=step.ledger.version + 1, mzxid=committed.zxid)
        memory.parts = memory.parts + 1 if step.rest > 0 or memory.is_splitting else 0
        memory.is_splitting = step.rest > 0
        return _overwritten(step, committed)

    def _suspect_size(self, step: PushMulti, memory: Memory) -> None:
        """A server cuts the connection on a request that is larger than it was configured for, and says no more."""
        if multi_bytes(step.operations) < _SUSPECT_BYTES:
            return
        memory.push_failures += 1
        if memory.push_failures >= _PATIENCE and len(step.keys) == 1:
            message = "the ensemble cuts the connection whenever it is pushed: larger than its jute.maxbuffer"
            until_s = self._clock.now_s() + self._settings.reread_s
            memory.refused.note(Problem(SyncReason.TOO_LARGE, step.keys[0], message), until_s)

    async def _refused_push(self, step: PushMulti, error: MultiError, memory: Memory) -> ZkOperatorError:
        """Look again; a znode that may not be written, or read, is left out for a while, so that the others go on."""
        path, cause = step.operations[error.index].path, error.cause
        if error.index >= len(step.operations) - OWN_OPERATIONS:
            memory.forget_ledger()
        elif isinstance(cause, ForbiddenError | InvalidError):
            return self._left_out(step, path, cause, memory)
        else:
            await _tree(memory).verify_at(path)
        return ConflictError(f"the push was refused at {path}")

    def _left_out(
        self, step: PushMulti, path: str, cause: ForbiddenError | InvalidError, memory: Memory
    ) -> ZkOperatorError:
        """Note who is to blame; if no key is, there is nothing to do but to tell."""
        memory.is_refused = True
        until_s = self._clock.now_s() + self._settings.retry_s
        if path in step.pruned:
            memory.kept.note(Problem(SyncReason.FORBIDDEN, path, str(cause)), until_s)
            return ConflictError(f"{path} has to stay")
        keys = [key for key, paths in step.touches.items() if path in paths]
        reason = SyncReason.FORBIDDEN if isinstance(cause, ForbiddenError) else SyncReason.KEY_INVALID
        for key in keys:
            memory.refused.note(Problem(reason, key, f"the ensemble refuses to write it ({cause})"), until_s)
        return ConflictError(f"the push was refused at {path}") if keys else cause


def _tree(memory: Memory) -> Subtree:
    if memory.tree is None:
        raise ConflictError("the ensemble is not followed any more")
    return memory.tree


async def _values(tree: Subtree, puts: Mapping[str, Znode], paths: Mapping[str, str]) -> dict[str, bytes]:
    """Return the values to write; those that were forgotten are read again, and must be what was merged."""
    values = {key: znode.data for key, znode in puts.items() if znode.data is not None}
    forgotten = {key: paths[key] for key in puts if key not in values}
    if not forgotten:
        return values
    snapshot = tree.snapshot() if await tree.recall(list(forgotten.values())) else None
    for key, path in forgotten.items():
        znode = snapshot.nodes.get(path) if snapshot is not None else None
        if znode is None or znode.data is None or znode.digest != puts[key].digest:
            raise ConflictError("the subtree changed while it was read")
        values[key] = znode.data
    return values


def _overwritten(step: PushMulti, committed: Committed) -> tuple[str, ...]:
    """A znode that was deleted and created again at the same version between read and commit is told only now."""
    stats = committed.stats
    return tuple(
        step.operations[index].path
        for index, czxid in step.expected_czxid.items()
        if (stat := stats[index]) is not None and stat.czxid != czxid
    )
