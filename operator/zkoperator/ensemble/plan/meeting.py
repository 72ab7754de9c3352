"""Why members that run do not find one another: likely causes in their order, each with a command that shows it."""

from zkoperator.ensemble.model.names import ELECTION_PORT, QUORUM_PORT, TAKE_OVER
from zkoperator.ensemble.observe.answers import NotServing
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.validate import ValidatedCluster

PATIENCE_S = 30.0
"""Seconds for which members may elect before they are taken not to find one another."""


def meeting_advice(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return what to look at when a majority has run for long without electing a leader, empty otherwise."""
    voters = sorted(observed.voters)
    idle = [member for member in voters if isinstance(observed.answer(member), NotServing)]
    if len(idle) < max(2, len(voters) // 2 + 1) or observed.leaderless_s < PATIENCE_S:
        return ""
    if cluster.take_over:
        return _copies_advice(cluster, len(voters), idle)
    names, (first, second) = cluster.names, idle[:2]
    kubectl, host = f"kubectl -n {names.namespace}", names.host(second)
    inside = f"{kubectl} exec {names.pod(first)} --"
    causes = [
        f"the name service does not answer them ({inside} getent hosts {host})",
        f"a NetworkPolicy denies port 53, or ports {QUORUM_PORT} and {ELECTION_PORT} between members "
        f"({kubectl} get networkpolicy)",
        f"something else closes these ports ({inside} nc -z -w 2 {host} {ELECTION_PORT}, and 'Cannot open channel' in "
        f"{kubectl} logs {names.pod(first)})",
    ]
    if cluster.spec.tls is not None and cluster.spec.tls.quorum is not None:
        causes.append(f"members refuse one another's TLS ('SSL' in {kubectl} logs {names.pod(first)})")
    count = f"{len(idle)} of {len(voters)} members run and do not find one another"
    return f"{count}; likely, in this order: {'; '.join(causes)}"


def _copies_advice(cluster: ValidatedCluster, voters: int, idle: list[int]) -> str:
    """Return what to do when fewer members than a majority have data that was taken over."""
    first, second = (cluster.names.pod(member) for member in idle[:2])
    kubectl, where = f"kubectl -n {cluster.names.namespace}", "/data/data/version-2"
    return (
        f"{len(idle)} of {voters} members run without electing a leader: while {TAKE_OVER} is set, only members with "
        f"data vote, and {voters // 2 + 1} of {voters} must. If copies for more members are to come, bring them. If "
        f"not: (1) which members have data, of each pod: {kubectl} exec {first} -- ls {where} (2) every member with "
        f"data must run (3) then, on one empty member only, let it vote once: {kubectl} exec {second} -- touch "
        f"/data/recover && {kubectl} delete pod {second} (4) wait for a leader, else the next empty member; the others "
        "sync by themselves"
    )
