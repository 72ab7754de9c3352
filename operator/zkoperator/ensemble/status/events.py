"""Kubernetes Events: one for each transition of a condition and for each disruptive step. Pure."""

from collections.abc import Iterable
from typing import Literal

from zkoperator.api.meta import Truth
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.controller.conditions import RawCondition, transitions
from zkoperator.controller.events import Notice
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.plan.steps import (
    ApplyChild,
    FoundAuthority,
    LabelPod,
    Reconfigure,
    RecordBootstrap,
    RecoveryStep,
    RemoveChild,
    RemovePods,
    RestartPod,
    RestoreStep,
    Step,
    VolumeStep,
    WriteCertificate,
)
from zkoperator.ensemble.status.certificates import describe_certificate_step
from zkoperator.ensemble.status.conditions import WARNING
from zkoperator.ensemble.status.recovery import describe_recovery_step
from zkoperator.ensemble.status.volumes import describe_volume_step

_BAD = tuple(
    reason.value
    for reason in (
        ClusterReason.BLOCKED,
        ClusterReason.FOREIGN_OBJECT,
        ClusterReason.FORBIDDEN,
        ClusterReason.INVALID_SPEC,
        ClusterReason.MEMBER_DOWN,
        ClusterReason.RECOVERY_REFUSED,
        ClusterReason.RESTORE_REFUSED,
        ClusterReason.RESTORE_FAILED,
        ClusterReason.REPLACEMENT_REFUSED,
    )
)
"""Reasons of Ready and Progressing that make a Warning; their status alone does not."""

_ANSWERS = tuple(
    reason.value
    for reason in (
        ClusterReason.RECOVERY_REFUSED,
        ClusterReason.RESTORE_REFUSED,
        ClusterReason.RESTORE_FAILED,
        ClusterReason.REPLACEMENT_REFUSED,
    )
)


def transition_notices(before: Iterable[RawCondition], after: Iterable[RawCondition]) -> tuple[Notice, ...]:
    """Return a notice for each condition whose status or reason has changed, and for each new warning."""
    old, new = tuple(before), tuple(after)
    types, messages = {condition["type"] for condition in old}, {condition.get("message") for condition in old}
    changed = [condition["type"] for condition in transitions(old, new)]
    return tuple(
        _of_condition(condition)
        for condition in new
        if (_tells_each_time(condition) and condition["message"] not in messages)
        or (condition["type"] in changed and _deserves_event(condition, types))
    )


def _tells_each_time(condition: RawCondition) -> bool:
    """Whether each new message deserves an Event. Warnings do; refusals do, as a person waits for the answer."""
    return _is_warning(condition) or condition["reason"] in _ANSWERS


def _is_warning(condition: RawCondition) -> bool:
    """Whether the condition has a warning about the spec."""
    is_degraded = condition["type"] == ClusterCondition.DEGRADED.value
    return is_degraded and str(condition.get("message", "")).startswith(WARNING)


def _deserves_event(condition: RawCondition, known: set[str]) -> bool:
    """Return False for the first status of an object that is not refused, and for what the steps report anyway."""
    quiet = (ClusterReason.SETTLED.value, ClusterReason.APPLYING.value)
    return condition["reason"] in _BAD or (condition["type"] in known and condition["reason"] not in quiet)


def _of_condition(condition: RawCondition) -> Notice:
    note = f"{condition['type']} is {condition['status']}: {condition.get('message', '')}"
    kind: Literal["Normal", "Warning"] = "Warning" if _is_bad(condition) or _is_warning(condition) else "Normal"
    return Notice(kind, condition["reason"], note, "Observe")


def _is_bad(condition: RawCondition) -> bool:
    match condition["type"]:
        case ClusterCondition.DEGRADED.value:
            return bool(condition["status"] != Truth.FALSE.value)
        case ClusterCondition.AVAILABLE.value:
            return bool(condition["status"] != Truth.TRUE.value)
        case _:
            return condition["reason"] in _BAD


def step_notice(names: Names, step: Step, how: str = "") -> Notice | None:
    """Return the notice of a step that was carried out, None if it needs none. `how` says what was special about it."""
    if isinstance(step, RecoveryStep):
        return _recovery_notice(step)
    if isinstance(step, VolumeStep):
        return Notice("Normal", "VolumeChanged", describe_volume_step(step) + (f"; {how}" if how else ""), "Change")
    if isinstance(step, ApplyChild | RemoveChild):
        return _child_notice(names, step, how)
    match step:
        case FoundAuthority() | WriteCertificate():
            return Notice("Normal", "CertificateChanged", describe_certificate_step(names, step), "Renew")
        case RecordBootstrap():
            return Notice("Normal", "Bootstrap", _describe_bootstrap(step), "Bootstrap")
        case Reconfigure(joining, leaving, _, voters):
            parts = (("added", [server.id for server in joining]), ("removed", leaving), ("voters", sorted(voters)))
            message = ", ".join(f"{verb} {_pods(names, members)}" for verb, members in parts if members)
            return Notice("Normal", "Reconfigured", message, "Reconfigure")
        case RemovePods(removed=removed):
            return Notice("Normal", "PodsRemoved", f"removed pods {_pods(names, removed)}", "Scale")
        case LabelPod(name=name):
            note = f"pod {name} had lost the labels by which its StatefulSet finds it; it has them again"
            return Notice("Warning", "EditTakenBack", note, "Repair")
        case RestartPod(name=name, why=why):
            message = f"restarting {name}: {why}" + (f"; {how}" if how else "")
            return Notice("Normal", "MemberRestarted", message, "Restart")
        case _:
            return None


def _child_notice(names: Names, step: ApplyChild | RemoveChild, how: str) -> Notice | None:
    what = f"{step.child.title} {step.child.name_of(names)}"
    if isinstance(step, RemoveChild):
        return Notice("Normal", "ChildRemoved", f"removed {what}: the spec does not ask for it any more", "Remove")
    if not how:
        return None
    note = f"{what}: {how}; it is taken back: change the ZooKeeperCluster instead"
    return Notice("Warning", "EditTakenBack", note, "Repair")


def _recovery_notice(step: RecoveryStep) -> Notice:
    if isinstance(step, RestoreStep):
        return Notice("Normal", "Restore", describe_recovery_step(step), "Restore")
    return Notice("Warning", "Recovery", describe_recovery_step(step), "Recover")


def _describe_bootstrap(step: RecordBootstrap) -> str:
    if step.incarnation is not None:
        return f"the ensemble begins with the data of a backup, and is led by {step.incarnation.seed} at first"
    if step.complete:
        return f"the ensemble of {step.members} first members is founded"
    return f"the ensemble may be founded by {step.members} members"


def _pods(names: Names, members: Iterable[int]) -> str:
    return ", ".join(names.pod(member) for member in members)
