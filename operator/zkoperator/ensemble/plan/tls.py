"""The next state of TLS on the way to that of the spec. Pure.

Members of a running ensemble understand one another if their phases are neighbours. So a member may start in a phase
only while every other member is in the same phase or in a neighbour of it. Pods are made from one template, and any of
them may be made anew at any time: the template moves by one phase, to one that no pod is further than a neighbour from,
and to one in which there is no pod yet only when every pod is there and the StatefulSet's controller has seen the
present template. The rolls between are those of any other change of the pods.
"""

from collections.abc import Collection
from dataclasses import replace

from zkoperator.api.reasons import ClusterReason
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import CLOSED
from zkoperator.ensemble.model.names import TLS
from zkoperator.ensemble.model.tls import QuorumPhase, TlsState, parse_tls_state
from zkoperator.ensemble.observe.downtime import RETURN_S
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.gate import gate
from zkoperator.ensemble.plan.proposal import Proposal
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest


def next_phase(
    wanted: QuorumPhase, template: QuorumPhase | None, running: Collection[QuorumPhase], *, complete: bool
) -> QuorumPhase:
    """Return the phase that pods are to be made with now.

    Args:
        wanted: the phase at the end.
        template: the phase that pods are made with at present; None when no pods are made at present.
        running: the phases of the pods that there are.
        complete: whether all pods are there and serve as far as they can, and none is made of an earlier template.
    """
    if template is None:
        return min(running, key=lambda phase: abs(phase - wanted), default=wanted)
    if template == wanted:
        return template
    step = QuorumPhase(template + (1 if wanted > template else -1))
    reaches_all = all(abs(step - phase) <= 1 for phase in running)
    return step if reaches_all and (complete or step in running) else template


def tls_now(cluster: ValidatedCluster, observed: Observed) -> ValidatedCluster:
    """Return the cluster with the TLS that its pods and server lines must have now, instead of the TLS of the spec."""
    template = _template(observed)
    state = TlsState(_client(cluster, observed, template), _quorum(cluster, observed, template))
    return replace(cluster, tls=state, plaintext_open=cluster.plaintext_open or not _may_close(observed, state))


def _template(observed: Observed) -> TlsState | None:
    if Child.STATEFUL_SET not in observed.children:
        return None
    return parse_tls_state(observed.template_annotation(TLS))


def _quorum(cluster: ValidatedCluster, observed: Observed, template: TlsState | None) -> QuorumPhase:
    wanted = cluster.tls.quorum
    if _is_alone(cluster, observed):
        found = wanted
    else:
        running = [pod.tls.quorum for pod in observed.pods.values()]
        present = template.quorum if template is not None else None
        found = next_phase(wanted, present, running, complete=_is_complete(observed))
    if template is not None and found > template.quorum and observed.certificates.quorum is None:
        return template.quorum
    return found


def _is_alone(cluster: ValidatedCluster, observed: Observed) -> bool:
    """Whether there is one member and none is to be added. A single member can start in any phase."""
    return cluster.spec.replicas == 1 and observed.replicas in (None, 1) and len(observed.voters) <= 1


def _is_complete(observed: Observed) -> bool:
    """Whether every pod is there, and either all members serve or there is no quorum that a restart could cost."""
    live = observed.children.get(Child.STATEFUL_SET)
    pods = [observed.pods.get(member) for member in range(1, (observed.replicas or 0) + 1)]
    if live is None or not _is_seen(live) or any(pod is None or pod.deleting for pod in pods):
        return False
    return gate(observed).open or observed.leaderless_s > RETURN_S


def _is_seen(live: Manifest) -> bool:
    """Whether the controller of the StatefulSet makes pods from the present template, and not from an earlier one."""
    generation = live["metadata"].get("generation", 0)
    return bool((live.get("status") or {}).get("observedGeneration", generation) >= generation)


def _client(cluster: ValidatedCluster, observed: Observed, template: TlsState | None) -> bool:
    """Whether pods get a TLS port: from the first certificate on, and until plaintext is open again."""
    if template is None:
        return cluster.tls.client
    if cluster.tls.client:
        return template.client or observed.certificates.client is not None
    return template.client and not _is_open(observed)


def _is_open(observed: Observed) -> bool:
    """Whether every member is known to have its plaintext port open."""
    committed = observed.committed
    return committed is not None and all(server.client != CLOSED for server in committed.servers)


def _may_close(observed: Observed, state: TlsState) -> bool:
    """Whether every pod that there is, and every one that may be made, has a TLS port."""
    template = _template(observed)
    return (
        state.client and (template is None or template.client) and all(p.tls.client for p in observed.all_pods.values())
    )


def change_tls(wanted: ValidatedCluster, cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait for the next state of TLS, None when the state of the spec is reached.

    Args:
        wanted: the cluster as the spec has it.
        cluster: the cluster with the TLS that its pods are to have now.
        observed: what was observed.
    """
    if cluster.tls == wanted.tls and cluster.plaintext_open == wanted.plaintext_open:
        return None
    if missing := _missing(wanted, observed):
        return Proposal(ClusterReason.CHANGING_TLS, f"{missing}: {_change(wanted, cluster)}")
    return Proposal(ClusterReason.CHANGING_TLS, _change(wanted, cluster), blocked=_obstacle(observed))


def await_certificates(cluster: ValidatedCluster, observed: Observed) -> Proposal | None:
    """Propose to wait for the certificates with which the first pods start, None when they are there."""
    missing = _missing(cluster, observed)
    if not missing or Child.STATEFUL_SET in observed.children:
        return None
    return Proposal(ClusterReason.BOOTSTRAPPING, f"{missing}; no member starts before it is there")


def _missing(wanted: ValidatedCluster, observed: Observed) -> str:
    certificates, names = observed.certificates, wanted.names
    if certificates.suffice(wanted.tls):
        return ""
    kinds = ("client", certificates.client, wanted.tls.client), ("quorum", certificates.quorum, wanted.tls.quorum > 0)
    parts = " and ".join(kind for kind, leaf, needed in kinds if needed and leaf is None)
    problems = f" ({'; '.join(certificates.problems)})" if certificates.problems else ""
    return f"waiting for the {parts} certificate in Secret {names.tls_secret}{problems}"


def _change(wanted: ValidatedCluster, cluster: ValidatedCluster) -> str:
    if cluster.tls != wanted.tls:
        return f"members have {cluster.tls} on the way to {wanted.tls}"
    return "plaintext is refused as soon as every member has the TLS port"


def _obstacle(observed: Observed) -> str:
    verdict = gate(observed)
    return "" if verdict.open or observed.leaderless_s <= RETURN_S else verdict.why
