"""Objects made from our own schemas: the API server and the operator pass the same verdict on each."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.api import ApiServer
from testbed.rest import ApiError, Rest
from tests.support.schema_objects import objects, spec_schema, spoiled
from tests.support.site import API, install_crds_with
from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.meta import Model
from zkoperator.api.parse import parse
from zkoperator.api.sync import ConfigSync

KINDS: dict[str, tuple[str, type[Model]]] = {
    "configsyncs": ("ConfigSync", ConfigSync),
    "zookeeperclusters": ("ZooKeeperCluster", ZooKeeperCluster),
}
_unhurried = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def rest(api_server: ApiServer) -> Iterator[Rest]:
    rest = api_server.rest()
    install_crds_with(rest)
    yield rest
    rest.close()


def verdicts(rest: Rest, kind: str, spec: Any) -> tuple[str, str]:
    """What the API server and the operator say; empty for yes."""
    name, model = KINDS[kind]
    manifest = {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": name,
        "metadata": {"name": "main", "namespace": "default"},
        "spec": spec,
    }
    try:
        rest("POST", f"{API}/namespaces/default/{kind}?dryRun=All", manifest)
        server = ""
    except ApiError as error:
        if error.status not in (400, 422):
            raise
        server = str(error)
    parsed = parse(model, manifest)
    return server, "; ".join(map(str, parsed)) if isinstance(parsed, tuple) else ""


def judge(rest: Rest, kind: str, examples: int) -> None:
    valid = objects(spec_schema(kind))

    @settings(max_examples=examples, deadline=None, suppress_health_check=_unhurried, database=None)
    @given(spec=st.one_of(valid, spoiled(valid)))
    def same_verdict(spec: Any) -> None:
        server, operator = verdicts(rest, kind, spec)
        assert bool(server) is bool(operator), f"server: {server or 'accepts'}\noperator: {operator or 'accepts'}"

    same_verdict()


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_server_and_the_operator_agree_on_generated_objects(rest: Rest, kind: str) -> None:
    judge(rest, kind, 150)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
def test_the_api_server_and_the_operator_agree_on_very_many_generated_objects(rest: Rest, kind: str) -> None:
    judge(rest, kind, 5000)


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_makes_objects_of_both_verdicts(rest: Rest, kind: str) -> None:
    seen: set[bool] = set()
    valid = objects(spec_schema(kind))

    @settings(max_examples=60, deadline=None, suppress_health_check=_unhurried, database=None, derandomize=True)
    @given(spec=st.one_of(valid, spoiled(valid)))
    def collect(spec: Any) -> None:
        seen.add(not verdicts(rest, kind, spec)[0])

    collect()
    assert seen == {True, False}
