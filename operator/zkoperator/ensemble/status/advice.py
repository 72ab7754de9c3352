"""What a person can do when the operator must not act: sentences with commands, for conditions. Pure."""

from zkoperator.ensemble.observe.divergence import Divergence
from zkoperator.ensemble.validate import ValidatedCluster


def after_lost_quorum(cluster: ValidatedCluster) -> str:
    """Return what to do when too few members run."""
    selector = f"-n {cluster.meta.namespace} -l app.kubernetes.io/instance={cluster.meta.name}"
    return (
        "members come back by themselves when their pods and volumes do, so delete no claim: "
        f"kubectl get pods,pvc {selector}; kubectl describe pods {selector}; kubectl logs --prefix {selector}"
    )


def after_wiped_majority(cluster: ValidatedCluster, idle: list[int]) -> str:
    """Return what to do when a majority runs but elects no leader."""
    where = f"-n {cluster.meta.namespace}"
    first, *others = (cluster.names.pod(member) for member in idle)
    empty = next(iter(others), first)
    return (
        "delete nothing. (1) Which members have data, of each pod: "
        f"kubectl exec {where} {first} -- ls /data/data/version-2 (2) Every member with data must run. (3) Then, on "
        f"one empty member only, let it vote once: kubectl exec {where} {empty} -- touch /data/recover && kubectl "
        f"delete pod {where} {empty} (4) Wait for a leader; the others sync by themselves"
    )


def after_divergence(cluster: ValidatedCluster, divergence: Divergence) -> str:
    """Return which members differ, and what to do before anything is deleted."""
    names = cluster.names
    counting = ", ".join(names.pod(member) for member in divergence.members)
    groups = " | ".join("+".join(names.pod(member) for member in group) for group in divergence.groups)
    pod = names.pod(divergence.members[0])
    return (
        f"{counting}: transactions had another result there than on the leader, so the data of members differs. "
        f"Groups of equal data: {groups or 'not known yet'}. The count does not say who is right: a wrong leader makes "
        "the right members count. Delete nothing, restart nothing. First copy the data of one member of each group: "
        f"kubectl exec -n {names.namespace} {pod} -- tar cf - /data/data > {pod}.tar; then compare the znodes"
    )
