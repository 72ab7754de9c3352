"""Which children must exist now, and the steps that create or repair them. None of these steps is disruptive. Pure."""

from dataclasses import replace
from typing import Any

from zkoperator.api.incarnation import Incarnation
from zkoperator.api.observers import MAX_OBSERVERS
from zkoperator.ensemble.build.children import Child, Desired
from zkoperator.ensemble.build.networkpolicy import grants_egress
from zkoperator.ensemble.model.configuration import Server
from zkoperator.ensemble.model.names import OBSERVER_BASE, is_observer
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.binding import serves_tls
from zkoperator.ensemble.plan.drift import changed_fields, covers
from zkoperator.ensemble.plan.restart_request import rollout_baseline
from zkoperator.ensemble.plan.steps import ApplyChild, CreateSecret, LabelPod, RemoveChild, Step
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import STATEFUL_SETS, Manifest


def wanted_pods(cluster: ValidatedCluster, observed: Observed) -> int:
    """Return how many pods must exist: never fewer than the committed members need, even if the spec asks for fewer.

    In a recovery it is the seed's alone.
    """
    if cluster.recovery is not None:
        return 1
    if not cluster.is_founded:
        return cluster.founders
    needed = _last_needed(cluster, observed, known_servers(cluster, observed))
    return needed if observed.committed is not None else max(needed, observed.replicas or 0)


def _last_needed(cluster: ValidatedCluster, observed: Observed, servers: tuple[Server, ...]) -> int:
    """Return the last member whose pod is needed.

    The ids that the operator gives have no gaps. A member beyond a gap was added by hand and gets no pod.
    """
    ours = {server.id for server in servers if cluster.names.is_host(server.id, server.address)}
    last = cluster.spec.replicas
    while last + 1 in ours:
        last += 1
    return max({last} | (ours & observed.pods.keys()))


def wanted_observers(cluster: ValidatedCluster, observed: Observed) -> int:
    """Return how many pods of observers must exist: never fewer than are in the configuration.

    None exist before there is an ensemble to observe, nor in a recovery, for which all members of the past must end.
    """
    if cluster.recovery is not None or not cluster.is_founded:
        return 0
    if cluster.observers_are_scaled:
        # Whoever scales them ends pods without asking. They are taken out of the configuration afterwards.
        return cluster.observer_count
    servers = known_servers(cluster, observed)
    listed = (server.id for server in servers if cluster.names.is_host(server.id, server.address))
    wanted = max(cluster.observers | {member for member in listed if is_observer(member)}, default=OBSERVER_BASE)
    return min(wanted - OBSERVER_BASE, MAX_OBSERVERS)


def known_servers(cluster: ValidatedCluster, observed: Observed) -> tuple[Server, ...]:
    """Return the members for the ConfigMap: the committed ones, else the recorded ones, else all that may be members.

    A cluster that starts from kept claims does not know who votes, and its spec may ask for more members than there are
    kept claims. A majority can only form if all that may vote have pods and are listed.
    """
    if cluster.recovery is not None:
        return (cluster.server(seed_of(cluster, cluster.recovery)),)
    if observed.committed is not None:
        return observed.committed.servers
    if not cluster.is_founded:
        return _numbered(cluster, cluster.founders)
    replicas = cluster.status.replicas
    if observed.recorded and (replicas > 0 or cluster.incarnation > 0):
        return observed.recorded
    guessed = _numbered(cluster, max(cluster.founders, replicas or cluster.spec.replicas))
    return tuple(sorted({server.id: server for server in (*guessed, *observed.recorded)}.values()))


def seed_of(cluster: ValidatedCluster, recovery: Incarnation) -> int:
    """Return the member from whose data the ensemble begins again."""
    return cluster.names.member_of(recovery.seed) or 1


def _numbered(cluster: ValidatedCluster, count: int) -> tuple[Server, ...]:
    return tuple(cluster.server(member) for member in range(1, count + 1))


def voters_of_budget(cluster: ValidatedCluster, observed: Observed) -> int:
    """Return for how many voters the disruption budget is."""
    return len(_desired(cluster, observed).voters)


def stateful_set_of(cluster: ValidatedCluster, observed: Observed, pods: int) -> Manifest:
    """Return the StatefulSet with this many pods."""
    manifest = Child.STATEFUL_SET.build(cluster, replace(_desired(cluster, observed), pods=pods))
    return _with_present_templates(observed, manifest)


def _with_present_templates(observed: Observed, manifest: Manifest) -> Manifest:
    """Return the StatefulSet with the claim templates of the live one, if others are asked for: none can be changed."""
    live = observed.children.get(Child.STATEFUL_SET)
    present = live["spec"].get("volumeClaimTemplates") if live is not None else None
    if present is None or not _differ(present, manifest["spec"].get("volumeClaimTemplates")):
        return manifest
    return {**manifest, "spec": {**manifest["spec"], "volumeClaimTemplates": present}}


def _differ(present: Any, asked: Any) -> bool:
    return bool(changed_fields({"templates": present}, {"templates": asked}))


def observers_of(cluster: ValidatedCluster, observed: Observed, pods: int) -> Manifest:
    """Return the StatefulSet of observers with this many pods."""
    return Child.OBSERVERS.build(cluster, replace(_desired(cluster, observed), observers=pods))


def child_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return the steps that create or repair children, in the order in which the members need them."""
    secret: tuple[Step, ...] = () if observed.secret_id is not None else (CreateSecret(),)
    # The pod template contains a digest of the password, so no child is written before the password exists.
    desired = _desired(cluster, observed)
    children = [child for child in Child if _may_exist(cluster, observed, desired, child)] if observed.secret_id else []
    built = {child: child.build(cluster, desired) for child in children}
    if Child.STATEFUL_SET in built:
        built[Child.STATEFUL_SET] = _with_present_templates(observed, built[Child.STATEFUL_SET])
    steps = [step for child, manifest in built.items() for step in _step(observed, child, manifest)]
    # What others would take the place of goes first: two Services cannot have one port of the nodes.
    needed = [step for step in steps if not step.child.is_optional]
    return (*secret, *needed, *_removals(cluster, observed, desired), *(step for step in steps if step not in needed))


def _removals(cluster: ValidatedCluster, observed: Observed, desired: Desired) -> tuple[RemoveChild, ...]:
    """Return the steps that delete children for which nobody asks any more."""
    idle = [
        (child, live["metadata"])
        for child, live in observed.children.items()
        if child.is_optional and child not in observed.refused_children and not child.is_asked(cluster, desired)
    ]
    return tuple(
        RemoveChild(child, meta["uid"], meta["resourceVersion"])
        for child, meta in idle
        if "deletionTimestamp" not in meta
    )


def _may_exist(cluster: ValidatedCluster, observed: Observed, desired: Desired, child: Child) -> bool:
    """Whether the child may be made: no pod before its certificates, and nothing that nobody asked for.

    An optional one that was refused a moment ago is not asked for again at once.
    """
    is_asked = child.is_asked(cluster, desired)
    if child.is_optional:
        return is_asked and child not in observed.refused_children
    if child in observed.children:
        return True
    if not is_asked or (child.of_observers and not cluster.is_founded):
        return False
    has_certificates = observed.certificates.suffice(cluster.tls)
    return child.resource is not STATEFUL_SETS or has_certificates


def _desired(cluster: ValidatedCluster, observed: Observed) -> Desired:
    """Return what the planner decides about the children. Only `remove_pods` lowers the replicas."""
    recovery = cluster.recovery
    return Desired(
        servers=known_servers(cluster, observed),
        pods=max(wanted_pods(cluster, observed), observed.replicas or 0) if recovery is None else 1,
        first=seed_of(cluster, recovery) if recovery is not None else 1,
        bootstrap_token=cluster.bootstrap_token,
        secret_id=observed.secret_id or "",
        certificates=observed.certificates.life(cluster.tls),
        egress=_needs_egress(observed),
        rollout_baseline=rollout_baseline(observed),
        tls_served=serves_tls(cluster, observed),
        observers=max(wanted_observers(cluster, observed), observed.replicas_of(Child.OBSERVERS) or 0),
    )


def _needs_egress(observed: Observed) -> bool:
    """Return whether members need a grant to dial one another. Until that was observed, an earlier grant stays."""
    if observed.egress_policies is None:
        return grants_egress(observed.children.get(Child.NETWORK_POLICY))
    return bool(observed.egress_policies)


def _step(observed: Observed, child: Child, manifest: Manifest) -> tuple[ApplyChild, ...]:
    live = observed.children.get(child)
    if live is None:
        return (ApplyChild(child, manifest),)
    if live["metadata"].get("deletionTimestamp") or covers(live, manifest):
        return ()
    return (ApplyChild(child, manifest, live["metadata"]["uid"], live["metadata"]["resourceVersion"]),)


def label_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[Step, ...]:
    """Return what takes back pods that a label edit has set aside. Only pods that the operator's StatefulSet made."""
    names = cluster.names
    wanted = {m: names.labels_of(cluster.of(m).component) for m in observed.all_pods}
    return tuple(
        LabelPod(pod.name, pod.resource_version, wanted[member])
        for member, pod in sorted(observed.all_pods.items())
        if not wanted[member].items() <= pod.labels.items() and not pod.deleting and pod.revision
    )
