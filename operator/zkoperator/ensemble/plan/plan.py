"""Makes the plan: the next steps, from the validated cluster and what was observed. Pure."""

from dataclasses import dataclass, replace

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.ownership import foreign_object, leftovers
from zkoperator.ensemble.plan.binding import binding_steps
from zkoperator.ensemble.plan.certificate_steps import certificate_steps
from zkoperator.ensemble.plan.child_steps import child_steps, label_steps
from zkoperator.ensemble.plan.claim_steps import claim_steps
from zkoperator.ensemble.plan.claim_templates import await_adoption
from zkoperator.ensemble.plan.expansion import expansion_steps, grow_volumes
from zkoperator.ensemble.plan.external_access import refused_services
from zkoperator.ensemble.plan.founding import bootstrap_steps, founding_obstacle, lacks_founder
from zkoperator.ensemble.plan.gate import gate
from zkoperator.ensemble.plan.lost_nodes import release_pods
from zkoperator.ensemble.plan.meeting import meeting_advice
from zkoperator.ensemble.plan.membership import await_departure, change_members, remove_pods
from zkoperator.ensemble.plan.observer_count import with_observers
from zkoperator.ensemble.plan.observers import remove_observers, roll_observers
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.recovery import recover
from zkoperator.ensemble.plan.replacement import refused_replacement, replace_volumes
from zkoperator.ensemble.plan.restart_request import restart_request
from zkoperator.ensemble.plan.restore import found_from_backup
from zkoperator.ensemble.plan.roll import await_restarts, await_return, leader_has_other_password, replace_pods
from zkoperator.ensemble.plan.steps import Disruption, LabelPod, RecordBootstrap, RestartPod, Step, StopMembers
from zkoperator.ensemble.plan.tls import await_certificates, change_tls, tls_now
from zkoperator.ensemble.validate import ValidatedCluster

SOON_S = 0.25
BLOCKED_S = 1.0
IDLE_S = 1.5
"""Seconds between observations of a cluster with nothing to do, while any voter does not serve in sync."""
REST_S = 5.0
"""The same while all of them do; no Kubernetes event reports that another member leads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in their order, at most one of them disruptive and that one last.

    `reason` and `message` are those of the condition Progressing. `held_back` is the message of the plan that a paused
    cluster would have, empty when there would be nothing to do.
    """

    steps: tuple[Step, ...]
    reason: ClusterReason
    message: str
    look_again_s: float
    held_back: str = ""

    @property
    def settled(self) -> bool:
        """Whether the cluster is as the spec asks."""
        return self.reason in (ClusterReason.SETTLED, ClusterReason.PAUSED) and not self.held_back

    @property
    def disruptive(self) -> tuple[Step, ...]:
        """The steps that stop, restart, remove or reconfigure members."""
        return tuple(step for step in self.steps if isinstance(step, Disruption | StopMembers))


def make_plan(cluster: ValidatedCluster, observed: Observed) -> Plan:
    """Return the plan. The plan of a paused cluster has no steps, and its message says what is held back."""
    counted = with_observers(cluster, observed)
    asked = replace(counted, restart=restart_request(cluster.restart, observed))
    plan = _plan(asked, tls_now(asked, observed), observed)
    if not cluster.spec.paused:
        return plan
    held = "" if plan.settled else plan.message
    message = f"spec.paused is true; held back: {held}" if held else "spec.paused is true"
    return Plan((), ClusterReason.PAUSED, message, IDLE_S, held)


def _plan(wanted: ValidatedCluster, cluster: ValidatedCluster, observed: Observed) -> Plan:
    if why := foreign_object(cluster, observed):
        return Plan((), ClusterReason.FOREIGN_OBJECT, why, BLOCKED_S)
    if why := leftovers(cluster, observed) or founding_obstacle(cluster, observed):
        return Plan((), ClusterReason.BLOCKED, why, BLOCKED_S)
    if cluster.status.bootstrap is None or lacks_founder(cluster):
        return _record(cluster, observed)
    recovery = recover(cluster, observed, _first_certificates(wanted, observed))
    if recovery is not None and recovery.begun:
        return Plan(recovery.steps, recovery.reason, recovery.message, recovery.look_again_s)
    usual = _usual(wanted, cluster, observed)
    if refused := refused_replacement(cluster, observed):
        usual = replace(usual, reason=ClusterReason.REPLACEMENT_REFUSED, message=f"{refused}; {usual.message}")
    if recovery is None:
        return usual
    return replace(usual, reason=recovery.reason, message=f"{recovery.message}; {usual.message}")


def _first_certificates(wanted: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return the steps towards the certificates with which a new ensemble begins."""
    return () if Child.STATEFUL_SET in observed.children else certificate_steps(wanted, observed)


def _record(cluster: ValidatedCluster, observed: Observed) -> Plan:
    """No member may start before status records whether it may found the ensemble, and whose volumes are its own."""
    steps = bootstrap_steps(cluster, observed)
    first = next((step for step in steps if isinstance(step, RecordBootstrap) and not step.complete), None)
    if first is not None and cluster.spec.bootstrap is not None and cluster.status.bootstrap is None:
        found = found_from_backup(cluster, observed, first)
        return Plan(found.steps, found.reason, found.message, found.look_again_s)
    return Plan(steps, ClusterReason.BOOTSTRAPPING, "recording the first members", 0.0)


def _usual(wanted: ValidatedCluster, cluster: ValidatedCluster, observed: Observed) -> Plan:
    """Plan for a founded or founding ensemble that does not begin again."""
    calm = (*claim_steps(cluster, observed), *bootstrap_steps(cluster, observed))
    calm = (*calm, *certificate_steps(wanted, observed))
    calm = (*calm, *child_steps(cluster, observed), *label_steps(cluster, observed), *binding_steps(cluster, observed))
    calm = (*calm, *expansion_steps(cluster, observed))
    proposal = _first(
        await_certificates(cluster, observed),
        _proposal(cluster, observed),
        change_tls(wanted, cluster, observed),
        await_adoption(cluster, observed) or replace_volumes(cluster, observed),
        release_pods(observed) if cluster.is_founded else None,
        grow_volumes(cluster, observed),
        refused_services(cluster, observed),
    )
    if proposal is None:
        return _calm(calm, REST_S if gate(observed).open else IDLE_S)
    if proposal.blocked:
        return Plan(calm, ClusterReason.BLOCKED, f"{proposal.message}: {proposal.blocked}", BLOCKED_S)
    steps = calm if calm or proposal.step is None else (proposal.step,)
    return Plan(steps, proposal.reason, proposal.message, SOON_S)


def _calm(steps: tuple[Step, ...], rest_s: float) -> Plan:
    if set_aside := [step.name for step in steps if isinstance(step, LabelPod)]:
        message = (
            f"giving {', '.join(set_aside)} the labels back without which no StatefulSet, Service or budget has them"
        )
        return Plan(steps, ClusterReason.REPAIRING, message, SOON_S)
    if steps:
        return Plan(steps, ClusterReason.APPLYING, "writing the objects of the cluster", SOON_S)
    return Plan((), ClusterReason.SETTLED, "nothing to do", rest_s)


def _proposal(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Return the first proposal with a step that may be taken, else one that waits, else one that is blocked."""
    if not cluster.is_founded:
        return _first(replace_pods(cluster, observed), _founding(cluster, observed))
    roll = replace_pods(cluster, observed)
    return _first(
        remove_pods(cluster, observed),
        remove_observers(cluster, observed),
        await_restarts(cluster, observed),
        change_members(cluster, observed) if roll is None or not leader_has_other_password(observed) else None,
        *_observers_first(roll, roll_observers(cluster, observed)),
        await_departure(cluster, observed),
        await_return(cluster, observed),
    )


def _observers_first(voters: Proposal | None, observers: Proposal | None) -> tuple[Proposal | None, ...]:
    """Let voters wait for observers, unless a voter is mended that does not serve, or no observer can be replaced."""
    mends = voters is not None and isinstance(voters.step, RestartPod) and voters.step.harmless
    return (voters, observers) if observers is None or observers.blocked or mends else (observers,)


def _first(*proposals: Proposal | None) -> Proposal | None:
    made = [proposal for proposal in proposals if proposal is not None]
    ranked = sorted(made, key=lambda proposal: (proposal.step is None, bool(proposal.blocked)))
    return ranked[0] if ranked else None


def _founding(cluster: ValidatedCluster, observed: Observed) -> Proposal:
    serving = sum(observed.serving(member) is not None for member in observed.voters)
    message = f"{serving} of {len(observed.voters)} first members serve"
    missing = [cluster.names.pod(member) for member in sorted(observed.voters) if member not in observed.pods]
    if missing and observed.replicas is not None and not observed.creation_failure:
        message += f"; no pod yet: {', '.join(missing)} (kubectl describe statefulset {cluster.names.stateful_set})"
    if found := observed.troubles(observed.voters) or meeting_advice(cluster, observed):
        message += f"; {found}"
    if cluster.founders != cluster.spec.replicas and not cluster.take_over:
        message += (
            f"; the first {cluster.founders} members are fixed until they have served once: to start with "
            f"{cluster.spec.replicas} instead, delete the cluster and its claims, and create it again"
        )
    return Proposal(ClusterReason.BOOTSTRAPPING, message)
