"""Whatever was asked for on the way, the children are in the end those of a cluster made with the last spec."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.models.ensemble_simulation import BETTER, GOOD
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.names import MADE_WITH, REVISION, TEMPLATE
from zkoperator.ensemble.plan import child_steps as desired
from zkoperator.ensemble.plan import drift
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS, Manifest

_CHILDREN = (*dict.fromkeys(child.resource for child in Child), PODS)
_KEPT = ("name", "labels", "annotations")

EDITS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(1, 5),
        "image": st.sampled_from([GOOD, BETTER]),
        "config": st.fixed_dictionaries(
            {},
            optional={
                "tickTime": st.sampled_from(["2000", "3000", None]),
                "snapCount": st.sampled_from(["5000", None]),
            },
        ),
        "logLevel": st.sampled_from(["INFO", "WARN", None]),
        "jvm": st.sampled_from([{"heapPercent": 40}, {"flags": ["-XX:+UseZGC"]}, None]),
        "resources": st.sampled_from([{"limits": {"memory": "2Gi"}}, {"requests": {"cpu": "1"}}, None]),
        "imagePullSecrets": st.sampled_from([[{"name": "registry"}], None]),
        "storage": st.fixed_dictionaries(
            {
                "retention": st.fixed_dictionaries(
                    {},
                    optional={
                        "whenScaled": st.sampled_from(["Delete", "Retain"]),
                        "whenDeleted": st.sampled_from(["Delete", "Retain"]),
                    },
                )
            }
        ),
        "pod": st.sampled_from(
            [
                {"labels": {"team": "a"}, "nodeSelector": {"disk": "fast"}},
                {"labels": {"team": None}, "annotations": {"note": "b"}},
                {"nodeSelector": None, "tolerations": [{"key": "x", "operator": "Exists"}]},
                {"priorityClassName": "high"},
                None,
            ]
        ),
    },
)
WALKS = st.lists(st.tuples(EDITS, st.integers(0, 12)), min_size=1, max_size=5)


def edit(world: EnsembleWorld, spec: Manifest) -> None:
    """Patch the spec as a user does: null takes away. The model knows the number of members from its own copy."""
    world.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": spec})
    world.raw["spec"] = (world.cluster() or {})["spec"]


def children(world: EnsembleWorld) -> str:
    found = {f"{r.plural}/{m['metadata']['name']}": _plain(m) for r in _CHILDREN for m in world.api.every(r)}
    return json.dumps(found, sort_keys=True, indent=1)


def _plain(manifest: Manifest) -> Manifest:
    """Without what the server adds, and without digests of the password, which is random."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key in _KEPT}
    plain = {key: value for key, value in manifest.items() if key not in ("status", "metadata")}
    if manifest["kind"] == "Pod":
        # Pull secrets are for the next start: changing them restarts nobody, and pods keep the template they had.
        metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if key != TEMPLATE}
        plain["spec"] = {key: value for key, value in plain["spec"].items() if key != "imagePullSecrets"}
    text = json.dumps(plain | {"metadata": metadata})
    for part in (manifest, manifest.get("spec", {}).get("template", {})):
        annotations = part.get("metadata", {}).get("annotations", {})
        for digest in filter(None, (annotations.get(REVISION), annotations.get(MADE_WITH))):
            text = text.replace(digest, "-")
    found: Manifest = json.loads(text)
    return found


async def _walk(walk: list[tuple[dict[str, Any], int]]) -> None:
    world = ensemble_world(3)
    for spec, turns in walk:
        edit(world, spec)
        for _ in range(turns):
            await world.turn()
    await world.rest(300)
    fresh = ensemble_world(1)
    edit(fresh, world.raw["spec"])
    await fresh.rest()
    # The word that permits founding is the only trace of how the pods of a fresh cluster began.
    assert _without_word(children(world)) == _without_word(children(fresh))


def _without_word(text: str) -> str:
    lines, kept = text.splitlines(), []
    for number, line in enumerate(lines):
        if number and '"ZK_BOOTSTRAP"' in lines[number - 1]:
            continue
        kept.append(line)
    return "\n".join(kept)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(WALKS)
def test_a_walk_of_edits_ends_as_a_fresh_creation_of_the_last_spec(walk: list[tuple[dict[str, Any], int]]) -> None:
    asyncio.run(_walk(walk))


def test_what_a_walk_leaves_behind_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def founded_for_ever(live: Manifest, wanted: Manifest) -> bool:
        """A configuration is written while the ensemble is founded, and never again."""
        done = live["kind"] == "ConfigMap" and live["data"].get("bootstrap") == ""
        return done or drift.covers(live, wanted)

    monkeypatch.setattr(desired, "covers", founded_for_ever)
    with pytest.raises(AssertionError):
        asyncio.run(_walk([({}, 40), ({"config": {"tickTime": "3000"}}, 0)]))
