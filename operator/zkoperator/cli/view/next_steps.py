"""The text of `plan`: the next steps for a cluster, and what blocks them. Pure."""

from dataclasses import dataclass
from typing import Any

from zkoperator.api.cluster import ZooKeeperClusterStatus
from zkoperator.api.meta import Truth
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.cli.view.command_line import in_cluster
from zkoperator.cli.view.terminal import Colour, Style, printable
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.gate import gate
from zkoperator.ensemble.plan.plan import Plan
from zkoperator.ensemble.plan.steps import (
    ApplyChild,
    CertificateStep,
    CreateSecret,
    DeleteClaim,
    LabelPod,
    NoteOnClaim,
    PlainStep,
    Reconfigure,
    RecordBootstrap,
    RecoveryStep,
    RemoveChild,
    RemovePods,
    RestartPod,
    Step,
    VolumeStep,
    WriteBinding,
)
from zkoperator.ensemble.status.certificates import describe_certificate_step
from zkoperator.ensemble.status.recovery import describe_recovery_step
from zkoperator.ensemble.status.volumes import describe_volume_step


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next pass would do.

    Args:
        observed: False when the members could not be asked and this is the operator's last report.
        image: the image that was assumed as the operator's default; "" where the cluster names one itself.
        elsewhere: the command that observes the members, if `observed` is False.
    """

    cluster: str
    observed: bool
    reason: str
    message: str
    steps: tuple[str, ...] = ()
    gate: str = ""
    image: str = ""
    elsewhere: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON types."""
        return {
            "cluster": self.cluster,
            "observed": self.observed,
            "reason": self.reason,
            "message": self.message,
            "steps": list(self.steps),
            "gate": self.gate,
            "assumedImage": self.image,
        }


def forecast(names: Names, observed: Observed, plan: Plan, image: str = "") -> Forecast:
    """Return what the next pass would do, from a new observation."""
    verdict = gate(observed)
    # Before the ensemble is founded there is no quorum to protect, and the gate does not decide anything.
    is_gated = plan.reason is not ClusterReason.BOOTSTRAPPING
    gate_text = f"{'open' if verdict.open else 'closed'}: {verdict.why}" if is_gated else ""
    steps = tuple(describe(step, names) for step in plan.steps)
    return Forecast(names.cluster, True, plan.reason, plan.message, steps, gate_text, image)


def reported(name: str, namespace: str, status: ZooKeeperClusterStatus | None) -> Forecast:
    """Return what the operator reported last; `status` is None when it cannot be read."""
    elsewhere = in_cluster("plan", name, namespace, operator=status.operator if status is not None else None)
    known = {condition.type: condition for condition in (status.conditions if status is not None else ())}
    progressing = known.get(ClusterCondition.PROGRESSING)
    if progressing is None:
        message = "the operator has not looked at it yet"
        return Forecast(name, False, ClusterReason.UNKNOWN, message, elsewhere=elsewhere)
    degraded = known.get(ClusterCondition.DEGRADED)
    wrong = degraded.message if degraded is not None and degraded.status is not Truth.FALSE else ""
    message = f"{progressing.message}; {wrong}" if wrong else progressing.message
    return Forecast(name, False, progressing.reason, message, elsewhere=elsewhere)


def describe(step: Step, names: Names) -> str:
    """Return one step as a text."""
    if isinstance(step, CertificateStep):
        return describe_certificate_step(names, step)
    if isinstance(step, RecoveryStep):
        return describe_recovery_step(step)
    if isinstance(step, VolumeStep):
        return describe_volume_step(step)
    if isinstance(step, WriteBinding):
        return f"{'create' if step.live is None else 'change'} Secret {names.binding} for service bindings"
    if isinstance(step, RemoveChild):
        return f"delete {step.child.title} {step.child.name_of(names)}"
    return _describe(step, names)


def _describe(step: PlainStep, names: Names) -> str:
    match step:
        case RecordBootstrap(members, complete):
            return f"record that {members} members {'have founded' if complete else 'may found'} the ensemble"
        case CreateSecret():
            return f"create Secret {names.secret} with the superuser's password"
        case ApplyChild(child, manifest, uid):
            return f"{'change' if uid else 'create'} {child.title} {manifest['metadata']['name']}"
        case NoteOnClaim(claim, membership, _):
            return f"note on claim {claim.name} that its member is {membership or 'not known'}"
        case DeleteClaim(claim):
            return f"delete claim {claim.name}"
        case Reconfigure(joining, leaving, _, voters):
            return _reconfigure(
                [names.pod(server.id) for server in joining], list(map(names.pod, leaving)), len(voters)
            )
        case RemovePods(removed=removed):
            return f"remove the pods {', '.join(map(names.pod, removed))}"
        case LabelPod(name=name):
            return f"give pod {name} its labels back"
        case RestartPod(name=name, why=why):
            return f"restart {name}: {why}"


def _reconfigure(joining: list[str], leaving: list[str], voters: int) -> str:
    parts = [f"add {', '.join(joining)}"] if joining else []
    parts += [f"remove {', '.join(leaving)}"] if leaving else []
    return f"reconfigure the ensemble to {voters} voters: {' and '.join(parts) or 'no change of members'}"


def text(shown: Forecast, style: Style) -> str:
    """Return the forecast as text."""
    colour = Colour.BAD if shown.reason == ClusterReason.BLOCKED else None
    lines = [f"{style.paint(shown.reason, colour)}: {printable(shown.message)}"]
    lines += [f"  {number}. {printable(step)}" for number, step in enumerate(shown.steps, start=1)]
    if shown.gate:
        lines.append(style.paint(f"safety gate {printable(shown.gate)}", Colour.DIM))
    if shown.image:
        note = (
            f"spec.image is not set: {shown.image} was taken for the operator's default; --default-image says another"
        )
        lines.append(style.paint(printable(note), Colour.DIM))
    if not shown.observed:
        note = "as the operator reported last: the members cannot be asked from here. For a fresh look run"
        lines.append(style.paint(f"{note} {shown.elsewhere}", Colour.DIM))
    return "\n".join(lines)
