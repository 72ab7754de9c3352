"""What a person can do when the operator must not act: sentences with commands, for conditions. Pure."""

from zkoperator.ensemble.model.names import RECOVER
from zkoperator.ensemble.observe.divergence import Divergence
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.status.recovery import propose_recovery
from zkoperator.ensemble.validate import ValidatedCluster


def after_lost_quorum(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return what to do when too few members run."""
    selector = f"-n {cluster.meta.namespace} -l app.kubernetes.io/instance={cluster.meta.name}"
    way_back = (
        "members come back by themselves when their pods and volumes do, so delete no claim: "
        f"kubectl get pods,pvc {selector}; kubectl describe pods {selector}; kubectl logs --prefix {selector}"
    )
    return "; ".join(filter(None, (way_back, propose_recovery(cluster, observed))))


def after_wiped_majority(cluster: ValidatedCluster, idle: list[int]) -> str:
    """Return what to do when a majority runs but elects no leader."""
    name, where = cluster.meta.name, f"-n {cluster.meta.namespace}"
    return (
        f"delete nothing. (1) Which members have data: kubectl zk recover {name} {where}, or of each pod: kubectl logs "
        f"{where} {cluster.names.pod(idle[0])} | grep 'New election' (0x0, 0x8000..., 0xffff...: none) (2) Bring back "
        f"every member that may have more. (3) To go on from the one with the largest: kubectl annotate zk {name} "
        f"{where} {RECOVER}=<pod>@<zxid> --overwrite; the others copy its data"
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
