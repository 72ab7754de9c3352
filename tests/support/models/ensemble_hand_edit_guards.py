"""What people change by hand in an ensemble or its children, and what goes wrong with any of these guards taken out."""

from dataclasses import replace

import pytest

from tests.support.models.ensemble_guards import Guard, at_rest
from tests.support.models.ensemble_simulation import NAMES, raw_cluster, valid
from zkoperator.ensemble.build.services import client_service
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.plan import child_steps as desired
from zkoperator.ensemble.plan import drift, gate, membership
from zkoperator.kube.port import Manifest

# A configuration changed by hand


def a_voter_that_was_given_another_port_gets_its_own_back() -> None:
    world = at_rest()
    assert world.committed is not None
    moved = replace(server_of(NAMES, 1), client="0.0.0.0:2182")
    world.reconfigure_by_hand((moved, *(server for server in world.committed.servers if server.id != 1)))
    world.settle()
    assert world.committed.find(1) == server_of(NAMES, 1)


def _whoever_is_repaired_must_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(membership, "_unreachable", lambda *_: frozenset())


def _synced_must_be_those_that_answer(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        membership,
        "gate",
        lambda observed, *, excluded, unreachable: gate.gate(observed, excluded=excluded | unreachable),
    )


def a_member_beyond_a_gap_gets_no_pod_for_it() -> None:
    world = at_rest()
    assert world.committed is not None
    world.reconfigure_by_hand((*world.committed.servers, server_of(NAMES, 9)))
    for _ in range(4):
        world.tick()
        assert len(world.pods) == 3
    world.settle()


def _every_member_gets_a_pod(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(desired, "_last_needed", lambda c, _, servers: max(c.spec.replicas, *(s.id for s in servers)))


# Additions by hand


def an_addition_that_changes_what_a_child_does_is_drift() -> None:
    cluster = valid(raw_cluster())
    wanted = stateful_set(cluster, 3, bootstrap="", secret_id="s")
    for key in ("hostNetwork", "hostPID", "hostIPC", "initContainers"):
        template = wanted["spec"]["template"]
        added = {**template, "spec": {**template["spec"], key: [{"name": "x"}] if key == "initContainers" else True}}
        _is_removed({**wanted, "spec": {**wanted["spec"], "template": added}}, wanted, "template", "spec", key)
    service = client_service(cluster)
    _is_removed({**service, "spec": {**service["spec"], "externalIPs": ["192.0.2.1"]}}, service, "externalIPs")


def _is_removed(live: Manifest, wanted: Manifest, *path: str) -> None:
    assert not drift.covers(live, wanted)
    patch = drift.repair_patch(live, wanted)["spec"]
    for part in path[:-1]:
        patch = patch[part]
    assert patch[path[-1]] is None


def _additions_are_defaults(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drift, "_UNASKED", frozenset())


GUARDS = (
    Guard(a_voter_that_was_given_another_port_gets_its_own_back, _whoever_is_repaired_must_answer),
    Guard(a_voter_that_was_given_another_port_gets_its_own_back, _synced_must_be_those_that_answer),
    Guard(a_member_beyond_a_gap_gets_no_pod_for_it, _every_member_gets_a_pod),
    Guard(an_addition_that_changes_what_a_child_does_is_drift, _additions_are_defaults),
)
