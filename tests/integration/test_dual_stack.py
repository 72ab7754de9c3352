"""Services of both families of addresses, on an API server that has both and on one that has not."""

from typing import Any

import pytest

from testbed.api import ApiServer
from tests.support.machines.testbed import ApiServerFactory
from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.worlds.kube_contract import client_of
from zkoperator.ensemble.build.services import client_service
from zkoperator.ensemble.plan.drift import changed_fields, covers
from zkoperator.errors import InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import SERVICES, Manifest

BOTH = "--service-cluster-ip-range=10.0.0.0/24,fd00:10::/112"


def wanted(namespace: str, name: str = "main-zk", **service: Any) -> Manifest:
    manifest = client_service(valid(raw_cluster(service=service)))
    manifest["metadata"].update(namespace=namespace, name=name)
    del manifest["metadata"]["ownerReferences"]
    return manifest


async def families(api: KubeClient, manifest: Manifest) -> list[str]:
    """Apply it as the operator does; return the families that the Service then has addresses of."""
    live = await api.apply(SERVICES, manifest["metadata"]["namespace"], manifest)
    assert covers(live, manifest), changed_fields(live, manifest)
    found: list[str] = live["spec"]["ipFamilies"]
    assert len(live["spec"]["clusterIPs"]) == len(found)
    return found


async def test_a_service_gets_and_gives_back_addresses_of_a_second_family(api_servers: ApiServerFactory) -> None:
    async with client_of(api_servers(BOTH)) as api:
        assert await families(api, wanted("default")) == ["IPv4"]
        assert await families(api, wanted("default", ipFamilyPolicy="PreferDualStack")) == ["IPv4", "IPv6"]
        assert await families(api, wanted("default")) == ["IPv4", "IPv6"], "what nobody asks to change stays"
        assert await families(api, wanted("default", ipFamilyPolicy="SingleStack")) == ["IPv4"]
        assert await families(api, wanted("default", "six", ipFamilies=["IPv6"])) == ["IPv6"]
        both = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]}
        assert await families(api, wanted("default", "six", **both)) == ["IPv6", "IPv4"]


async def test_without_a_second_family_one_is_enough_or_the_field_is_named(
    api_server: ApiServer, namespace: str
) -> None:
    async with client_of(api_server) as api:
        assert await families(api, wanted(namespace, ipFamilyPolicy="PreferDualStack")) == ["IPv4"]
        with pytest.raises(InvalidError, match="ipFamilyPolicy"):
            await families(api, wanted(namespace, "both", ipFamilyPolicy="RequireDualStack"))
