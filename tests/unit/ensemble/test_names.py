"""Whose child an object is, by its name alone."""

import pytest

from zkoperator.ensemble.model.names import Names, cluster_of_child, cluster_of_claim


@pytest.mark.parametrize("cluster", ["main", "data-main", "a-zk", "data-"])
def test_children_and_claims_lead_to_their_cluster_whatever_it_is_called(cluster: str) -> None:
    names = Names("demo", cluster)
    children = (names.stateful_set, names.members_service, names.config_map, names.secret, names.pod(1), names.pod(12))
    assert {cluster_of_child(name) for name in children} == {cluster}
    assert {cluster_of_claim(names.claim(member)) for member in (1, 12)} == {cluster}


def test_other_names_lead_nowhere() -> None:
    assert {cluster_of_child(name) for name in ("main", "main-zk-0-x", "-zk")} == {None}
    assert {cluster_of_claim(name) for name in ("main-zk-0", "data-main", "logs-main-zk-0")} == {None}
