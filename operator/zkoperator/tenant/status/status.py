"""Computes the status of a ZNode: paths, names and numbers, never a value of a znode or a password. Pure."""

from collections.abc import Iterable
from typing import Any

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import ZNODE_STALLED, ZNodeCondition, ZNodeReason
from zkoperator.api.znode import Binding, ZNodeCredentials, ZNodeUsage
from zkoperator.controller.conditions import ConditionBuilder
from zkoperator.controller.kstatus import standard_conditions
from zkoperator.errors import FieldError
from zkoperator.tenant.model.names import secret_name
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.seen import Seen
from zkoperator.tenant.validate import ValidatedZNode

_IN_PLACE = (ZNodeReason.IN_PLACE, ZNodeReason.QUOTA_NOT_ENFORCED)
"""Reasons with which the znode is there for its application."""


def status_of(znode: ValidatedZNode, report: Waiting, seen: Seen | None, now: str) -> dict[str, Any]:
    """Return the status after a pass. `now` is RFC 3339 in seconds; without a look, the last one still counts."""
    builder = ConditionBuilder(znode.status.conditions, znode.meta.generation, now)
    changes = {
        "observed_generation": znode.meta.generation,
        "path": znode.path,
        "conditions": _conditions(report, builder),
        **(_observed(znode, seen) if seen is not None and report.reason in _IN_PLACE else {}),
    }
    return znode.status.model_copy(update=changes).manifest()


def status_of_errors(
    raw: dict[str, Any], errors: Iterable[FieldError], previous: tuple[Condition, ...], now: str
) -> dict[str, Any]:
    """Return the status of a ZNode whose spec is invalid: the message lists every error with its field."""
    generation = int(raw["metadata"].get("generation", 0))
    builder = ConditionBuilder(previous, generation, now)
    report = Waiting(ZNodeReason.INVALID_SPEC, "; ".join(map(str, errors)))
    conditions = [each.manifest() for each in _conditions(report, builder)]
    return {**(raw.get("status") or {}), "observedGeneration": generation, "conditions": conditions}


def _conditions(report: Waiting, builder: ConditionBuilder) -> tuple[Condition, ...]:
    truth = Truth.TRUE if report.reason is ZNodeReason.IN_PLACE else Truth.FALSE
    ready = builder.build(ZNodeCondition.READY, truth, report.reason, report.message)
    return (ready, *standard_conditions((ready,), builder, stalled=ZNODE_STALLED, resting=()))


def _observed(znode: ValidatedZNode, seen: Seen) -> dict[str, Any]:
    usage, audit = seen.usage, seen.audit
    generates = znode.spec.credentials.type is ZNodeCredentials.GENERATE
    return {
        "connection_string": f"{seen.door.endpoint}{znode.path}",
        "binding": Binding(name=secret_name(znode.meta.name)) if generates else None,
        "usage": ZNodeUsage(count=usage.count, bytes=usage.bytes) if usage is not None else None,
        "world_writable": audit.world_writable if audit is not None else None,
        "audited": audit.looked_at if audit is not None else None,
    }
