"""Labels, annotations and the type of the client Service are what the spec says, and cost no restart."""

from typing import Any

import pytest

from tests.support.models.children import asking_for, exist_with
from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.worlds.ensemble import ensemble_world
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.render import render
from zkoperator.ensemble.build.statefulset import revision
from zkoperator.ensemble.model.names import ROLLOUT_BASELINE, USER_METADATA
from zkoperator.ensemble.plan import drift
from zkoperator.ensemble.validate import Defaults, validate
from zkoperator.errors import InvalidError
from zkoperator.kube.port import PODS, Manifest

COMMON: dict[str, Any] = {"commonLabels": {"team": "shop"}, "commonAnnotations": {"example.com/cost": "42"}}
SERVICE = {"type": "LoadBalancer", "labels": {"edge": "yes"}, "annotations": {"lb.example.com/internal": "true"}}


def rendered(**spec: Any) -> dict[tuple[str, str], Manifest]:
    return {(m["kind"], m["metadata"]["name"]): m for m in render(valid(raw_cluster(**spec)))}


def test_every_child_has_the_common_labels_and_annotations_beside_our_own() -> None:
    whole = asking_for(Child.EXTERNAL)
    bare, found = rendered(**whole), rendered(**COMMON, **whole)
    assert len(found) == len(exist_with(Child.EXTERNAL))
    for key, manifest in found.items():
        assert manifest["metadata"]["labels"] == {**bare[key]["metadata"]["labels"], "team": "shop"}
        assert manifest["metadata"]["annotations"]["example.com/cost"] == "42"
        unasked = bare[key]["metadata"].get("annotations", {}).keys()
        assert unasked <= {ROLLOUT_BASELINE}, "who asks for nothing gets nothing"


def test_only_the_client_service_has_its_own() -> None:
    found = rendered(service=SERVICE)
    service = found.pop(("Service", "main-zk"))
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["metadata"]["labels"]["edge"] == "yes"
    assert service["metadata"]["annotations"]["lb.example.com/internal"] == "true"
    assert all("edge" not in manifest["metadata"]["labels"] for manifest in found.values())


def test_they_restart_nobody_and_do_not_touch_the_pods() -> None:
    plain, asked = valid(raw_cluster()), valid(raw_cluster(**COMMON, service=SERVICE))
    assert revision(plain, "s") == revision(asked, "s")
    key = ("StatefulSet", "main-zk")
    assert rendered()[key]["spec"] == rendered(**COMMON, service=SERVICE)[key]["spec"]


def test_a_service_that_is_reached_from_outside_is_warned_of() -> None:
    assert not [told for told in valid(raw_cluster()).warnings if "service" in told]
    assert "spec.service.type is LoadBalancer" in valid(raw_cluster(service=SERVICE)).warnings[0]


@pytest.mark.parametrize("key", ["app.kubernetes.io/name", "zkoperator.dev/membership", "no such key!"])
@pytest.mark.parametrize("field", ["commonLabels", "commonAnnotations"])
def test_our_own_keys_are_refused(field: str, key: str) -> None:
    with pytest.raises(InvalidError, match=f"spec.{field}"):
        validate(raw_cluster(3, **{field: {key: "x"}}), Defaults("zookeeper:3.9.5"))


async def what_is_not_asked_for_any_more_goes() -> None:
    world = ensemble_world(1, service=SERVICE, **COMMON)
    await world.rest()
    pods = {pod["metadata"]["uid"] for pod in world.api.every(PODS)}
    world.ask_for(service={"type": "ClusterIP", "labels": None, "annotations": None})
    world.ask_for(commonLabels=None, commonAnnotations=None)
    await world.rest()
    for manifest in world.children.values():
        metadata = manifest["metadata"]
        assert not {"team", "edge"} & metadata["labels"].keys()
        assert not {"example.com/cost", USER_METADATA} & (metadata.get("annotations") or {}).keys()
    assert world.children[Child.CLIENT_SERVICE]["spec"]["type"] == "ClusterIP"
    assert pods == {pod["metadata"]["uid"] for pod in world.api.every(PODS)}


async def test_what_is_not_asked_for_any_more_is_taken_away() -> None:
    await what_is_not_asked_for_any_more_goes()


async def test_without_the_digest_it_would_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "_user_metadata", lambda _: None)
    with pytest.raises(AssertionError):
        await what_is_not_asked_for_any_more_goes()
