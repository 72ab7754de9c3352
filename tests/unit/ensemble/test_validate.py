"""From a raw object to a validated cluster: everything that follows from the spec, and every error at once."""

from typing import Any

import pytest

from tests.support.models.ensemble_simulation import raw_cluster
from zkoperator.controller.quantity import parse_quantity
from zkoperator.ensemble.model.spec_warnings import version_warnings
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, validate
from zkoperator.errors import FieldError, InvalidError

DEFAULTS = Defaults("zookeeper:3.9.5")


def valid(**spec: Any) -> ValidatedCluster:
    return validate(raw_cluster(**spec), DEFAULTS)


def errors(**spec: Any) -> tuple[FieldError, ...]:
    with pytest.raises(InvalidError) as refused:
        validate(raw_cluster(**spec), DEFAULTS)
    return refused.value.errors


@pytest.mark.parametrize(
    ("resources", "percent", "heap_mib"),
    [
        ({"limits": {"memory": "1Gi"}}, 50, 512),
        ({"limits": {"memory": "2000Mi"}, "requests": {"memory": "1Gi"}}, 75, 1500),
        ({"requests": {"memory": "512Mi"}}, 50, 256),
        ({"limits": {"memory": 1073741824}}, 25, 256),
        ({}, 50, 512),
    ],
)
def test_the_heap_follows_from_the_memory(resources: dict[str, Any], percent: int, heap_mib: int) -> None:
    assert valid(resources=resources, jvm={"heapPercent": percent}).heap_mib == heap_mib


def test_all_errors_are_told_with_their_paths() -> None:
    found = errors(
        resources={"limits": {"memory": "64Mi", "cpu": "1"}, "requests": {"memory": "1Gi", "cpu": "1500m"}},
    )
    assert {error.path for error in found} == {
        "spec.resources.requests[memory]",
        "spec.resources.requests[cpu]",
        "spec.resources.limits[memory]",
    }


def test_an_image_that_is_not_named_is_the_default_one() -> None:
    raw = raw_cluster()
    del raw["spec"]["image"]
    assert validate(raw, DEFAULTS).image == "zookeeper:3.9.5"


@pytest.mark.parametrize(
    ("image", "word"),
    [
        ("zookeeper:3.9.3", "ZOOKEEPER-4925"),
        ("zookeeper:3.9.1", "ZOOKEEPER-4785"),
        ("r.io/zookeeper:3.8.4-jre", "ZOOKEEPER-4785"),
        ("zookeeper:3.9.4", "CVE-2026-24281"),
    ],
)
def test_a_dangerous_version_warns_with_the_reason(image: str, word: str) -> None:
    assert word in " ".join(version_warnings(image))


@pytest.mark.parametrize("image", ["zookeeper:3.9.5", "zookeeper:3.8.6", "zookeeper@sha256:0", "zookeeper:latest"])
def test_a_sound_or_unknown_version_does_not_warn(image: str) -> None:
    assert version_warnings(image) == ()


def test_even_numbers_and_ephemeral_storage_warn() -> None:
    told = " ".join(valid(replicas=4, storage={"type": "Ephemeral"}).warnings)
    assert "4 voters survive the loss of 1" in told
    assert "Ephemeral" in told


@pytest.mark.parametrize(
    ("text", "amount"),
    [("500m", "0.5"), ("1Gi", str(2**30)), ("2k", "2000"), (3, "3"), ("1.5Mi", "1572864"), ("1e3", "1000")],
)
def test_quantities_are_read_as_kubernetes_does(text: int | str, amount: str) -> None:
    assert parse_quantity(text) == parse_quantity(amount)
