"""Objects made from our own schemas: the API server and the operator pass the same verdict on each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from testbed.api import ApiServer
from testbed.rest import ApiError, Rest
from testbed.zookeepers import Ensemble
from tests.support.models.schema_objects import objects, spec_schema, spoiled
from tests.support.worlds.following import follow
from tests.support.worlds.site import API, definitions, install_crds_with
from tests.support.worlds.site import site as open_site
from tests.support.worlds.sync_user import data_is, ready
from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.meta import Model
from zkoperator.api.parse import parse
from zkoperator.api.sync import ConfigSync

KINDS: dict[str, tuple[str, type[Model]]] = {
    "configsyncs": ("ConfigSync", ConfigSync),
    "zookeeperclusters": ("ZooKeeperCluster", ZooKeeperCluster),
}
API_VERSION = "zkoperator.dev/v1alpha1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
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
@pytest.mark.parametrize("accepted", [True, False])
def test_the_generator_makes_objects_of_both_verdicts(rest: Rest, kind: str, accepted: bool) -> None:
    name, model = KINDS[kind]

    def is_wanted(spec: Any) -> bool:
        """Few of the ConfigSyncs that fit the schema keep the rules between fields, so the operator judges first."""
        parsed = parse(model, {"kind": name, "metadata": {"name": "main", "namespace": "default"}, "spec": spec})
        return isinstance(parsed, tuple) is not accepted

    unhurried = settings(
        max_examples=2000,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # the first one will do; a smaller one says no more
    )
    found = find(objects(spec_schema(kind)), is_wanted, settings=unhurried)
    assert (verdicts(rest, kind, found)[0] == "") is accepted


def refused(kind: str, number: int, seed: int) -> list[Any]:
    """Specs that the operator refuses, each for another reason."""
    valid, found = objects(spec_schema(kind)), dict[str, Any]()
    name, model = KINDS[kind]

    @hypothesis_seed(seed)
    @settings(
        max_examples=60 * number,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )
    @given(spec=spoiled(valid))
    def collect(spec: Any) -> None:
        metadata = {"name": "main", "namespace": "default"}
        parsed = parse(model, {"apiVersion": API_VERSION, "kind": name, "metadata": metadata, "spec": spec})
        if isinstance(spec, dict) and isinstance(parsed, tuple):
            found.setdefault(str(parsed[0]), spec)

    collect()
    return [*found.values()][:number]


@pytest.fixture(scope="module")
def lenient() -> Iterator[ApiServer]:
    """An API server whose definitions take anything: as if our schemas had been edited, or were of another version."""
    with ApiServer() as server:
        server.start()
        rest = server.rest()
        install_crds_with(rest)
        for document in definitions():
            loose: Any = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            for version in document["spec"]["versions"]:
                version["schema"]["openAPIV3Schema"] = loose
            rest.apply(f"{DEFINITIONS}/{document['metadata']['name']}", document)
        yield server
        rest.close()


async def met(server: ApiServer, zookeeper: Ensemble, directory: Path, number: int, seed: int) -> None:
    """A running operator meets bad specs, one after the other, in place of a good one that stays in force."""
    bad = refused("configsyncs", number, seed)  # before there are threads, whose dice would disturb the generator
    assert len(bad) == number
    async with open_site(server, zookeeper, directory, install=False) as site, follow(site) as (plot, operator):
        good = (await site.kube.get(f"{plot.custom}/configsyncs/shop"))["spec"]
        data = await plot.data()
        for spec in bad:
            found = await site.kube.get(f"{plot.custom}/configsyncs/shop")
            await site.kube.replace(f"{plot.custom}/configsyncs/shop", found | {"spec": spec})
            await ready(plot, "InvalidSpec", within_s=60)
            assert await plot.data() == data, spec
        found = await site.kube.get(f"{plot.custom}/configsyncs/shop")
        await site.kube.replace(f"{plot.custom}/configsyncs/shop", found | {"spec": good})
        await ready(plot, "InSync", within_s=60)
        await plot.put(color="green")
        await data_is(plot, {"color": "green"}, within_s=60)
        assert operator.fetch("/livez")[0] == 200


async def test_a_running_operator_names_bad_objects_and_keeps_the_last_good_state(
    lenient: ApiServer, zookeeper: Ensemble, tmp_path: Path
) -> None:
    await met(lenient, zookeeper, tmp_path, 8, seed=1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(2, 6))
async def test_a_running_operator_names_very_many_bad_objects(
    lenient: ApiServer, zookeeper: Ensemble, tmp_path: Path, seed: int
) -> None:
    await met(lenient, zookeeper, tmp_path, 20, seed)
