"""Names of pods and claims: whose they are follows from the name alone."""

import pytest

from zkoperator.ensemble.model.names import Names, cluster_of_claim, cluster_of_pod


@pytest.mark.parametrize("cluster", ["main", "data-main", "a-zk", "data-"])
def test_pods_and_claims_lead_to_their_cluster_whatever_it_is_called(cluster: str) -> None:
    names = Names("demo", cluster)
    assert {cluster_of_pod(names.pod(member)) for member in (1, 12)} == {cluster}
    assert {cluster_of_pod(names.pod(member)) for member in (101, 120)} == {cluster}
    assert [names.member_of(names.pod(member)) for member in (1, 12, 101, 120)] == [1, 12, 101, 120]
    assert {cluster_of_claim(names.claim(member)) for member in (1, 12)} == {cluster}


def test_other_names_lead_nowhere() -> None:
    assert {cluster_of_pod(name) for name in ("main", "main-zk", "main-zk-0-x", "main-zk-01", "-zk-0")} == {None}
    assert {cluster_of_claim(name) for name in ("main-zk-0", "data-main", "logs-main-zk-0")} == {None}
