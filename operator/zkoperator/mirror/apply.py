"""Carrying out the steps of a plan, each a conditional write that holds its own base. I/O."""

import logging
from collections.abc import Mapping
from dataclasses import replace

from zkoperator.errors import ConflictError, ForbiddenError, UnknownOutcomeError, ZkOperatorError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, KubeApi, Manifest
from zkoperator.mirror.ledger import Ledger
from zkoperator.mirror.ledgers import Claimant, claim, fence_ledger
from zkoperator.mirror.memory import Memory
from zkoperator.mirror.meter import PULL, PUSH, UNMETERED, Meter
from zkoperator.mirror.observed import Observed
from zkoperator.mirror.pull import CreateConfigMap, WriteConfigMap, manifest, merge_patch
from zkoperator.mirror.push import PushMulti
from zkoperator.mirror.steps import ClaimLedger, Step
from zkoperator.mirror.trees import Tree
from zkoperator.mirror.tuning import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.outcome import Outcome, classify
from zkoperator.zk.picture import Znode
from zkoperator.zk.port import Committed, MultiError

logger = logging.getLogger(__name__)

Write = CreateConfigMap | WriteConfigMap | PushMulti


class Applier:
    """Writes for all ConfigSyncs of a process. After any failure the next pass looks again instead of repeating."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, clock: Clock, meter: Meter = UNMETERED) -> None:
        self._api = api
        self._meter = meter
        self._settings = settings
        self._clock = clock

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
        if step.ledger is not None:
            memory.ledger = await fence_ledger(zk, sync.uid, step.ledger)
        else:
            claimant = Claimant(sync.namespace, sync.name, sync.uid)
            found = await claim(zk, sync.source.root, claimant, self._is_alive, seen.acl)
            memory.ledger = found if isinstance(found, Ledger) else None
            memory.claimed_by = "" if isinstance(found, Ledger) else str(found)
            memory.claimed_until_s = self._clock.now_s() + self._settings.retry_s
        memory.ledger_is_known = True
        memory.ledger_is_mine = memory.ledger is not None

    async def _is_alive(self, claimant: Claimant) -> bool:
        """Whether the ConfigSync of a claim still exists in this Kubernetes."""
        found = await self._api.get(CONFIG_SYNCS, claimant.namespace, claimant.name)
        return found is not None and found["metadata"].get("uid") == claimant.uid

    async def _write_config_map(
        self, step: CreateConfigMap | WriteConfigMap, sync: ValidatedSync, memory: Memory
    ) -> None:
        values = await _values(_tree(memory), step.puts, step.paths)
        try:
            written = await self._send(step, values, sync, memory)
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

    async def _push(self, step: PushMulti, memory: Memory) -> tuple[str, ...]:
        try:
            committed = await _tree(memory).zk.multi(step.operations)
        except MultiError as error:
            raise self._refused_push(step, error, memory) from error
        except ZkOperatorError:
            memory.forget_ledger()
            raise
        memory.ledger = replace(step.ledger, version=step.ledger.version + 1, mzxid=committed.zxid)
        memory.parts = memory.parts + 1 if step.rest > 0 or memory.is_splitting else 0
        memory.is_splitting = step.rest > 0
        return _overwritten(step, committed)

    def _refused_push(self, step: PushMulti, error: MultiError, memory: Memory) -> ZkOperatorError:
        """Look again; a znode that may not be written is left out for a while, so that the others go on."""
        is_ledger = error.index == len(step.operations) - 1
        if isinstance(error.cause, ForbiddenError) and not is_ledger:
            operation = step.operations[error.index]
            keys = {key for key, paths in step.touches.items() if operation.path in paths}
            memory.refused = memory.refused | keys
            memory.refused_until_s = self._clock.now_s() + self._settings.retry_s
        elif is_ledger:
            memory.forget_ledger()
        return ConflictError(f"the push was refused at {step.operations[error.index].path}")


def _tree(memory: Memory) -> Tree:
    if memory.tree is None:
        raise ConflictError("the ensemble is not followed any more")
    return memory.tree


async def _values(tree: Tree, puts: Mapping[str, Znode], paths: Mapping[str, str]) -> dict[str, bytes]:
    """Return the values to write; those that were forgotten are read again, and must be what was merged."""
    values = {key: znode.data for key, znode in puts.items() if znode.data is not None}
    forgotten = {key: paths[key] for key in puts if key not in values}
    if not forgotten:
        return values
    picture = tree.picture() if await tree.recall(list(forgotten.values())) else None
    for key, path in forgotten.items():
        znode = picture.nodes.get(path) if picture is not None else None
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
