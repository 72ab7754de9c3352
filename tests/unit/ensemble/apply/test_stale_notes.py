"""A claim is noted for the cluster that exists now: one that is gone would take the new one's claim with it."""

import pytest

from tests.support.models.ensemble_simulation import NAMES, valid
from tests.support.worlds.ensemble import ensemble_world
from zkoperator.ensemble.observe.claim_view import claim_view
from zkoperator.ensemble.observe.observer import ObserverState
from zkoperator.ensemble.plan.steps import NoteOnClaim
from zkoperator.errors import ConflictError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_CLUSTERS


async def test_a_claim_is_never_given_to_a_cluster_that_was_made_again_since() -> None:
    world = ensemble_world(1, storage={"retention": {"whenDeleted": "Delete"}})
    await world.rest()
    old = world.cluster()
    assert old is not None
    world.api.remove(ZOOKEEPER_CLUSTERS, "demo", "main")
    made = {key: value for key, value in old.items() if key not in ("metadata", "status")}
    world.api.put(ZOOKEEPER_CLUSTERS, {**made, "metadata": {"name": "main", "namespace": "demo"}})
    claim = {"name": NAMES.claim(1), "namespace": "demo", "labels": NAMES.selector}
    world.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    world.api.put(PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim})
    live = world.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    assert live is not None
    stale = NoteOnClaim(claim_view(1, live), "member", owned=True)
    applier = world.operator._applier
    with pytest.raises(ConflictError):
        await applier.apply(valid(old), await world.operator._observer.observe(valid(old), ObserverState()), stale)
    kept = world.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    assert kept is not None
    assert not kept["metadata"].get("ownerReferences"), "the garbage collector deletes what only the gone own"
