"""The crash model: random edits, crashes, lost connections and answers through the real reconciler on the fakes."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models.mirror_episode import episode
from tests.support.models.mirror_people import NARROW
from tests.support.models.mirror_walk import ACTIONS, TURNS, Action, Model
from tests.support.models.mirror_witness import Witness
from zkoperator.mirror.model.deletions import DeletionLog

STEPS = 120
EPISODES, SHARE = 360, 60
EXHAUSTIVE_STEPS = int(os.environ.get("MIRROR_MODEL_STEPS", "1000000"))


@pytest.mark.parametrize("first", range(0, EPISODES, SHARE))
def test_random_histories_lose_nothing_double_nothing_and_invent_no_conflict(first: int) -> None:
    for seed in range(first, first + SHARE):
        outcome = episode(seed, STEPS)
        assert outcome.violations == [], f"seed {seed}, {outcome.direction}"


HELD_UP: list[tuple[Action, int]] = [
    (("wait", (3.0,)), 0),
    (("same_edit", ("s0",)), 20),
    (("same_edit", ("s1",)), 20),
    (("wait", (3.0,)), 0),
    (("race_recreation", ()), 0),
    (("toggle_hold", ()), 1),
    (("disconnect", ()), 5),
    (("toggle_hold", ()), 5),
    (("wait", (3.0,)), 0),
]
"""A push overwrites a znode that has just been made again; the answer that tells of it is held up and never arrives."""


def _violations_of_held_up_answers() -> list[str]:
    return [violation for seed in range(10) for violation in episode(seed, len(HELD_UP), HELD_UP).violations]


def test_an_answer_that_is_held_up_and_then_lost_is_no_lie() -> None:
    assert _violations_of_held_up_answers() == []


def test_only_a_lost_answer_excuses_an_overwrite_that_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Witness, "_was_overwritten_unanswered", lambda *_: False)
    assert any("overwrote" in violation for violation in _violations_of_held_up_answers())


def test_a_key_that_is_created_again_before_its_deletion_arrives_is_back_for_the_guard() -> None:
    """A push of deletions waits for its connection while people create the keys again, and the next plan deletes."""
    assert episode(1_000_249, STEPS).violations == []


def test_an_operator_that_counts_no_earlier_deletions_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeletionLog, "lately", lambda *_: frozenset())
    monkeypatch.setattr(Model, "GUARDS", (NARROW,))
    found = (one for seed in range(SHARE) for one in episode(seed, STEPS).violations)
    assert any(one.startswith("guard: ") and "in five minutes" in one for one in found), "nothing was noticed"


SCRIPTS = st.lists(st.tuples(st.sampled_from(ACTIONS[0]), st.sampled_from(TURNS)), max_size=80)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1 << 32), SCRIPTS)
def test_no_script_of_edits_and_accidents_breaks_a_promise(seed: int, script: list[tuple[Action, int]]) -> None:
    """The same model with its actions chosen by hypothesis, which shrinks what it finds to the fewest of them."""
    assert episode(seed, len(script), script).violations == []


@pytest.mark.exhaustive
@pytest.mark.timeout(0)
def test_a_million_steps_lose_nothing_double_nothing_and_invent_no_conflict() -> None:
    steps, seed = 0, 1_000_000
    while steps < EXHAUSTIVE_STEPS:
        outcome = episode(seed, STEPS)
        assert outcome.violations == [], f"seed {seed}, {outcome.direction}"
        steps += outcome.steps
        seed += 1
