"""Where clients from outside find the ensemble, as its Services say. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from zkoperator.api.external_access import ExternalAccess, ExternalAccessType
from zkoperator.ensemble.build.children import EXTERNAL_OF, Child
from zkoperator.ensemble.build.external_services import PLAINTEXT, TLS
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest

LATE: Final = timedelta(minutes=5)
"""A load balancer that has no address after this time is told as something that a person should look at."""
_LONGEST: Final = 4096


def external_hosts(
    cluster: ValidatedCluster, observed: Observed, ports: Iterable[str] = (PLAINTEXT, TLS)
) -> str | None:
    """Return the connect string, "" while no address is known, None when nobody asks for external access.

    Args:
        cluster: the cluster.
        observed: what was observed.
        ports: names of ports, of which the first that a Service has is taken.
    """
    access = cluster.spec.external_access
    if access is None:
        return None
    found = dict.fromkeys(
        f"{_bracketed(host)}:{port}"
        for live, members in _services(cluster, observed)
        if (port := _port(access, live, ports)) is not None
        for host in _hosts(access, observed, live, members)
    )
    return _first(found, _LONGEST)


def pending_services(cluster: ValidatedCluster, observed: Observed) -> tuple[str, ...]:
    """Return the names of the Services that wait for an address of their load balancer."""
    return tuple(live["metadata"]["name"] for live in _pending(cluster, observed))


def pending_message(cluster: ValidatedCluster, observed: Observed) -> str:
    """Return which Services wait for an address, empty when none does."""
    waiting = pending_services(cluster, observed)
    if not waiting:
        return ""
    verb = "waits" if len(waiting) == 1 else "wait"
    describe = f"kubectl -n {cluster.names.namespace} describe service {' '.join(waiting)}"
    return f"Service {', '.join(waiting)} {verb} for the address of a load balancer ({describe})"


def late_message(cluster: ValidatedCluster, observed: Observed, now: str) -> str:
    """Return the same once a Service has waited for long, else empty. `now` is RFC 3339."""
    made = [str(live["metadata"].get("creationTimestamp") or now) for live in _pending(cluster, observed)]
    return pending_message(cluster, observed) if any(_is_late(moment, now) for moment in made) else ""


def _is_late(made: str, now: str) -> bool:
    try:
        return datetime.fromisoformat(now) - datetime.fromisoformat(made) > LATE
    except ValueError:
        return True


def _pending(cluster: ValidatedCluster, observed: Observed) -> list[Manifest]:
    access = cluster.spec.external_access
    if access is None or access.type is not ExternalAccessType.LOAD_BALANCER:
        return []
    return [live for live, _ in _services(cluster, observed) if not _addresses(live)]


def _services(cluster: ValidatedCluster, observed: Observed) -> Iterator[tuple[Manifest, tuple[int, ...]]]:
    """Yield the Services that there are, each with the voters to which it leads."""
    access, voters = cluster.spec.external_access, tuple(sorted(observed.voters or cluster.members))
    if access is None:
        return
    parts = {EXTERNAL_OF[voter]: (voter,) for voter in voters if voter in EXTERNAL_OF}
    for child, members in (parts if access.per_member else {Child.EXTERNAL: voters}).items():
        live = observed.children.get(child)
        if live is not None and "deletionTimestamp" not in live["metadata"]:
            yield live, members


def _hosts(access: ExternalAccess, observed: Observed, live: Manifest, members: tuple[int, ...]) -> tuple[str, ...]:
    """Return where the Service is reached; nothing before its load balancer has an address."""
    if access.type is ExternalAccessType.LOAD_BALANCER:
        addresses = _addresses(live)
        return (access.hostnames_of(member - 1 for member in members) or addresses) if addresses else ()
    pods = [observed.pods[member] for member in members if member in observed.pods]
    nodes = tuple(pod.node_ip for pod in pods if pod.node_ip)
    return access.hostnames_of(member - 1 for member in members) or nodes


def _addresses(live: Manifest) -> tuple[str, ...]:
    balancer = (live.get("status") or {}).get("loadBalancer") or {}
    found = (entry.get("hostname") or entry.get("ip") for entry in balancer.get("ingress") or ())
    return tuple(filter(None, found))


def _port(access: ExternalAccess, live: Manifest, names: Iterable[str]) -> int | None:
    """Return the port by which clients come; None before Kubernetes has given one."""
    key = "nodePort" if access.type is ExternalAccessType.NODE_PORT else "port"
    ports = {port["name"]: port.get(key) for port in live["spec"].get("ports") or ()}
    return next((ports[name] for name in names if name in ports), None)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _first(addresses: Iterable[str], limit: int) -> str:
    """Return as many addresses as there is room for: a client needs one that answers, and no half one."""
    text = ""
    for address in addresses:
        longer = f"{text},{address}" if text else address
        if len(longer) > limit:
            return text
        text = longer
    return text
