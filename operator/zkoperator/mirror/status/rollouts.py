"""The part of the status about the workloads that a ConfigSync restarts. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import SyncCondition, SyncReason
from zkoperator.api.sync import ConfigSyncStatus
from zkoperator.api.workloads import RolledContent, Workload, WorkloadRollout
from zkoperator.controller.conditions import ConditionBuilder
from zkoperator.mirror.model.config_map import written_at
from zkoperator.mirror.model.rollout import DONE, RolloutState

_NAMED: Final = 5
_HELP: Final[Mapping[str, str]] = {
    SyncReason.WORKLOAD_NOT_FOUND: "is not in this namespace; correct spec.rollout, or create it",
    SyncReason.KIND_NOT_SERVED: "cannot be found: this Kubernetes does not have the kind; install its "
    "CustomResourceDefinition, or correct spec.rollout",
    SyncReason.NO_POD_TEMPLATE: "has no pod template of its own; name the workload that it refers to",
    SyncReason.ROLLOUT_FORBIDDEN: "may not be read or restarted; allow the operator's role to get and patch it",
}


def known_rollouts(status: ConfigSyncStatus) -> dict[Workload, WorkloadRollout]:
    """Return the entries of a status: workload -> entry."""
    return {Workload(kind=entry.kind, name=entry.name): entry for entry in status.rollouts}


def content_now(
    previous: RolledContent | None, state: RolloutState, config_map: Mapping[str, Any], now: str
) -> RolledContent:
    """Return the present content by its hashes, and since when the ConfigMap has it.

    Args:
        previous: the content in the status.
        state: the hashes of now, and that of the same values under another selection of keys.
        config_map: the manifest. Its `managedFields` tell the time.
        now: RFC 3339 in seconds.
    """
    hashes = {"hash": state.content, "whole": state.whole}
    if previous is not None and previous.hash in {state.content, state.former} - {""}:
        return previous.model_copy(update=hashes)
    return RolledContent(**hashes, time=min(written_at(config_map) or now, now))


def rollouts_now(
    known: Mapping[Workload, WorkloadRollout],
    workloads: tuple[Workload, ...],
    former: str,
    content: str,
    found: Mapping[Workload, WorkloadRollout],
) -> tuple[WorkloadRollout, ...]:
    """Return the entries of the workloads in the spec. `found` has the workloads that this pass has read.

    The same values had the hash `former` under another selection of keys. An entry with that hash gets `content`.
    """
    kept = {
        workload: entry.model_copy(update={"hash": content}) if former and entry.hash == former else entry
        for workload, entry in known.items()
    }
    both = {**kept, **found}
    return tuple(both[workload] for workload in workloads if workload in both)


def rolled_out(entries: tuple[WorkloadRollout, ...], builder: ConditionBuilder) -> Condition | None:
    """Return the condition RolledOut, None while there is no entry."""
    if not entries:
        return None
    failed = [entry for entry in entries if entry.reason not in DONE]
    if failed:
        named = "; ".join(f"{entry.kind} {entry.name} {_HELP[entry.reason]}" for entry in failed[:_NAMED])
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return builder.build(SyncCondition.ROLLED_OUT, Truth.FALSE, SyncReason(failed[0].reason), named + more)
    message = f"{len(entries)} workloads are restarted when status.content has changed; see status.rollouts"
    return builder.build(SyncCondition.ROLLED_OUT, Truth.TRUE, SyncReason.ROLLED_OUT, message)
