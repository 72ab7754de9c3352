"""Every field does something, and it does not matter by which way an object came to be what it is.

The fields are read from the schema, so a new one is covered from its first day or fails here.
"""

import asyncio
import copy
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import NoSuchExample

from tests.support.models.pod_fields import FULL
from tests.support.models.schema_objects import leaves, narrowed, objects, spec_schema
from tests.support.waiting import eventually
from tests.support.worlds.following import Following
from tests.support.worlds.site import Site
from tests.support.worlds.sync_user import data_is
from zkoperator.ensemble.build.render import render
from zkoperator.ensemble.validate import Defaults, validate
from zkoperator.errors import InvalidError

# Fields that show in no child at once, and where they are seen instead.
SEEN_ELSEWHERE: dict[tuple[str, ...], str] = {
    ("disruption", "singleMember"): (
        "tests/unit/ensemble/build/test_build.py, test_a_single_member_lets_its_node_go_only_where_the_spec_says_so"
    ),
    ("observers", "storage", "type"): "tests/unit/ensemble/build/test_observers.py: there is one type only",
    ("externalAccess", "nodePorts", "tls"): "tests/unit/ensemble/build/test_external_services.py",
    ("tls", "client", "additionalNames"): "tests/unit/ensemble/test_certificates.py",
    ("tls", "client", "trustedCASecretName"): "tests/unit/ensemble/test_certificates.py",
    **{
        ("tls", part, "certificate", *field): "tests/unit/ensemble/test_certificates.py"
        for part in ("client", "quorum")
        for field in (("selfSigned", "duration"), ("issuerRef", "kind"), ("issuerRef", "group"))
    },
    ("paused",): "tests/e2e/test_ensemble_lifetime.py, test_a_paused_cluster_is_watched_and_left_alone",
    ("storage", "retention", "whenDeleted"): (
        "tests/e2e/test_ensemble_lifetime.py, test_deletion_takes_the_claims_along_only_when_the_policy_says_so"
    ),
    ("storage", "retention", "whenScaled"): (
        "tests/e2e/test_ensemble_growth.py, test_one_becomes_three_without_a_phase_of_two_and_who_left_comes_back"
    ),
}


def fields() -> list[tuple[str, ...]]:
    return sorted(
        {tuple(part for part in path if part not in ("[]", "*")) for path in leaves(spec_schema("zookeeperclusters"))}
    )


SEEN_ELSEWHERE |= {
    field: "tests/unit/ensemble/plan/test_restore.py, and in a Job tests/unit/ensemble/build/test_restore_jobs.py"
    for field in fields()
    if field[0] == "bootstrap"
}

SEEN_ELSEWHERE |= {
    field: "tests/unit/controller/test_grants.py, and in a ConfigSync tests/unit/mirror/test_granted.py"
    for field in fields()
    if field[0] == "grants"
}

OUTSIDE: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("type",), {"type": "NodePort"}),
    (("perMember",), {"type": "NodePort", "perMember": True}),
    (("annotations",), {"type": "NodePort", "annotations": {"example.com/a": "b"}}),
    (("sourceRanges",), {"type": "LoadBalancer", "sourceRanges": ["203.0.113.0/24"]}),
    (("hostnames",), {"type": "NodePort", "hostnames": "zk.example.com"}),
    (("plaintext",), {"type": "NodePort"}),
    (("nodePorts", "plaintext"), {"type": "NodePort", "nodePorts": {"plaintext": 32181}}),
)
# Values that a generator does not find by itself.
EXAMPLES = {
    ("jvm", "flags"): {"flags": ["-XX:MaxGCPauseMillis=50"]},
    **{("externalAccess", *field): {"plaintext": "Allowed", **value} for field, value in OUTSIDE},
    **{field: FULL for field in fields() if field[0] == "pod" and field[1] in FULL},
}
_BASE: dict[str, Any] = {"storage": {"type": "Persistent", "size": "1Gi"}}
_search = settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=True,
    phases=[Phase.generate],
)


def children(spec: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What the operator makes of a spec; None for one that it refuses."""
    raw = {"metadata": {"name": "main", "namespace": "demo", "uid": "u", "generation": 1}, "spec": spec}
    try:
        return render(validate(raw, Defaults(image="zookeeper:3.9.5")))
    except InvalidError:
        return None


def shows(field: tuple[str, ...], value: Any) -> bool:
    """Whether children with the field differ from those of the same spec without it."""
    base = _BASE.get(field[0])
    spec = _BASE | {field[0]: base | value if isinstance(value, dict) and isinstance(base, dict) else value}
    without = copy.deepcopy(spec)
    made = children(spec)
    return made is not None and _drop(without, field) and made != (children(without) or children(_BASE))


@pytest.mark.parametrize("field", fields(), ids=".".join)
def test_every_field_of_a_cluster_changes_its_children_or_is_listed_here(field: tuple[str, ...]) -> None:
    def search() -> bool:
        if field in EXAMPLES:
            return shows(field, EXAMPLES[field])
        values = objects(narrowed(spec_schema("zookeeperclusters")["properties"][field[0]], field[1:]))
        try:
            find(values, lambda value: shows(field, value), settings=_search)
        except NoSuchExample:
            return False
        return True

    assert search() is (field not in SEEN_ELSEWHERE)


def _drop(value: Any, path: tuple[str, ...]) -> bool:
    """Take a field away, from the first item that has it of each list on its way; False when it is not there."""
    if isinstance(value, list):
        return any(_drop(item, path) for item in value)
    if not isinstance(value, dict) or path[0] not in value:
        return False
    if len(path) == 1:
        del value[path[0]]
        return True
    return _drop(value[path[0]], path[1:])


# What a step of a walk may write; a field that a step does not name stays as it was.
CHOICES: dict[str, list[Any]] = {
    "keys": [
        {"include": ["db/*"], "exclude": []},
        {"include": ["**"], "exclude": ["db/*"]},
        {"include": ["color", "db/size"], "exclude": []},
        {"include": ["**"], "exclude": []},
    ],
    "mode": ["Active", "Paused", "DryRun"],
    "direction": ["TwoWay", "ZooKeeperToConfigMap"],
    "deletionPolicy": ["Retain", "Propagate"],
    "conflictPolicy": ["Hold", "PreferConfigMap", "PreferZooKeeper"],
    "adoptionPolicy": ["Union", "PreferConfigMap", "PreferZooKeeper", "RequireEqual"],
    "deletionGuard": [{"maxKeys": 0, "maxPercent": 0}, {"maxKeys": 50, "maxPercent": 30}],
    "onDelete": ["Retain", "DeleteConfigMap"],
}


def walk(seed: int, steps: int = 8) -> list[dict[str, Any]]:
    """Edits of one to three fields each."""
    dice = random.Random(seed)
    chosen = [dice.sample(sorted(CHOICES), dice.randint(1, 3)) for _ in range(steps)]
    return [{field: dice.choice(CHOICES[field]) for field in names} for names in chosen]


_END: dict[str, Any] = {
    "mode": "Active",
    "direction": "ZooKeeperToConfigMap",
    "conflictPolicy": "Hold",
    "adoptionPolicy": "Union",
    "deletionPolicy": "Propagate",
    "deletionGuard": {"maxKeys": 50, "maxPercent": 30},
    "onDelete": "Retain",
    "keys": {"include": ["**"], "exclude": ["absent/**"]},
}


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(3, 40))])
async def test_a_walk_of_edits_ends_in_the_children_of_a_creation(site: Site, following: Following, seed: int) -> None:
    dice = random.Random(seed)
    async with following() as (plot, _):
        await plot.put(db="", db__size="1", secret="s")
        for edit in walk(seed):
            await plot.edit_sync({"spec": edit})
            # Sometimes faster than the operator, sometimes after it has acted.
            await asyncio.sleep(dice.choice((0, 0, 0.3, 1)))
        await plot.edit_sync({"spec": _END})
        # Keys that were deselected on the way are only forgotten, so they are there and equal again in the end.
        expected = {"color": "red", "db__size": "1", "secret": "s"}
        await data_is(plot, expected, within_s=60)
        await plot.sync("fresh", **_END)
        fresh = await _settled(plot, "fresh", expected)
        walked = await _settled(plot, "shop", expected)
        assert walked == fresh


async def _settled(plot: Any, name: str, expected: dict[str, str]) -> dict[str, Any]:
    async def equal() -> bool:
        data = await plot.data(name)
        data.pop("__root", None)
        return bool(data == expected)

    await eventually(equal, within_s=60)
    config_map = await plot.config_map(name)
    labels = {key: value.replace(name, "<name>") for key, value in config_map["metadata"]["labels"].items()}
    return {"data": config_map["data"], "binaryData": config_map.get("binaryData"), "labels": labels}
