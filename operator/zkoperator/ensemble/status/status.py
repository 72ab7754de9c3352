"""The status of a cluster, computed from what was observed and planned. Pure; `reporter.py` writes it."""

from typing import Any

from zkoperator.api.cluster import LastBackup, Member, MemberRole
from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import CLUSTER_RESTING, CLUSTER_STALLED, ClusterCondition, ClusterReason
from zkoperator.controller.conditions import MESSAGE_LIMIT, ConditionBuilder, clip
from zkoperator.controller.kstatus import standard_conditions
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.discovery import client_port
from zkoperator.ensemble.model.names import selector_text
from zkoperator.ensemble.observe.answers import Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.ownership import left_secrets
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.plan.approval import last_zxid
from zkoperator.ensemble.plan.binding import stale_binding
from zkoperator.ensemble.plan.gate import gate, voting
from zkoperator.ensemble.plan.observer_count import with_observers
from zkoperator.ensemble.plan.plan import Plan
from zkoperator.ensemble.plan.tls import tls_now
from zkoperator.ensemble.status.certificates import rotation_now
from zkoperator.ensemble.status.conditions import Facts, available, degraded, progressing, ready
from zkoperator.ensemble.status.external_hosts import external_hosts, late_message
from zkoperator.ensemble.status.memory_warnings import memory_warnings
from zkoperator.ensemble.status.recovery import idle_approval
from zkoperator.ensemble.status.tls import tls_status
from zkoperator.ensemble.status.volumes import volume_of
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import FieldError

Status = dict[str, Any]


def status_of(cluster: ValidatedCluster, observed: Observed, plan: Plan, now: str) -> Status:
    """Return the whole status except `bootstrap` and `incarnation`, which have steps of their own.

    `now` is RFC 3339.
    """
    cluster = with_observers(cluster, observed)
    facts = facts_of(cluster, observed, plan, now)
    conditions = [available(facts), ready(facts), progressing(facts), degraded(facts)]
    return (
        _summary(cluster, observed)
        | _unseen_leader(facts)
        | _last_backup(observed)
        | {
            "members": [member.manifest() for member in facts.members],
            "conditions": stamped(cluster.status.conditions, conditions, cluster.meta.generation, now),
        }
    )


def facts_of(cluster: ValidatedCluster, observed: Observed, plan: Plan, now: str) -> Facts:
    """Return the input of the conditions. `now` is RFC 3339."""
    rotation = rotation_now(cluster, observed)
    return Facts(
        cluster=cluster,
        observed=observed,
        plan=plan,
        verdict=gate(observed),
        serving=frozenset(member for member in observed.voters if voting(observed, member) is not None),
        members=_members(cluster, observed),
        warnings=(
            *memory_warnings(cluster, observed, now),
            *left_secrets(cluster, observed),
            *filter(None, [stale_binding(tls_now(cluster, observed), observed)]),
            *rotation.held_up,
            *filter(None, [idle_approval(cluster, observed), late_message(cluster, observed, now)]),
        ),
        rotation=rotation,
    )


def invalid_status(raw: Status, errors: tuple[FieldError, ...], generation: int, now: str) -> Status:
    """Return the status of an invalid object, with all its errors."""
    message = clip("; ".join(map(str, errors)), MESSAGE_LIMIT)
    wrong = [
        (ClusterCondition.READY, Truth.FALSE, ClusterReason.INVALID_SPEC, message),
        (ClusterCondition.DEGRADED, Truth.TRUE, ClusterReason.INVALID_SPEC, message),
    ]
    before = tuple(Condition.model_validate(condition) for condition in raw.get("conditions") or ())
    return {"observedGeneration": generation, "conditions": stamped(before, wrong, generation, now)}


def stamped(
    before: tuple[Condition, ...],
    found: list[tuple[ClusterCondition, Truth, ClusterReason, str]],
    generation: int,
    now: str,
) -> list[dict[str, Any]]:
    """Return all conditions; those without new fields are kept, and a transition time changes only with the status."""
    builder = ConditionBuilder(before, generation, now)
    known = {condition.type: condition for condition in before}
    known |= {condition[0].value: builder.build(*condition) for condition in found}
    said = (known[ClusterCondition.READY], known[ClusterCondition.DEGRADED])
    standard = standard_conditions(said, builder, stalled=CLUSTER_STALLED, resting=CLUSTER_RESTING)
    known |= {condition.type: condition for condition in standard}
    return [known[name].manifest() for name in sorted(known)]


def differs(old: Status, new: Status) -> bool:
    """Whether the new status differs from the old one in anything but transaction ids."""
    return any(_without_zxid(old.get(key)) != _without_zxid(value) for key, value in new.items())


def zxid_differs(old: Status, new: Status) -> bool:
    """Whether any transaction id differs."""
    return [m.get("zxid") for m in old.get("members") or ()] != [m.get("zxid") for m in new.get("members") or ()]


def _without_zxid(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_zxid(item) for item in value]
    return {key: item for key, item in value.items() if key != "zxid"} if isinstance(value, dict) else value


def _summary(cluster: ValidatedCluster, observed: Observed) -> Status:
    names, committed = cluster.names, observed.committed
    versions = {answer.version for member in observed.voters if (answer := observed.serving(member)) is not None}
    port, tls = client_port(tls_now(cluster, observed)), tls_status(cluster, observed)
    hosts = ",".join(f"{names.host(member)}:{port}" for member in sorted(observed.voters))
    summary: Status = {
        "observedGeneration": cluster.meta.generation,
        "readyReplicas": sum(pod.ready for pod in observed.pods.values()),
        "selector": selector_text(names.labels),
        **_observers(observed),
        "leader": names.pod(observed.leader) if observed.leader is not None else "",
        "version": next(iter(versions)) if len(versions) == 1 and observed.leader is not None else "",
        "endpoint": f"{names.service_host}:{port}",
        "hosts": hosts,
        "externalHosts": external_hosts(cluster, observed),
        "tls": tls.manifest() if tls is not None else None,
        "binding": _binding(cluster, observed),
    }
    if committed is None:
        # What is known of the configuration stays; the status of another object says nothing about this one.
        return summary | {"replicas": cluster.status.replicas}
    return summary | {"replicas": len(committed.voters), "configVersion": f"{committed.version:x}"}


def _binding(cluster: ValidatedCluster, observed: Observed) -> Status | None:
    """Return where the binding Secret is; what is known of it stays while it cannot be read."""
    if not observed.binding.known:
        before = cluster.status.binding
        return before.manifest() if before is not None else None
    return {"name": cluster.names.binding} if observed.binding.version is not None else None


def _observers(observed: Observed) -> Status:
    """Return the numbers of observers, nothing while there never were any."""
    if Child.OBSERVERS not in observed.children and not observed.observers:
        return {"observers": None, "readyObservers": None}
    ready = sum(pod.ready for pod in observed.observer_pods.values())
    return {"observers": len(observed.observers), "readyObservers": ready}


def _unseen_leader(facts: Facts) -> Status:
    """Return who led, while all that is known is that it has not answered for a moment."""
    cluster, observed, before = facts.cluster, facts.observed, facts.cluster.status.leader
    silent = {cluster.names.pod(member) for member in observed.voters - facts.serving}
    if observed.leaders or not facts.is_briefly_silent or before not in silent:
        return {}
    return {"leader": before, "version": cluster.status.version}


def _last_backup(observed: Observed) -> Status:
    """Return the newest backups; nothing while schedules are not known, so that what was last known stays."""
    found = observed.backups
    if found is None:
        return {}
    told = LastBackup(
        last_success_time=found.success or None, last_verified_time=found.verified or None, zxid=found.zxid or None
    ).manifest()
    return {"backup": told or None}


def _members(cluster: ValidatedCluster, observed: Observed) -> tuple[Member, ...]:
    known = {server.id for server in observed.committed.servers} if observed.committed is not None else set()
    ids = sorted(set(observed.all_pods) | observed.voters | known)
    return tuple(_member(cluster, observed, member) for member in ids if member <= 255)


def _member(cluster: ValidatedCluster, observed: Observed, member: int) -> Member:
    answer, pod = observed.answer(member), observed.pod(member)
    serving = answer if isinstance(answer, Serving) else None
    return Member(
        name=cluster.names.pod(member),
        id=member,
        role=_role(cluster, observed, member),
        ready=pod is not None and pod.ready,
        version=serving.version if serving is not None else "",
        zxid=f"{serving.zxid:x}" if serving is not None else last_zxid(cluster, member),
        reason=_why(observed, member, pod),
        volume=volume_of(observed, member),
    )


def _role(cluster: ValidatedCluster, observed: Observed, member: int) -> MemberRole:
    answer, committed = observed.serving(member), observed.committed
    if answer is None:
        return MemberRole.UNKNOWN
    if committed is not None and member not in cluster.members | cluster.observers:
        return MemberRole.LEAVING
    if committed is not None and committed.find(member) is None:
        return MemberRole.JOINING
    roles = {Mode.LEADER: MemberRole.LEADER, Mode.FOLLOWER: MemberRole.FOLLOWER, Mode.OBSERVER: MemberRole.OBSERVER}
    return roles.get(answer.mode, MemberRole.UNKNOWN)


def _why(observed: Observed, member: int, pod: PodView | None) -> str:
    if pod is None:
        return "it has no pod"
    if pod.deleting:
        return "its pod is being stopped"
    if pod.trouble:
        return pod.trouble
    match observed.answer(member):
        case NotServing():
            return "it has no quorum"
        case Silent(why):
            return why if pod.ip else "its pod is starting"
        case _:
            return ""
