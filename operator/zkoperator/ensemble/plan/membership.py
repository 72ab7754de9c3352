"""Changes of the committed configuration: growth, shrinking and repair, one reconfiguration in a plan. Pure."""

from dataclasses import replace

from zkoperator.api.cluster import MAX_REPLICAS
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import CLOSED, OPEN, Configuration, Server
from zkoperator.ensemble.model.names import is_observer
from zkoperator.ensemble.observe.answers import Mode
from zkoperator.ensemble.observe.downtime import ELECTION_S, RETURN_S
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.child_steps import stateful_set_of, wanted_pods
from zkoperator.ensemble.plan.gate import gate, voting
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.plan.roll import overdue
from zkoperator.ensemble.plan.steps import Reconfigure, RemovePods
from zkoperator.ensemble.validate import ValidatedCluster


def joining(cluster: ValidatedCluster, committed: Configuration) -> tuple[Server, ...]:
    """Return the lines that the configuration lacks, or has with another role or address."""
    wanted = (cluster.server(member) for member in sorted(cluster.members | cluster.observers))
    return tuple(server for server in wanted if committed.find(server.id) != server)


def leaving(cluster: ValidatedCluster, committed: Configuration) -> tuple[int, ...]:
    """Return the members that the spec does not ask for."""
    wanted = cluster.members | cluster.observers
    return tuple(server.id for server in committed.servers if server.id not in wanted)


def change_members(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose the next reconfiguration, None when the configuration is as it should be."""
    committed = observed.committed
    if committed is None:
        return _leaderless(cluster, observed)
    joiners, leavers = joining(cluster, committed), leaving(cluster, committed)
    if not joiners and not leavers:
        return None
    new = tuple(server for server in joiners if server.voting and server.id not in committed.voters)
    missing = tuple(server.id for server in new if not _serves(observed, server.id))
    absent = _absent_observers(observed, committed, joiners)
    # All new voters are added at once: one by one, the ensemble would have two for a while and survive no loss.
    ready = tuple(s for s in joiners if s.id not in absent and (s not in new or not missing))
    if not ready and not leavers:
        return _waiting(cluster, observed, (*missing, *absent))
    going = frozenset((*leavers, *(server.id for server in ready if not server.voting)))
    voters = (committed.voters - going) | {server.id for server in ready if server.voting}
    if not voters & committed.voters:
        return Proposal(ClusterReason.BLOCKED, "", blocked="0 of the present voters would stay")
    verdict = gate(observed, excluded=going, unreachable=_unreachable(observed, committed, ready) - going)
    reason, message = _words(cluster, committed, ready, leavers)
    if not verdict.open:
        return Proposal(reason, message, blocked=verdict.why)
    return Proposal(reason, message, Reconfigure(ready, leavers, committed.version, frozenset(voters)))


def _absent_observers(observed: Observed, committed: Configuration, joiners: tuple[Server, ...]) -> tuple[int, ...]:
    """Return the new observers that do not serve yet. Each is added when it does, as nobody counts them."""
    new = (server.id for server in joiners if not server.voting and committed.find(server.id) is None)
    return tuple(member for member in new if not _serves(observed, member))


def _leaderless(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait for a leader if the members, as far as they are known, are not those of the spec."""
    voters, wanted, why = observed.voters, cluster.spec.replicas, gate(observed).why
    if cluster.status.replicas == 0:
        reason, patience_s = ClusterReason.BOOTSTRAPPING, RETURN_S
        message = f"taking up the ensemble of {len(voters)} members"
    elif voters != cluster.members:
        reason = ClusterReason.SCALING_UP if len(voters) < wanted else ClusterReason.SCALING_DOWN
        message, patience_s = f"{len(voters)} voters are to become {wanted}", ELECTION_S
    else:
        return None
    if observed.leaderless_s > patience_s:
        return Proposal(reason, message, blocked=why)
    return Proposal(reason, f"{message} as soon as there is a leader: {why}")


def _unreachable(observed: Observed, committed: Configuration, repaired: tuple[Server, ...]) -> frozenset[int]:
    """Return the voters that do not answer and whose own lines are wrong, which may be why."""
    return frozenset(s.id for s in repaired if s.id in committed.voters and voting(observed, s.id) is None)


def remove_pods(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to remove the pods of members that have left the committed configuration."""
    wanted, live = wanted_pods(cluster, observed), observed.children.get(Child.STATEFUL_SET)
    if observed.committed is None or live is None or observed.replicas is None or observed.replicas <= wanted:
        return None
    removed = tuple(range(wanted + 1, observed.replicas + 1))
    if any(observed.committed.find(member) is not None for member in removed):
        return None
    meta, manifest = live["metadata"], stateful_set_of(cluster, observed, wanted)
    step = RemovePods(manifest, meta["uid"], meta["resourceVersion"], removed)
    return Proposal(ClusterReason.SCALING_DOWN, f"removing the pods of {_names(cluster, removed)}", step)


def await_departure(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait for pods that are still terminating after a removal."""
    going = [pod for member, pod in sorted(observed.pods.items()) if member > wanted_pods(cluster, observed)]
    if observed.committed is None or not going:
        return None
    message = f"waiting for the end of {', '.join(pod.name for pod in going)}"
    return Proposal(ClusterReason.SCALING_DOWN, message, blocked=overdue(observed, going))


def _serves(observed: Observed, member: int) -> bool:
    answer, pod = observed.serving(member), observed.pod(member)
    serves = answer is not None and answer.mode in (Mode.FOLLOWER, Mode.LEADER, Mode.OBSERVER)
    return serves and pod is not None and not pod.deleting


def _was_settled(cluster: ValidatedCluster) -> bool:
    """Whether the configuration already matched this spec, so that another client must have changed it since."""
    last = next((c for c in cluster.status.conditions if c.type == ClusterCondition.PROGRESSING.value), None)
    return (
        last is not None
        and last.observed_generation == cluster.meta.generation
        and last.reason in (ClusterReason.SETTLED, ClusterReason.REPAIRING)
    )


def _waiting(cluster: ValidatedCluster, observed: Observed, missing: tuple[int, ...]) -> Proposal:
    reason = ClusterReason.REPAIRING if _was_settled(cluster) else ClusterReason.SCALING_UP
    troubles = observed.troubles(missing)
    message = troubles or f"{_names(cluster, missing)} to serve as non-voters"
    if not troubles and (podless := [member for member in missing if observed.pod(member) is None]):
        names = cluster.names
        name = names.observers if is_observer(podless[0]) else names.stateful_set
        message += f"; if no pods appear: kubectl describe statefulset {name}"
    return Proposal(reason, f"waiting for {message}")


def _words(
    cluster: ValidatedCluster, committed: Configuration, joiners: tuple[Server, ...], leavers: tuple[int, ...]
) -> tuple[ClusterReason, str]:
    new = tuple(server.id for server in joiners if committed.find(server.id) is None)
    parts = [f"adding {_names(cluster, new)}"] if new else []
    moved = _moved_ports(committed, joiners)
    if moved:
        how = "opening" if cluster.plaintext_open else "closing"
        parts.append(f"{how} the plaintext port of {_names(cluster, moved)}")
    if repaired := tuple(server.id for server in joiners if server.id not in (*new, *moved)):
        parts.append(f"repairing the entries of {_names(cluster, repaired)}")
    if leavers:
        parts.append(f"removing {_names(cluster, leavers)}")
    strangers = any(member > MAX_REPLICAS and not is_observer(member) for member in leavers)
    drifted = repaired or strangers or (new and leavers) or _was_settled(cluster)
    if moved and not drifted:
        return ClusterReason.CHANGING_TLS, f"{' and '.join(parts)} by reconfiguration"
    reason = ClusterReason.REPAIRING if drifted else ClusterReason.SCALING_UP if new else ClusterReason.SCALING_DOWN
    return reason, f"{' and '.join(parts)} by reconfiguration"


def _moved_ports(committed: Configuration, joiners: tuple[Server, ...]) -> tuple[int, ...]:
    """Return the members whose lines differ only in that plaintext is open or closed."""
    present = {server.id: server for server in committed.servers}
    return tuple(
        server.id
        for server in joiners
        if server.id in present
        and {server.client, present[server.id].client} == {OPEN, CLOSED}
        and replace(server, client=OPEN) == replace(present[server.id], client=OPEN)
    )


def _names(cluster: ValidatedCluster, members: tuple[int, ...]) -> str:
    return ", ".join(cluster.names.pod(member) for member in members)
