"""NetworkPolicy as packet filter rules, walked as the kernel walks them."""

import dataclasses
import ipaddress
import shlex
from typing import Any

import pytest

from testbed.network_policy import Pod, Snapshot, compile_rules, selects

NAMESPACES = {"shop": {"team": "a"}, "other": {"team": "b"}}
SERVER = Pod("shop", "node-1", "10.0.0.1", {"app": "server"}, {("web", "tcp"): 8080})
CLIENT = Pod("shop", "node-2", "10.0.0.2", {"app": "client"}, {})
FOREIGNER = Pod("other", "node-1", "10.0.0.3", {"app": "client"}, {})
OUTSIDE = "192.0.2.9"


@dataclasses.dataclass(frozen=True, slots=True)
class Packet:
    source: str
    destination: str
    port: int
    protocol: str = "tcp"


def policy(kinds: list[str], **rules: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "server"}}
    return {"metadata": {"namespace": "shop"}, "spec": {"podSelector": selector, "policyTypes": kinds, **rules}}


def passes(packet: Packet, *policies: dict[str, Any], node: str = "node-1") -> bool:
    snapshot = Snapshot([SERVER, CLIENT, FOREIGNER], policies, NAMESPACES)
    marked = False
    for line in compile_rules(node, snapshot).splitlines():
        words = shlex.split(line)
        if words[:1] != ["-A"] or "conntrack" in words or not _matches(words, packet, marked):
            continue
        if words[-1] == "DROP":
            return False
        marked = words[-1].startswith("0x100000")
    return True


def _matches(words: list[str], packet: Packet, marked: bool) -> bool:
    for flag, value in (("-s", packet.source), ("-d", packet.destination)):
        if flag in words:
            at = words.index(flag)
            inside = ipaddress.ip_address(value) in ipaddress.ip_network(words[at + 1])
            if inside is (words[at - 1] == "!"):
                return False
    if "-p" in words and words[words.index("-p") + 1] != packet.protocol:
        return False
    if "--dport" in words:
        low, _, high = words[words.index("--dport") + 1].partition(":")
        if not int(low) <= packet.port <= int(high):
            return False
    return "mark" not in words or marked


def test_without_a_policy_everything_passes() -> None:
    assert passes(Packet(OUTSIDE, SERVER.address, 8080))


def test_an_isolated_pod_gets_nothing_and_the_others_everything() -> None:
    isolated = policy(["Ingress"])
    assert not passes(Packet(CLIENT.address, SERVER.address, 8080), isolated)
    assert passes(Packet(SERVER.address, CLIENT.address, 8080), isolated)
    assert passes(Packet(CLIENT.address, FOREIGNER.address, 8080), isolated)


def test_the_rules_of_a_pod_are_on_its_own_node_only() -> None:
    assert passes(Packet(CLIENT.address, SERVER.address, 8080), policy(["Ingress"]), node="node-2")


@pytest.mark.parametrize(
    ("peer", "client", "foreigner", "outside"),
    [
        ({"podSelector": {"matchLabels": {"app": "client"}}}, True, False, False),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}}, False, True, False),
        ({"namespaceSelector": {}}, True, True, False),
        ({"namespaceSelector": {"matchLabels": {"team": "b"}}, "podSelector": {}}, False, True, False),
        ({"ipBlock": {"cidr": "192.0.2.0/24"}}, False, False, True),
        ({"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.8/29"]}}, False, False, False),
    ],
)
def test_only_the_peers_that_are_named_pass(peer: dict[str, Any], client: bool, foreigner: bool, outside: bool) -> None:
    allowing = policy(["Ingress"], ingress=[{"from": [peer]}])
    verdicts = [
        passes(Packet(pod, SERVER.address, 8080), allowing) for pod in (CLIENT.address, FOREIGNER.address, OUTSIDE)
    ]
    assert verdicts == [client, foreigner, outside]


@pytest.mark.parametrize(
    ("ports", "passing"),
    [
        ([{"port": 8080}], {("tcp", 8080)}),
        ([{"port": "web"}], {("tcp", 8080)}),
        ([{"port": 8080, "endPort": 8081}], {("tcp", 8080), ("tcp", 8081)}),
        ([{"protocol": "UDP", "port": 8080}], {("udp", 8080)}),
        ([{"protocol": "TCP"}], {("tcp", 8080), ("tcp", 8081)}),
        ([{"port": "unknown"}], set()),
    ],
)
def test_only_the_ports_that_are_named_pass(ports: list[dict[str, Any]], passing: set[tuple[str, int]]) -> None:
    allowing = policy(["Ingress"], ingress=[{"ports": ports}])
    tried = [(protocol, port) for protocol in ("tcp", "udp") for port in (8080, 8081)]
    seen = {(how, port) for how, port in tried if passes(Packet(OUTSIDE, SERVER.address, port, how), allowing)}
    assert seen == passing


def test_policies_add_up() -> None:
    first = policy(["Ingress"], ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}])
    second = policy(["Ingress"], ingress=[{"from": [{"ipBlock": {"cidr": f"{OUTSIDE}/32"}}]}])
    assert passes(Packet(CLIENT.address, SERVER.address, 8080), first, second)
    assert passes(Packet(OUTSIDE, SERVER.address, 8080), first, second)
    assert not passes(Packet(FOREIGNER.address, SERVER.address, 8080), first, second)


def test_egress_is_about_what_a_pod_sends() -> None:
    only_client = policy(["Egress"], egress=[{"to": [{"podSelector": {"matchLabels": {"app": "client"}}}]}])
    assert passes(Packet(SERVER.address, CLIENT.address, 80), only_client)
    assert not passes(Packet(SERVER.address, OUTSIDE, 80), only_client)
    assert passes(Packet(OUTSIDE, SERVER.address, 80), only_client)


@pytest.mark.parametrize(
    ("expression", "matched"),
    [
        ({"operator": "In", "values": ["server", "x"]}, True),
        ({"operator": "In", "values": ["x"]}, False),
        ({"operator": "NotIn", "values": ["server"]}, False),
        ({"operator": "NotIn", "values": ["x"]}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "DoesNotExist"}, False),
    ],
)
def test_match_expressions(expression: dict[str, Any], matched: bool) -> None:
    assert selects({"matchExpressions": [{"key": "app", **expression}]}, {"app": "server"}) is matched


def test_an_empty_selector_matches_everything_and_none_matches_nothing() -> None:
    assert selects({}, {"app": "server"})
    assert not selects(None, {"app": "server"})
