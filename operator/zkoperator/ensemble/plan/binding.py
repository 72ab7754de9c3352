"""What applications are told: whether they can rely on TLS, and what keeps the binding Secret current. Pure."""

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.discovery import BINDING_KEYS, TLS_HOSTS, binding_data
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.steps import WriteBinding
from zkoperator.ensemble.validate import ValidatedCluster


def serves_tls(cluster: ValidatedCluster, observed: Observed) -> bool:
    """Return whether every voter has the TLS port, and keeps it.

    A pod that is being made again is no reason to take back what applications were told.
    """
    voters = [observed.pods.get(member) for member in sorted(observed.voters)]
    if not cluster.tls.client or any(pod is not None and not pod.tls.client for pod in voters):
        return False
    return (bool(voters) and None not in voters) or _is_told(observed)


def _is_told(observed: Observed) -> bool:
    live = observed.children.get(Child.DISCOVERY)
    return live is not None and TLS_HOSTS in (live.get("data") or {})


def binding_steps(cluster: ValidatedCluster, observed: Observed) -> tuple[WriteBinding, ...]:
    """Return the step that makes the binding Secret, or writes into it what has changed."""
    binding = observed.binding
    wanted = binding_data(cluster, tls_served=serves_tls(cluster, observed))
    if not binding.known or binding.entries == wanted or (binding.version is not None and not _may_change(observed)):
        return ()
    return (WriteBinding(wanted, BINDING_KEYS - wanted.keys(), binding.version),)


def _may_change(observed: Observed) -> bool:
    """Whether the operator has the right to change a Secret: it comes with TLS, without which nothing changes."""
    return observed.certificates.sources is not None


def stale_binding(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return a sentence about a binding Secret that was edited and that the operator may not change, else empty."""
    binding = observed.binding
    wanted = binding_data(cluster, tls_served=serves_tls(cluster, observed))
    if binding.version is None or _may_change(observed) or binding.entries == wanted:
        return ""
    names = cluster.names
    wrong = sorted(key for key in BINDING_KEYS if binding.entries.get(key) != wanted.get(key))
    return (
        f"Secret {names.binding} does not lead to the ensemble any more ({', '.join(wrong)}); delete it, and it is "
        f"made again: kubectl -n {names.namespace} delete secret {names.binding}"
    )
