"""Why members that run do not find one another: likely causes in their order, each with a command that shows it."""

from zkoperator.ensemble.model.names import ELECTION_PORT, QUORUM_PORT
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
    names, (first, second) = cluster.names, idle[:2]
    kubectl, host = f"kubectl -n {names.namespace}", names.host(second)
    inside = f"{kubectl} exec {names.pod(first)} --"
    causes = (
        f"the name service does not answer them ({inside} getent hosts {host})",
        f"a NetworkPolicy denies port 53, or ports {QUORUM_PORT} and {ELECTION_PORT} between members "
        f"({kubectl} get networkpolicy)",
        f"something else closes these ports ({inside} nc -z -w 2 {host} {ELECTION_PORT}, and 'Cannot open channel' in "
        f"{kubectl} logs {names.pod(first)})",
    )
    count = f"{len(idle)} of {len(voters)} members run and do not find one another"
    return f"{count}; likely, in this order: {'; '.join(causes)}"
