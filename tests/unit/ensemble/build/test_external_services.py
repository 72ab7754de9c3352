"""What the Services for clients from outside are, as the spec asks for them."""

from typing import Any

from tests.support.models.ensemble_simulation import raw_cluster, valid
from zkoperator.api.external_access import DNS_ANNOTATION
from zkoperator.ensemble.build.external_services import external_service
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.services import client_service
from zkoperator.ensemble.plan.drift import covers
from zkoperator.kube.port import Manifest

TLS: dict[str, Any] = {"client": {"certificate": {"selfSigned": {}}, "plaintext": "Allowed"}}


def built(member: int = 0, *, tls_served: bool = True, voters: int = 3, **access: Any) -> Manifest:
    spec = {"type": "NodePort", "perMember": member > 0, **access}
    cluster = valid(raw_cluster(tls=TLS, externalAccess=spec))
    return external_service(cluster, tls_served=tls_served, voters=voters, member=member)


def on_nodes(manifest: Manifest) -> dict[int, int | None]:
    return {port["port"]: port.get("nodePort") for port in manifest["spec"]["ports"]}


def test_a_port_of_the_nodes_is_that_of_the_ordinal() -> None:
    ports = {"plaintext": 32181, "tls": 32281}
    assert on_nodes(built(nodePorts=ports, plaintext="Allowed")) == {2181: 32181, 2281: 32281}
    assert on_nodes(built(3, nodePorts=ports, plaintext="Allowed")) == {2181: 32183, 2281: 32283}
    assert on_nodes(built(nodePorts=ports)) == {2281: 32281}
    assert on_nodes(built()) == {2281: None}, "Kubernetes chooses"


def test_there_is_always_a_port_so_that_the_service_keeps_its_address() -> None:
    assert on_nodes(built(tls_served=False)) == {2281: None}
    assert on_nodes(built(tls_served=False, plaintext="Allowed")) == {2181: None}


def test_names_are_told_to_the_dns_controller() -> None:
    def names(manifest: Manifest) -> str | None:
        found: str | None = (manifest["metadata"].get("annotations") or {}).get(DNS_ANNOTATION)
        return found

    assert names(built(hostnames="zk.example.com")) == "zk.example.com"
    assert names(built(2, hostnames="zk-{ordinal}.example.com")) == "zk-1.example.com"
    assert names(built(hostnames="zk-{ordinal}.example.com", voters=2)) == "zk-0.example.com,zk-1.example.com"
    assert names(built(annotations={DNS_ANNOTATION: "mine.example.com"})) == "mine.example.com"


def test_ranges_that_were_dropped_are_noticed() -> None:
    with_ranges = built(type="LoadBalancer", sourceRanges=["203.0.113.0/24"])
    assert not covers(with_ranges, built(type="LoadBalancer"))
    bare = built(type="LoadBalancer")
    unwritten = {key: value for key, value in bare["spec"].items() if key != "loadBalancerSourceRanges"}
    assert covers({**bare, "spec": unwritten}, bare), "the API server keeps no empty list"


def test_the_service_for_clients_inside_and_the_policy_stay_as_they_are() -> None:
    bare, outside = valid(raw_cluster(tls=TLS)), valid(raw_cluster(tls=TLS, externalAccess={"type": "NodePort"}))
    assert client_service(outside) == client_service(bare)
    assert network_policy(outside) == network_policy(bare)
