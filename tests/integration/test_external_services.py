"""What a real API server makes of the Services for clients from outside, and of one that becomes another."""

from itertools import pairwise
from typing import Any

import pytest

from testbed.api import ApiServer
from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.worlds.kube_contract import client_of
from zkoperator.ensemble.build.external_services import external_service
from zkoperator.ensemble.plan.drift import changed_fields, covers, repair_patch
from zkoperator.ensemble.plan.external_access import refusal_message
from zkoperator.errors import InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import SERVICES, Manifest

TLS = {"client": {"certificate": {"selfSigned": {}}, "plaintext": "Allowed"}}
BALANCED: dict[str, Any] = {"type": "LoadBalancer"}
KINDS: tuple[dict[str, Any], ...] = (
    BALANCED,
    {**BALANCED, "sourceRanges": ["203.0.113.0/24", "198.51.100.7/32"]},
    {**BALANCED, "annotations": {"example.com/a": "b"}, "hostnames": "zk.example.com", "plaintext": "Allowed"},
    {"type": "NodePort"},
    {"type": "NodePort", "plaintext": "Allowed"},
)


def wanted(namespace: str, access: dict[str, Any], member: int = 0) -> Manifest:
    cluster = valid(raw_cluster(tls=TLS, externalAccess=access))
    manifest = external_service(cluster, tls_served=True, voters=3, member=member)
    manifest["metadata"]["namespace"] = namespace
    del manifest["metadata"]["ownerReferences"]
    return manifest


async def applied(api: KubeClient, manifest: Manifest) -> Manifest:
    """Apply it as the operator does, what others have added taken away."""
    namespace, name = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    live = await api.apply(SERVICES, namespace, manifest)
    if not covers(live, manifest):
        version = live["metadata"]["resourceVersion"]
        patch = repair_patch(live, manifest)
        live = await api.patch(SERVICES, namespace, name, patch, resource_version=version) or live
    assert covers(live, manifest), changed_fields(live, manifest)
    return live


async def test_each_becomes_each_other_and_nothing_of_the_one_before_stays(
    api_server: ApiServer, namespace: str
) -> None:
    async with client_of(api_server) as api:
        for before, after in pairwise((*KINDS, *reversed(KINDS), KINDS[0], KINDS[3], KINDS[1])):
            await applied(api, wanted(namespace, before))
            live = await applied(api, wanted(namespace, after))
            spec = live["spec"]
            assert spec["type"] == after["type"]
            assert (spec.get("loadBalancerSourceRanges") or []) == after.get("sourceRanges", [])
            expected = [2181, 2281] if after.get("plaintext") == "Allowed" else [2281]
            assert [port["port"] for port in spec["ports"]] == expected, "a port to which nobody may come stays open"
            annotations = live["metadata"].get("annotations") or {}
            assert annotations.get("example.com/a") == after.get("annotations", {}).get("example.com/a")


async def test_ports_of_the_nodes_that_cannot_be_had_are_told_with_the_field(
    api_server: ApiServer, namespace: str
) -> None:
    access: dict[str, Any] = {"type": "NodePort", "perMember": True, "hostnames": "zk-{ordinal}.example.com"}
    async with client_of(api_server) as api:
        first = await applied(api, wanted(namespace, access, member=1))
        taken = first["spec"]["ports"][0]["nodePort"]
        for port, word in ((taken - 1, "already allocated"), (80, "not in the valid range")):
            with pytest.raises(InvalidError) as refused:
                await applied(api, wanted(namespace, {**access, "nodePorts": {"tls": port}}, member=2))
            told = refusal_message(str(refused.value))
            assert word in told and "write other spec.externalAccess.nodePorts" in told
