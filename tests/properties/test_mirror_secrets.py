"""The crash model and the crash points over Secrets: one engine, whatever object the keys are in."""

from typing import Any

import pytest

from tests.support.fakes.kube_files import kube_with
from tests.support.fakes.kube_secrets import KubeWithSecrets
from tests.support.models.mirror_crash_points import differences
from tests.support.models.mirror_episode import episode
from tests.support.models.mirror_stories import STORIES
from tests.support.worlds import mirror
from zkoperator.api.sync_format import FormatType

STEPS = 120
FIRST, EPISODES = 9_000, 60
SAMPLE = ("replaced", "created-again", "approved", "renamed")
"""What people do with the whole object, each killed at every write."""


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "FakeKube", KubeWithSecrets)


@pytest.mark.parametrize("kind", [FormatType.JSON, FormatType.DOTENV])
def test_random_histories_over_files_in_secrets_lose_nothing_double_nothing_and_invent_no_conflict(
    kind: FormatType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both at once: who acts key by key edits a file, and the file is in a Secret."""
    monkeypatch.setattr(mirror, "FakeKube", type("KubeWithBoth", (kube_with(kind), KubeWithSecrets), {}))
    for seed in range(FIRST + 500, FIRST + 515):
        outcome = episode(seed, STEPS)
        assert outcome.violations == [], f"seed {seed}, {outcome.direction}"


def test_random_histories_over_secrets_lose_nothing_double_nothing_and_invent_no_conflict() -> None:
    seen = set()
    for seed in range(FIRST, FIRST + EPISODES):
        outcome = episode(seed, STEPS)
        assert outcome.violations == [], f"seed {seed}, {outcome.direction}"
        seen.add(outcome.direction)
    assert seen == {"TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper"}


@pytest.mark.parametrize(
    ("story", "direction"),
    [(story, direction) for story in STORIES if story.name in SAMPLE for direction in story.directions[:2]],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_nobody_can_tell_from_a_secret_at_which_write_the_operator_was_killed(story: Any, direction: str) -> None:
    assert list(differences(story, direction)) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_nobody_can_tell_from_any_secret_in_any_direction(story: Any) -> None:
    for direction in story.directions:
        assert list(differences(story, direction)) == []
