"""Voters whose volume claims are being deleted while their pods still use them. Pure.

A deleted claim stays until its pod has ended, and then takes the volume with it. So the end of a pod, a restart
included, is the moment in which the data goes: no restart is made until a person has decided.
"""

from zkoperator.ensemble.model.names import RESTART
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.validate import ValidatedCluster

MIN_VOTERS = 3
"""With fewer voters nobody could give a member its data back."""


def terminating_claims(observed: Observed) -> tuple[int, ...]:
    """Return the voters with a pod that is not ending and a claim that is."""
    return tuple(
        member
        for member, claim in sorted(observed.claims.items())
        if claim.deleting and member in observed.voters and _stays(observed, member)
    )


def claims_message(cluster: ValidatedCluster, members: tuple[int, ...]) -> str:
    """Return what is about to happen, and what a person can do about it."""
    claims = ", ".join(cluster.names.claim(member) for member in members)
    where = f"-n {cluster.meta.namespace}"
    if cluster.spec.replicas < MIN_VOTERS:
        way_out = f"first scale to 3: kubectl scale zookeepercluster {cluster.meta.name} {where} --replicas=3"
    else:
        way_out = (
            "to give one member after another a new volume, which it fills from the others: kubectl annotate pod "
            f"{cluster.names.pod(members[0])} {where} {RESTART}=new-volume, and wait for Ready before the next one"
        )
    return (
        f"{claims}: deletion was asked for, and cannot be taken back. Each volume goes as soon as its pod ends, so the "
        f"operator restarts no member; do not delete pods or drain their nodes; {way_out}"
    )


def _stays(observed: Observed, member: int) -> bool:
    pod = observed.pods.get(member)
    return pod is not None and not pod.deleting
