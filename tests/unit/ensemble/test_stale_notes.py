"""A claim is noted for the cluster that exists now: one that is gone would take the new one's claim with it."""

import pytest

from tests.support.models.ensemble_simulation import NAMES, valid
from tests.support.worlds.ensemble import stage
from zkoperator.ensemble.observe.claim_view import claim_view
from zkoperator.ensemble.observe.observer import ObserverState
from zkoperator.ensemble.plan.steps import NoteOnClaim
from zkoperator.errors import ConflictError
from zkoperator.kube.port import PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_CLUSTERS


async def test_a_claim_is_never_given_to_a_cluster_that_was_made_again_since() -> None:
    play = stage(1, storage={"retention": {"whenDeleted": "Delete"}})
    await play.rest()
    old = play.cluster()
    assert old is not None
    play.api.remove(ZOOKEEPER_CLUSTERS, "demo", "main")
    made = {key: value for key, value in old.items() if key not in ("metadata", "status")}
    play.api.put(ZOOKEEPER_CLUSTERS, {**made, "metadata": {"name": "main", "namespace": "demo"}})
    claim = {"name": NAMES.claim(1), "namespace": "demo", "labels": NAMES.selector}
    play.api.remove(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    play.api.put(PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim})
    live = play.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    assert live is not None
    stale = NoteOnClaim(claim_view(1, live), "member", owned=True)
    applier = play.operator._applier
    with pytest.raises(ConflictError):
        await applier.apply(valid(old), await play.operator._observer.observe(valid(old), ObserverState()), stale)
    kept = play.api.peek(PERSISTENT_VOLUME_CLAIMS, "demo", NAMES.claim(1))
    assert kept is not None
    assert not kept["metadata"].get("ownerReferences"), "the garbage collector deletes what only the gone own"
