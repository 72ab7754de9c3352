"""A cluster that a backup tool has restored with its status, under a new uid: its own volumes are its own again."""

from typing import Any

import pytest

from tests.support.models.ensemble_simulation import GOOD, NAMES, raw_cluster, valid
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble import validate as validation
from zkoperator.ensemble.build.configmap import config_map
from zkoperator.ensemble.model.names import TAKE_OVER
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan import founding, plan
from zkoperator.ensemble.plan.plan import make_plan
from zkoperator.ensemble.plan.steps import RecordBootstrap
from zkoperator.ensemble.status import status as status_module
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, validate
from zkoperator.kube.port import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_CLUSTERS, Manifest


def _restore(world: EnsembleWorld, *, is_old: bool) -> None:
    """Delete the object and put it back with its status, as a backup tool does; `is_old`: from an earlier version."""
    backup = world.cluster() or {}
    status: Manifest = {**backup["status"], "bootstrap": {**backup["status"]["bootstrap"]}}
    if is_old:
        del status["bootstrap"]["ensemble"]
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    metadata = {"name": "main", "namespace": "demo"}
    world.api.put(ZOOKEEPER_CLUSTERS, {**backup, "metadata": metadata, "status": status})
    world.start_operator()


async def own_volumes_are_taken_up_again(*, is_old: bool) -> None:
    world = ensemble_world(3)
    await world.rest()
    founder, acknowledged = (world.cluster() or {})["metadata"]["uid"], world.acknowledged
    _restore(world, is_old=is_old)
    assert (world.cluster() or {})["metadata"]["uid"] != founder
    marks = set()
    for _ in range(8):
        await world.turn()
        config = world.api.peek(CONFIG_MAPS, "demo", NAMES.config_map)
        marks |= {config["data"]["ensemble"]} if config is not None else set()
    assert marks == {founder}, "a member compares its volume's mark with it, and refuses to start"
    await world.rest()
    assert (world.founded, world.acknowledged > acknowledged) == (1, True)
    claims = world.api.every(PERSISTENT_VOLUME_CLAIMS)
    assert {claim["metadata"]["annotations"]["zkoperator.dev/ensemble"] for claim in claims} == {founder}


@pytest.mark.parametrize("is_old", [False, True], ids=["recorded", "only on the claims"])
async def test_the_own_volumes_are_taken_up_again(is_old: bool) -> None:
    await own_volumes_are_taken_up_again(is_old=is_old)


def _restored(namespace: str = "demo", name: str = "main", **annotations: str) -> ValidatedCluster:
    raw = raw_cluster(3)
    raw["metadata"] |= {"name": name, "namespace": namespace, "annotations": annotations}
    raw["status"] = {
        "replicas": 3,
        "endpoint": "main-zk.demo.svc.cluster.local:2181",
        "bootstrap": {"members": 3, "complete": True, "ensemble": "uid-of-the-original"},
    }
    return validate(raw, Defaults(GOOD))


_ORIGIN = "main-zk-members.demo.svc.cluster.local"


async def a_copy_may_be_taken_over_although_the_original_has_served() -> None:
    for place in ({"namespace": "restored"}, {"name": "copy"}):
        copy = _restored(**place, **{TAKE_OVER: _ORIGIN})
        assert config_map(copy, (), "")["data"]["take-over"] == _ORIGIN
        assert copy.warnings == (), "nothing says that it is spent"
        status: Any = status_module.status_of(copy, Observed(), make_plan(copy, Observed()), "2026-01-01T00:00:00Z")
        assert (status["replicas"], status["endpoint"]) == (0, copy.names.endpoint), "from now on the status is its own"


async def test_a_copy_may_be_taken_over_although_its_status_says_that_it_has_served() -> None:
    await a_copy_may_be_taken_over_although_the_original_has_served()


async def who_has_served_takes_nothing_over() -> None:
    cluster = _restored(**{TAKE_OVER: _ORIGIN})
    assert config_map(cluster, (), "")["data"]["take-over"] == ""
    assert len(cluster.warnings) == 1


async def test_who_has_served_takes_nothing_over() -> None:
    await who_has_served_takes_nothing_over()


async def claims_of_two_ensembles_say_nothing_about_the_founder() -> None:
    world = ensemble_world(3)
    await world.rest()
    patch = {"metadata": {"annotations": {"zkoperator.dev/ensemble": "uid-of-another"}}}
    world.api.edit(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(2), patch)
    _restore(world, is_old=True)
    for _ in range(3):
        await world.turn()
    cluster = world.cluster() or {}
    assert cluster["status"]["bootstrap"]["ensemble"] == cluster["metadata"]["uid"]


async def test_claims_of_two_ensembles_say_nothing_about_the_founder() -> None:
    await claims_of_two_ensembles_say_nothing_about_the_founder()


async def the_founder_is_on_record_before_anything_else() -> None:
    world = ensemble_world(3)
    await world.turn()
    cluster = world.cluster() or {}
    assert cluster["status"]["bootstrap"].get("ensemble") == cluster["metadata"]["uid"]
    raw = raw_cluster(3)
    raw["status"] = {"bootstrap": {"members": 3, "complete": True}}
    steps = make_plan(valid(raw), Observed(secret_id="s")).steps
    assert steps == (RecordBootstrap(3, complete=True, ensemble=raw["metadata"]["uid"]),)


async def test_the_founder_is_on_record_before_anything_else() -> None:
    await the_founder_is_on_record_before_anything_else()


async def _on_the_claims() -> None:
    await own_volumes_are_taken_up_again(is_old=True)


SEEDS = (
    Seed(
        "the founder is recorded at the founding",
        rewritten(founding, "_first_record", "else cluster.meta.uid", 'else ""'),
        (the_founder_is_on_record_before_anything_else,),
    ),
    Seed(
        "a record without a founder is completed",
        replaced(founding, "lacks_founder", lambda _: False),
        (_on_the_claims,),
    ),
    Seed(
        "it is completed from the claims",
        replaced(founding, "_founder", lambda cluster, _: cluster.meta.uid),
        (_on_the_claims,),
    ),
    Seed(
        "no member starts before",
        replaced(plan, "lacks_founder", lambda _: False),
        (the_founder_is_on_record_before_anything_else,),
    ),
    Seed(
        "one ensemble only",
        rewritten(founding, "_founder", "len(ensembles) == 1", "ensembles"),
        (claims_of_two_ensembles_say_nothing_about_the_founder,),
    ),
    Seed(
        "the status of another object is none of ours",
        replaced(validation, "_own_status", lambda status, _: status),
        (a_copy_may_be_taken_over_although_the_original_has_served,),
    ),
    Seed(
        "our own status is ours",
        rewritten(validation, "_own_status", "return status if is_own else", "return"),
        (who_has_served_takes_nothing_over,),
    ),
    Seed(
        "what the other object knew is not kept",
        rewritten(status_module, "_summary", "cluster.status.replicas}", "3}"),
        (a_copy_may_be_taken_over_although_the_original_has_served,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_this_guard_a_claim_fails(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
