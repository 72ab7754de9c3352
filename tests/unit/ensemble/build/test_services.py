"""The Services of a cluster, as the spec asks for them."""

from typing import Any

from tests.support.models.ensemble_simulation import raw_cluster, valid
from zkoperator.ensemble.build.services import client_service, members_service
from zkoperator.ensemble.plan.drift import covers

BOTH = {"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}


def spec_with(**service: Any) -> Any:
    return client_service(valid(raw_cluster(service=service)))["spec"]


def test_the_families_of_the_spec_are_those_of_the_client_service() -> None:
    assert {field: spec_with(**BOTH)[field] for field in BOTH} == BOTH
    assert not BOTH.keys() & spec_with().keys(), "the API server decides, and what it has decided stays"
    assert not BOTH.keys() & members_service(valid(raw_cluster(service=BOTH)))["spec"].keys()


def test_what_the_api_server_fills_in_is_no_drift() -> None:
    for service in ({}, {"ipFamilyPolicy": "PreferDualStack"}):
        wanted = client_service(valid(raw_cluster(service=service)))
        filled = {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "clusterIP": "10.0.0.9", **wanted["spec"]}
        assert covers({**wanted, "spec": filled}, wanted)
