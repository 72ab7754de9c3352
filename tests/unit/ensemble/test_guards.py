"""Each guard has a story that holds with it, and is noticed to be missing without it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.models import (
    ensemble_data_guards,
    ensemble_hand_edit_guards,
    ensemble_message_guards,
    ensemble_restart_guards,
    ensemble_volume_guards,
)
from tests.support.models.ensemble_guards import Guard, at_rest
from tests.support.models.ensemble_simulation import BETTER, raw_cluster, valid
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.plan import membership, roll
from zkoperator.ensemble.plan.gate import Verdict

GUARDS = (
    *ensemble_data_guards.GUARDS,
    *ensemble_restart_guards.GUARDS,
    *ensemble_hand_edit_guards.GUARDS,
    *ensemble_volume_guards.GUARDS,
    *ensemble_message_guards.GUARDS,
)


@pytest.mark.parametrize("story", dict.fromkeys(guard.story for guard in GUARDS), ids=lambda story: story.__name__)
def test_with_all_guards(story: Callable[[], None]) -> None:
    story()


@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_without_the_guard_it_is_noticed(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    guard.is_noticed(monkeypatch)


def test_a_pod_without_a_mark_of_its_password_says_nothing_about_the_leader() -> None:
    world = at_rest()
    observed = world.observe()
    assert observed.leader is not None
    unmarked = {**observed.pods, observed.leader: replace(observed.pods[observed.leader], secret="")}
    assert not roll.leader_has_other_password(replace(observed, pods=unmarked, secret_id="another"))
    assert roll.leader_has_other_password(replace(observed, secret_id="another"))


def test_a_mark_of_the_password_restarts_nobody() -> None:
    cluster = valid(raw_cluster())
    annotations = stateful_set(cluster, 3, bootstrap="", secret_id="s")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["zkoperator.dev/secret"] == "s"
    world = at_rest()
    for pod in world.pods.values():
        had = {key: text for key, text in pod.template["metadata"]["annotations"].items() if key[-6:] != "secret"}
        pod.template = {**pod.template, "metadata": {"annotations": had}}
    world.settle()
    assert world.restarts == []


def test_nothing_is_taken_away_while_the_gate_is_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    world = at_rest(5)
    shut = Verdict(False, "shut for the test")
    for module in (membership, roll):
        monkeypatch.setattr(module, "gate", lambda *_, **__: shut)
    monkeypatch.setattr(roll, "gate_for_broken_pod", lambda *_, **__: shut)
    for change in ({"image": BETTER}, {"config": {"tickTime": "3000"}}, {"replicas": 3}, {"replicas": 7}):
        world.edit(**change)
        world.crash(1, ticks=3)
        for _ in range(6):
            assert world.tick().disruptive == ()
        assert world.plan is not None
        assert "shut for the test" in world.plan.message
