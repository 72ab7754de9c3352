"""Enforces NetworkPolicy: turns the policies, pods and namespaces of a cluster into packet filter rules of each node.

One chain in mangle/FORWARD of the node's namespace: after Service addresses became pod addresses, before kube-proxy's
own accept rules, and (bridge-nf-call-iptables) for two pods of one node too. What a node itself sends to its pods,
such as probes, is not forwarded, hence allowed. Established connections survive a new policy.
"""

import dataclasses
import ipaddress
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from testbed.layout import Layout, Node
from testbed.network import command_in
from testbed.processes import run
from testbed.rest import Rest

Manifest = dict[str, Any]

_CHAIN = "NETPOL"
_ANYBODY = "0.0.0.0/0"
_MARK = "0x100000"
# The mark says: a policy isolates the pod, and nothing has allowed this packet yet.
_SET, _CLEAR = f"-j MARK --set-xmark {_MARK}/{_MARK}", f"-j MARK --set-xmark 0x0/{_MARK}"


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """What policies select by, and the address that the rules are about."""

    namespace: str
    node: str
    address: str
    labels: Mapping[str, str]
    ports: Mapping[tuple[str, str], int]
    """Container ports by name and lower-case protocol."""


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the rules follow from."""

    pods: Sequence[Pod]
    policies: Sequence[Manifest]
    namespaces: Mapping[str, Mapping[str, str]]
    """Labels by name."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Way:
    kind: str
    rules: str
    peers: str
    own_flag: str
    peer_flag: str


_WAYS = (_Way("Egress", "egress", "to", "-s", "-d"), _Way("Ingress", "ingress", "from", "-d", "-s"))


class Enforcer:
    """Keeps the rules of all nodes as the policies say."""

    def __init__(self, cluster: Layout) -> None:
        self._cluster = cluster
        self._written: dict[str, str] = {}

    def reconcile(self, rest: Rest) -> None:
        """Rewrite the rules of the nodes where they changed, each node's in one atomic step."""
        snapshot = _observe(rest, self._cluster)
        for node in self._cluster.nodes:
            rules = compile_rules(node.name, snapshot)
            if rules != self._written.get(node.name):
                self._write(node, rules)
                self._written[node.name] = rules

    def _write(self, node: Node, rules: str) -> None:
        restore = command_in(node.netns, ["iptables-restore", "--wait", "--noflush"])
        run(*restore, text_in=rules, what="iptables-restore")
        jump = ["FORWARD", "-j", _CHAIN]
        check = command_in(node.netns, ["iptables", "--wait", "-t", "mangle", "-C", *jump])
        if subprocess.run(check, capture_output=True, check=False).returncode:
            run(*command_in(node.netns, ["iptables", "--wait", "-t", "mangle", "-I", *jump]))


def compile_rules(node: str, snapshot: Snapshot) -> str:
    """Return the input of iptables-restore for a node."""
    lines = [f"-A {_CHAIN} -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"]
    for way in _WAYS:
        for pod in snapshot.pods:
            if pod.node == node:
                lines += _pod_rules(pod, way, snapshot)
    return "\n".join(["*mangle", f":{_CHAIN} - [0:0]", *dict.fromkeys(lines), "COMMIT", ""])


def selects(selector: Manifest | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything, an absent one nothing."""
    if selector is None:
        return False
    equal = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return equal and all(_holds(expression, labels) for expression in selector.get("matchExpressions", ()))


def _holds(expression: Manifest, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression["key"])
    match expression["operator"]:
        case "In":
            return value in expression["values"]
        case "NotIn":
            return value not in expression["values"]
        case "Exists":
            return value is not None
        case _:
            return value is None


def _pod_rules(pod: Pod, way: _Way, snapshot: Snapshot) -> Iterator[str]:
    applied = [policy for policy in snapshot.policies if _applies(policy, pod, way)]
    if not applied:
        return
    yield f"-A {_CHAIN} {way.own_flag} {pod.address} ! {way.peer_flag} {pod.address} {_SET}"
    for policy in applied:
        for rule in policy["spec"].get(way.rules) or ():
            for address, peer in _peers(rule.get(way.peers), pod.namespace, snapshot):
                for ports in _ports(rule.get("ports"), pod if way.kind == "Ingress" else peer):
                    yield f"-A {_CHAIN} {way.own_flag} {pod.address} {way.peer_flag} {address} {ports}{_CLEAR}"
    yield f"-A {_CHAIN} {way.own_flag} {pod.address} -m mark --mark {_MARK}/{_MARK} -j DROP"


def _applies(policy: Manifest, pod: Pod, way: _Way) -> bool:
    here = policy["metadata"]["namespace"] == pod.namespace and way.kind in policy["spec"]["policyTypes"]
    return here and selects(policy["spec"].get("podSelector", {}), pod.labels)


def _peers(peers: Sequence[Manifest] | None, namespace: str, snapshot: Snapshot) -> Iterator[tuple[str, Pod | None]]:
    """Yield the addresses that a `from` or `to` names, with their pods where they are pods'; no list is anybody."""
    if not peers:
        yield _ANYBODY, None
    for peer in peers or ():
        if "ipBlock" in peer:
            yield from ((network, None) for network in _networks(peer["ipBlock"]))
            continue
        for pod in snapshot.pods:
            if _is_peer(peer, pod, namespace, snapshot):
                yield pod.address, pod


def _is_peer(peer: Manifest, pod: Pod, namespace: str, snapshot: Snapshot) -> bool:
    if "namespaceSelector" in peer:
        in_namespace = selects(peer["namespaceSelector"], snapshot.namespaces.get(pod.namespace, {}))
    else:
        in_namespace = pod.namespace == namespace
    return in_namespace and selects(peer.get("podSelector", {}), pod.labels)


def _networks(block: Manifest) -> list[str]:
    networks = [ipaddress.ip_network(block["cidr"])]
    for hole in map(ipaddress.ip_network, block.get("except", ())):
        networks = [part for network in networks for part in _without(network, hole)]
    return [str(network) for network in networks if network.version == 4]


def _without(network: Any, hole: Any) -> list[Any]:
    return list(network.address_exclude(hole)) if hole.subnet_of(network) else [network]


def _ports(ports: Sequence[Manifest] | None, destination: Pod | None) -> Iterator[str]:
    """Yield match expressions; a port's name is looked up in the pod that is the destination."""
    if not ports:
        yield ""
    for entry in ports or ():
        protocol, port = entry.get("protocol", "TCP").lower(), entry.get("port")
        if port is None:
            yield f"-p {protocol} "
            continue
        if isinstance(port, str):
            port = destination.ports.get((port, protocol)) if destination is not None else None
        if port is not None:
            yield f"-p {protocol} --dport {port}:{entry.get('endPort', port)} "


def _observe(rest: Rest, cluster: Layout) -> Snapshot:
    namespaces = rest("GET", "/api/v1/namespaces?resourceVersion=0")["items"]
    policies = rest("GET", "/apis/networking.k8s.io/v1/networkpolicies?resourceVersion=0")["items"]
    pods = rest("GET", "/api/v1/pods?resourceVersion=0")["items"]
    name_server = Pod(
        "kube-system", "", cluster.address, {"k8s-app": "kube-dns"}, {("dns", "udp"): 53, ("dns-tcp", "tcp"): 53}
    )
    return Snapshot(
        pods=[name_server, *(_pod(pod) for pod in pods if _has_own_address(pod))],
        policies=policies,
        namespaces={item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in namespaces},
    )


def _has_own_address(pod: Manifest) -> bool:
    status = pod["status"]
    alive = status.get("phase") in ("Pending", "Running")
    return alive and "podIP" in status and not pod["spec"].get("hostNetwork", False)


def _pod(pod: Manifest) -> Pod:
    ports = {
        (port["name"], port.get("protocol", "TCP").lower()): port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if "name" in port
    }
    metadata = pod["metadata"]
    node = pod["spec"]["nodeName"]
    return Pod(metadata["namespace"], node, pod["status"]["podIP"], metadata.get("labels", {}), ports)
