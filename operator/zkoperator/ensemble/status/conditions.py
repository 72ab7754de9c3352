"""The four conditions of a cluster. What was not observed is reported as Unknown. Pure."""

from dataclasses import dataclass

from zkoperator.api.cluster import Member
from zkoperator.api.incarnation import Origin
from zkoperator.api.meta import Truth
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.controller.events import NOTE_LIMIT
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.spec_warnings import held_nodes, observed_warnings
from zkoperator.ensemble.observe.answers import NotServing, Silent
from zkoperator.ensemble.observe.downtime import ELECTION_S, RETURN_S
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import Running
from zkoperator.ensemble.plan.claim_templates import MADE_AGAIN
from zkoperator.ensemble.plan.gate import Verdict
from zkoperator.ensemble.plan.meeting import meeting_advice
from zkoperator.ensemble.plan.plan import Plan
from zkoperator.ensemble.plan.replacement import due_volumes
from zkoperator.ensemble.plan.terminating_claims import claims_message, terminating_claims
from zkoperator.ensemble.status.advice import after_divergence, after_lost_quorum, after_wiped_majority
from zkoperator.ensemble.status.certificates import wrong_certificate
from zkoperator.ensemble.status.external_hosts import pending_message
from zkoperator.ensemble.status.lost_nodes import on_lost_node
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.pki.rotation import Rotation

ConditionFields = tuple[ClusterCondition, Truth, ClusterReason, str]

_REFUSED = (ClusterReason.FOREIGN_OBJECT, ClusterReason.FORBIDDEN, ClusterReason.INVALID_SPEC)
"""Reasons of a plan that only a person can resolve."""

WIPED_S = 30.0
"""Seconds without an elected leader after which a running majority is assumed to have lost its volumes."""

_EVENT_ROOM = NOTE_LIMIT - len("Degraded is Unknown: ") - 2 * len("; ")
"""Characters of the message of Degraded that an Event about it has."""

_LEAST_TROUBLES = 150
"""Characters about pods that do not run which are always shown; `status.members` has the whole."""

WARNING = "warning: "
"""Begin of the message of Degraded when only warnings about the spec are reported."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The input of the conditions.

    `verdict` is that of the gate with no member excluded, `serving` are voters, `warnings` are about what was observed,
    `rotation` is what certificates need next.
    """

    cluster: ValidatedCluster
    observed: Observed
    plan: Plan
    verdict: Verdict
    serving: frozenset[int]
    members: tuple[Member, ...]
    rotation: Rotation
    warnings: tuple[str, ...] = ()

    @property
    def quorum(self) -> int:
        """How many voters make a majority, as far as the voters are known."""
        return len(self.observed.voters) // 2 + 1

    @property
    def quorum_serves(self) -> bool:
        """Whether exactly one leader and a majority of the voters serve."""
        return self.observed.committed is not None and len(self.serving) >= self.quorum

    @property
    def is_briefly_silent(self) -> bool:
        """Whether the only fault is that ready members have not answered for less than an election takes."""
        away = self.observed.voters - self.serving
        return bool(away) and all(
            _is_unreachable(self.observed, member) and self.observed.downtime_s.get(member, 0.0) < ELECTION_S
            for member in away
        )

    @property
    def is_restoring(self) -> bool:
        """Whether members are stopped, or not started yet, for a restore."""
        recovery = self.cluster.recovery
        return recovery is not None and recovery.from_ is Origin.BACKUP

    @property
    def may_serve(self) -> int:
        """How many voters may serve: voters that serve, and voters that the operator cannot reach."""
        return sum(
            1 for member in self.observed.voters if member in self.serving or _is_unreachable(self.observed, member)
        )


def available(facts: Facts) -> ConditionFields:
    """Return whether a quorum serves."""
    count = f"{len(facts.serving)} of {len(facts.observed.voters)} voters serve"
    if (last := _last_if_briefly_silent(facts, ClusterCondition.AVAILABLE)) is not None:
        return last
    if facts.quorum_serves:
        leader = facts.cluster.names.pod(facts.observed.leader or 0)
        return ClusterCondition.AVAILABLE, Truth.TRUE, ClusterReason.QUORUM_SERVES, f"{count}, {leader} leads"
    if not facts.cluster.is_founded:
        return ClusterCondition.AVAILABLE, Truth.FALSE, ClusterReason.BOOTSTRAPPING, count
    if facts.is_restoring:
        return ClusterCondition.AVAILABLE, Truth.FALSE, ClusterReason.RESTORING, f"{count}; {facts.plan.message}"
    if facts.may_serve >= facts.quorum:
        message = f"{count}; {facts.may_serve - len(facts.serving)} do not answer the operator"
        return ClusterCondition.AVAILABLE, Truth.UNKNOWN, ClusterReason.UNKNOWN, message
    return ClusterCondition.AVAILABLE, Truth.FALSE, ClusterReason.QUORUM_LOST, f"{count}, {facts.quorum} are needed"


def ready(facts: Facts) -> ConditionFields:
    """Return whether the newest spec is in place and every voter serves in sync."""
    if not facts.plan.settled:
        return ClusterCondition.READY, Truth.FALSE, facts.plan.reason, facts.plan.message
    if (last := _last_if_briefly_silent(facts, ClusterCondition.READY)) is not None:
        return last
    if not facts.verdict.open:
        return ClusterCondition.READY, Truth.FALSE, ClusterReason.MEMBER_DOWN, facts.verdict.why
    if stray := _strays(facts):
        return ClusterCondition.READY, Truth.FALSE, ClusterReason.REPAIRING, stray
    if late := [member.name for member in facts.members if not member.ready]:
        message = f"waiting for the readiness of {', '.join(late)}"
        return ClusterCondition.READY, Truth.FALSE, ClusterReason.APPLYING, message
    message = f"{len(facts.serving)} of {facts.cluster.spec.replicas} voters serve in sync"
    if held := held_nodes(facts.cluster.spec):
        # The column Message of `kubectl get zk` is this one: a drain that waits for ever is not understood otherwise.
        message += f"; {WARNING}{held}"
    if pending := pending_message(facts.cluster, facts.observed):
        message += f"; {pending}"
    return ClusterCondition.READY, Truth.TRUE, ClusterReason.IN_SYNC, message


def _last_if_briefly_silent(facts: Facts, kind: ClusterCondition) -> ConditionFields | None:
    """Return the last condition if it was true for this spec and members are only briefly silent, else None."""
    before = next((c for c in facts.cluster.status.conditions if c.type == kind.value), None)
    if not facts.is_briefly_silent or before is None or before.status is not Truth.TRUE:
        return None
    if before.observed_generation != facts.cluster.meta.generation:
        return None
    return kind, before.status, ClusterReason(before.reason), before.message


def progressing(facts: Facts) -> ConditionFields:
    """Return what is being done, or what blocks it."""
    plan = facts.plan
    done = plan.reason in (ClusterReason.SETTLED, ClusterReason.PAUSED, *_REFUSED)
    truth = Truth.FALSE if done else Truth.TRUE
    return ClusterCondition.PROGRESSING, truth, plan.reason, plan.message


def degraded(facts: Facts) -> ConditionFields:
    """Return the gravest fault."""
    found = _wrong(facts)
    if found is not None:
        return ClusterCondition.DEGRADED, Truth.TRUE, *found
    versions = (member.version for member in facts.members)
    warnings = (*facts.warnings, *facts.cluster.warnings, *observed_warnings(facts.cluster.image, versions))
    message = WARNING + "; ".join(warnings) if warnings else "nothing is known to be wrong"
    return ClusterCondition.DEGRADED, Truth.FALSE, ClusterReason.HEALTHY, message


def _wrong(facts: Facts) -> tuple[ClusterReason, str] | None:
    observed = facts.observed
    if facts.plan.reason in (*_REFUSED, ClusterReason.RESTORE_FAILED):
        return facts.plan.reason, facts.plan.message
    if facts.is_restoring:
        return _failing_pod(facts)
    if facts.is_briefly_silent:
        return _lesser(facts)
    if facts.cluster.is_founded and not facts.quorum_serves and observed.leaderless_s > ELECTION_S:
        return _lost(facts)
    due = due_volumes(facts.cluster, observed)
    going = tuple(member for member in terminating_claims(observed) if member not in due)
    if going and facts.cluster.is_founded:
        return ClusterReason.CLAIMS_TERMINATING, claims_message(facts.cluster, going)
    if facts.cluster.is_founded and (found := on_lost_node(facts.cluster, observed)) is not None:
        return found
    if (found := _failing_pod(facts)) is not None:
        return found
    if not facts.cluster.is_founded and (advice := meeting_advice(facts.cluster, observed)):
        return ClusterReason.MEMBER_DOWN, advice
    down = [member for member in sorted(observed.voters - facts.serving) if not _is_expected_back(facts, member)]
    if down and facts.cluster.is_founded and facts.quorum_serves:
        names = ", ".join(_named(facts, member) for member in down)
        return ClusterReason.MEMBER_DOWN, f"{len(down)} of {len(observed.voters)} voters do not serve: {names}"
    return _lesser(facts)


def _lesser(facts: Facts) -> tuple[ClusterReason, str] | None:
    """Return what is wrong although every voter serves."""
    if away := _observers_down(facts):
        return ClusterReason.MEMBER_DOWN, away
    found = _diverged(facts) or wrong_certificate(facts.cluster, facts.observed, facts.rotation)
    backups = facts.observed.backups
    if found is not None or backups is None or not backups.overdue:
        return found
    return ClusterReason.BACKUP_OVERDUE, backups.overdue


def _observers_down(facts: Facts) -> str:
    """Name observers that do not serve for long. Their clients go to others; writes do not miss them."""
    observed, cluster = facts.observed, facts.cluster
    wanted = sorted(cluster.observers & observed.observers)
    down = [m for m in wanted if observed.serving(m) is None and observed.downtime_s.get(m, 0.0) > ELECTION_S]
    down = [member for member in down if not _is_expected_back(facts, member)]
    if not down or not facts.quorum_serves:
        return ""
    return f"{len(down)} of {len(wanted)} observers do not serve: {', '.join(_named(facts, member) for member in down)}"


def _failing_pod(facts: Facts) -> tuple[ClusterReason, str] | None:
    """Return why a pod is missing, does not run, or does not belong to the StatefulSet."""
    observed = facts.observed
    if observed.creation_failure:
        return ClusterReason.POD_FAILING, observed.creation_failure
    for member, pod in sorted(observed.all_pods.items()):
        if pod.trouble:
            reason = ClusterReason.UNSCHEDULABLE if pod.unschedulable else ClusterReason.POD_FAILING
            return reason, f"{facts.cluster.names.pod(member)}: {pod.trouble}"
    stray = _strays(facts)
    return (ClusterReason.POD_FAILING, stray) if stray else None


def _strays(facts: Facts) -> str:
    """Name voters whose pods the StatefulSet does not have: it could not make them again."""
    observed, names = facts.observed, facts.cluster.names
    live = observed.children.get(Child.STATEFUL_SET)
    pods = [observed.pods[member] for member in sorted(observed.voters) if member in observed.pods]
    strays = [pod.name for pod in pods if live is not None and pod.owner_uid != live["metadata"]["uid"]]
    if not strays or facts.plan.reason in MADE_AGAIN:
        return ""
    labels = " ".join(f"{key}={value}" for key, value in sorted(names.labels.items()))
    return (
        f"{', '.join(strays)} is no pod of StatefulSet {names.stateful_set}, which cannot make it again: unless it is "
        f"taken back by itself, kubectl label pod {strays[0]} --overwrite {labels}"
    )


def _lost(facts: Facts) -> tuple[ClusterReason, str]:
    if facts.plan.reason is ClusterReason.RECOVERING:
        return ClusterReason.QUORUM_LOST, facts.plan.message
    observed, count = facts.observed, f"{len(facts.serving)} of {len(facts.observed.voters)} voters serve"
    if facts.may_serve >= facts.quorum:
        return ClusterReason.UNKNOWN, f"{count}; whether a quorum serves is not known"
    idle = [member for member in observed.voters if isinstance(observed.answer(member), NotServing)]
    needed = f"{count}, {facts.quorum} are needed"
    if len(idle) >= facts.quorum and observed.leaderless_s > WIPED_S:
        # Their answers do not say why: a running majority without a leader has lost its disks or its network.
        why = (
            f"{len(idle)} run without electing a leader: unless the network between them is cut, a majority "
            f"has lost its volumes and waits rather than start empty; {after_wiped_majority(facts.cluster, idle)}"
        )
        return ClusterReason.MAJORITY_WIPED, _with_troubles(observed, needed, why)
    return ClusterReason.QUORUM_LOST, _with_troubles(observed, needed, after_lost_quorum(facts.cluster, observed))


def _with_troubles(observed: Observed, needed: str, advice: str) -> str:
    """Return the message. What keeps pods from running is cut, so that the commands fit into an Event as well."""
    room = max(_LEAST_TROUBLES, _EVENT_ROOM - len(needed) - len(advice))
    return "; ".join(filter(None, (needed, observed.troubles(observed.voters, room), advice)))


def _is_expected_back(facts: Facts, member: int) -> bool:
    """Whether the member does not serve because the operator restarts it."""
    rolling = facts.plan.reason in (
        ClusterReason.BOOTSTRAPPING,
        ClusterReason.ROLLING_RESTART,
        ClusterReason.UPGRADING,
        ClusterReason.CHANGING_TLS,
        ClusterReason.EXPANDING_VOLUMES,
        ClusterReason.REPLACING_VOLUMES,
    )
    return rolling and facts.observed.downtime_s.get(member, 0.0) < RETURN_S


def _named(facts: Facts, member: int) -> str:
    name = facts.cluster.names.pod(member)
    why = next((known.reason for known in facts.members if known.id == member), "")
    return f"{name} ({why})" if why else name


def _diverged(facts: Facts) -> tuple[ClusterReason, str] | None:
    divergence = facts.observed.divergence
    if divergence is None:
        return None
    return ClusterReason.DATA_DIVERGED, after_divergence(facts.cluster, divergence)


def _is_unreachable(observed: Observed, member: int) -> bool:
    """Whether the member runs and is ready according to Kubernetes, but does not answer the operator."""
    pod = observed.pods.get(member)
    return (
        isinstance(observed.answer(member), Silent) and pod is not None and pod.running is not Running.NO and pod.ready
    )
