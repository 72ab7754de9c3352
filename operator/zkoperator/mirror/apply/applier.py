"""Carries out the steps of a plan. Each is a conditional write that also writes the new merge base. I/O."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from zkoperator.api.reasons import SyncReason
from zkoperator.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    TooLargeError,
    UngrantedError,
    UnknownOutcomeError,
    ZkOperatorError,
)
from zkoperator.kube.port import KubeApi, Manifest
from zkoperator.mirror.apply.claims import release, release_claim, take_ledger
from zkoperator.mirror.apply.inheritance import AclHiddenError, ParentGoneError, with_inherited_acls
from zkoperator.mirror.model.decision import Problem
from zkoperator.mirror.model.file_format import FileFormat, FileView
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.meter import PULL, PUSH, UNMETERED, Meter
from zkoperator.mirror.observe.both_sides import BothSides
from zkoperator.mirror.observe.claimants import Claimants
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.observe.subtree import Subtree
from zkoperator.mirror.observe.targets import SecretsNotGrantedError
from zkoperator.mirror.plan.pull import (
    VALUES_LIMIT,
    CreateConfigMap,
    WriteConfigMap,
    in_file,
    manifest,
    merge_patch,
)
from zkoperator.mirror.plan.push import OWN_OPERATIONS, PushMulti
from zkoperator.mirror.plan.steps import ClaimLedger, Step
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.clock import Clock
from zkoperator.runtime.outcome import Outcome, classify
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, Committed, MultiError
from zkoperator.zk.request_sizes import multi_bytes
from zkoperator.zk.snapshot import Znode

logger = logging.getLogger(__name__)

ConfigMapStep = CreateConfigMap | WriteConfigMap
Write = ConfigMapStep | PushMulti

_SUSPECT_BYTES = 65_536
"""When a push of fewer bytes is lost, its size is not the cause."""
_MOST_LOSSES = 4
"""After this many losses in a row, a large push of a single key is taken for too large."""


class Applier:
    """Writes for all ConfigSyncs of a process. It repeats no failed write: the next pass observes again."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, clock: Clock, meter: Meter = UNMETERED) -> None:
        self._api = api
        self._meter = meter
        self._settings = settings
        self._clock = clock
        self._claimants = Claimants(api)

    async def apply(
        self,
        steps: tuple[Step, ...],
        sync: ValidatedSync,
        observed: Observed,
        sides: BothSides,
        on_written: Callable[[Step], None] = lambda _: None,
    ) -> tuple[str, ...]:
        """Carry out the steps in order. Return the paths that `_overwritten` finds.

        `on_written` is called after each write. When a step fails, the writes before it stay.

        Raises:
            ConflictError: something changed since it was observed.
        """
        overwritten: tuple[str, ...] = ()
        for step in steps:
            if isinstance(step, ClaimLedger):
                await self._claim(step, sync, observed, sides)
            else:
                overwritten = await self._write(step, sync, sides)
            on_written(step)
        return overwritten

    async def release_ledger(self, sync: ValidatedSync, sides: BothSides) -> None:
        """Remove the ledger and the claim of a ConfigSync that does not push any more."""
        await release(_subtree(sides).zk, sync.source.root, sync.uid)

    async def leave(self, sync: ValidatedSync, sides: BothSides) -> None:
        """Remove ledger and claim if the ensemble answers. Otherwise they stay, and do no harm without their owner."""
        subtree = sides.subscription.subtree
        if subtree is None or not sync.writes_znodes or not subtree.is_connected:
            return
        try:
            await release(subtree.zk, sync.source.root, sync.uid)
        except ZkOperatorError:
            return

    async def leave_former_source(self, sync: ValidatedSync, sides: BothSides) -> None:
        """Remove the claim on the source that the spec named before, if that ensemble answers. See `Claimants`."""
        subtree, former = sides.subscription.subtree, sides.subscription.source
        if subtree is None or former is None or not subtree.is_connected:
            return
        if (former.root, former.ensemble) == (sync.source.root, sync.source.ensemble):
            return
        try:
            await release_claim(subtree.zk, former.root, sync.uid)
        except ZkOperatorError:
            return

    async def _write(self, step: Write, sync: ValidatedSync, sides: BothSides) -> tuple[str, ...]:
        direction = PUSH if isinstance(step, PushMulti) else PULL
        overwritten: tuple[str, ...] = ()
        try:
            if isinstance(step, PushMulti):
                overwritten = await self._push(step, sides)
            else:
                await self._write_config_map(step, sync, sides)
        except ZkOperatorError as error:
            self._meter.wrote(direction, classify(error)[0])
            raise
        self._meter.wrote(direction, Outcome.SUCCESS)
        return overwritten

    async def _claim(self, step: ClaimLedger, sync: ValidatedSync, observed: Observed, sides: BothSides) -> None:
        zk = _subtree(sides).zk
        cache = sides.ledger
        cache.forget()
        acl = OPEN_ACL if _subtree(sides).endpoint.credential is None else CREATOR_ACL
        claimant = await self._claimants.claimant(sync)
        found = await take_ledger(zk, sync.source.root, claimant, self._claimants.standing, acl, step.ledger)
        cache.ledger = found if isinstance(found, Ledger) else None
        cache.claimed_by = "" if isinstance(found, Ledger) else self._claimants.described(found)
        cache.claimed_until_s = self._clock.now_s() + self._settings.retry_s
        cache.is_known = cache.is_mine = cache.ledger is not None

    async def _write_config_map(self, step: ConfigMapStep, sync: ValidatedSync, sides: BothSides) -> None:
        values = await _values(_subtree(sides), step.puts, step.paths) | dict(step.values)
        carried = sides.config_map.writing()
        try:
            written = await self._send(step, values, sync, sides)
        except TooLargeError as error:
            sides.config_map.not_written(carried)
            self._leave_largest_out(step, sync, sides, error)
            raise ConflictError(f"the {sync.target.kind} would be too large") from error
        except ConflictError:
            sides.config_map.not_written(carried)
            sides.config_map.doubt()
            raise
        except UnknownOutcomeError:
            sides.config_map.doubt()
            raise
        except UngrantedError as error:
            sides.config_map.not_written(carried)
            if sync.target.end.is_secret:
                raise SecretsNotGrantedError(error) from error
            raise
        if written is None:
            sides.config_map.not_written(carried)
            sides.config_map.doubt()
            raise ConflictError(f"the {sync.target.kind} is gone")
        over = step.resource_version if isinstance(step, WriteConfigMap) else ""
        sides.config_map.wrote(over, written, self._clock.now_s())

    async def _send(
        self,
        step: ConfigMapStep,
        values: Mapping[str, bytes],
        sync: ValidatedSync,
        sides: BothSides,
    ) -> Manifest | None:
        binary = sides.config_map.binary_keys()
        if sync.format is not None:
            step, values, binary = self._in_file(step, values, sync.format, sides)
        end, name = sync.target.end, sync.target.name
        self._meter.requested(end.resource.kind.lower())
        if isinstance(step, CreateConfigMap):
            return await self._api.create(end.resource, sync.namespace, manifest(step, values, end, sync.name))
        patch = merge_patch(step, values, end, binary)
        return await self._api.patch(end.resource, sync.namespace, name, patch, resource_version=step.resource_version)

    def _in_file(
        self, step: ConfigMapStep, values: Mapping[str, bytes], given: FileFormat, sides: BothSides
    ) -> tuple[ConfigMapStep, Mapping[str, bytes], dict[str, bool]]:
        """Return the step that writes the whole file, over the very version that was merged."""
        view = sides.config_map.view(step.resource_version) if isinstance(step, WriteConfigMap) else FileView({})
        if view is None:
            raise ConflictError("the file changed meanwhile")
        unfit = {key: why for key in step.puts if (why := given.problem_of(key, values[key]))}
        for key, why in unfit.items():
            until_s = self._clock.now_s() + self._settings.reread_s
            sides.backlog.unfit.note(Problem(SyncReason.KEY_INVALID, key, why), until_s)
        if unfit:
            raise ConflictError("the file cannot hold some of the keys")
        whole, written = in_file(step, values, view, given)
        if sum(map(len, written.values())) + view.beside_bytes > VALUES_LIMIT:
            raise TooLargeError((FieldError(given.key, f"has more than {VALUES_LIMIT} bytes with what is beside it"),))
        return whole, written, {given.key: view.is_binary}

    def _leave_largest_out(
        self, step: ConfigMapStep, sync: ValidatedSync, sides: BothSides, error: TooLargeError
    ) -> None:
        """Leave out the largest key. The exact limit is not known, so each pass leaves out one more key."""
        if not step.puts:
            raise error
        key = max(step.puts, key=lambda key: (step.puts[key].data_length, key))
        kind = sync.target.kind
        message = f"the API server refuses a {kind} that has it: too large; make it smaller or exclude it"
        sides.backlog.unfit.note(
            Problem(SyncReason.TOO_LARGE, key, message), self._clock.now_s() + self._settings.reread_s
        )

    async def _push(self, step: PushMulti, sides: BothSides) -> tuple[str, ...]:
        subtree = _subtree(sides)
        try:
            operations = await with_inherited_acls(subtree.zk, step.operations, subtree.endpoint.credential)
            committed = await subtree.zk.multi(operations)
        except AclHiddenError as error:
            raise self._left_out(step, error.path, error, sides) from error
        except ParentGoneError as error:
            await subtree.verify_at(error.path)
            raise
        except MultiError as error:
            raise await self._refused_push(step, error, sides) from error
        except TooLargeError as error:
            self._suspect_size(step, sides)
            raise ConflictError("the push was too large") from error
        except ZkOperatorError as error:
            sides.ledger.forget()
            if isinstance(error, UnknownOutcomeError):
                self._suspect_size(step, sides)
            raise
        backlog = sides.backlog
        backlog.push_failures = 0
        sides.ledger.ledger = replace(step.ledger, version=step.ledger.version + 1, mzxid=committed.zxid)
        backlog.parts = backlog.parts + 1 if step.rest > 0 or backlog.is_splitting else 0
        backlog.is_splitting = step.rest > 0
        return _overwritten(step, committed)

    def _suspect_size(self, step: PushMulti, sides: BothSides) -> None:
        """Count a lost push. A server closes the connection without an error when a request exceeds its limit."""
        if multi_bytes(step.operations) < _SUSPECT_BYTES:
            return
        sides.backlog.push_failures += 1
        if sides.backlog.push_failures >= _MOST_LOSSES and len(step.keys) == 1:
            message = "the ensemble cuts the connection whenever it is pushed: larger than its jute.maxbuffer"
            until_s = self._clock.now_s() + self._settings.reread_s
            sides.backlog.refused.note(Problem(SyncReason.TOO_LARGE, step.keys[0], message), until_s)

    async def _refused_push(self, step: PushMulti, error: MultiError, sides: BothSides) -> ZkOperatorError:
        """Return the error of a refused push. A forbidden or invalid znode is left out for a while; others go on."""
        path, cause = step.operations[error.index].path, error.cause
        if error.index >= len(step.operations) - OWN_OPERATIONS:
            sides.ledger.forget()
        elif isinstance(cause, ForbiddenError | InvalidError):
            return self._left_out(step, path, cause, sides)
        else:
            await _subtree(sides).verify_at(path)
        return ConflictError(f"the push was refused at {path}")

    def _left_out(
        self, step: PushMulti, path: str, cause: ForbiddenError | InvalidError, sides: BothSides
    ) -> ZkOperatorError:
        """Leave out the keys that caused the refusal. Without such a key, return the cause, which the pass reports."""
        sides.subscription.is_refused = True
        until_s = self._clock.now_s() + self._settings.retry_s
        if path in step.pruned:
            sides.backlog.kept.note(Problem(SyncReason.FORBIDDEN, path, str(cause)), until_s)
            return ConflictError(f"{path} has to stay")
        keys = [key for key, paths in step.touches.items() if path in paths]
        reason = SyncReason.FORBIDDEN if isinstance(cause, ForbiddenError) else SyncReason.KEY_INVALID
        for key in keys:
            sides.backlog.refused.note(Problem(reason, key, f"the ensemble refuses to write it ({cause})"), until_s)
        return ConflictError(f"the push was refused at {path}") if keys else cause


def _subtree(sides: BothSides) -> Subtree:
    subtree = sides.subscription.subtree
    if subtree is None:
        raise ConflictError("the ensemble is not followed any more")
    return subtree


async def _values(subtree: Subtree, puts: Mapping[str, Znode], paths: Mapping[str, str]) -> dict[str, bytes]:
    """Return the values to write. Forgotten values are read again, and must equal those that were merged."""
    values = {key: znode.data for key, znode in puts.items() if znode.data is not None}
    forgotten = {key: paths[key] for key in puts if key not in values}
    if not forgotten:
        return values
    snapshot = subtree.snapshot() if await subtree.recall(list(forgotten.values())) else None
    for key, path in forgotten.items():
        znode = snapshot.nodes.get(path) if snapshot is not None else None
        if znode is None or znode.data is None or znode.digest != puts[key].digest:
            raise ConflictError("the subtree changed while it was read")
        values[key] = znode.data
    return values


def _overwritten(step: PushMulti, committed: Committed) -> tuple[str, ...]:
    """Return the znodes that somebody deleted and created again, with the same version, between read and commit."""
    stats = committed.stats
    return tuple(
        step.operations[index].path
        for index, czxid in step.expected_czxid.items()
        if (stat := stats[index]) is not None and stat.czxid != czxid
    )
