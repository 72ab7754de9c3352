"""What people do with a ConfigSync, with the operator killed before and after each of its writes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.mirror_crash_points import Story, differences
from tests.support.models.mirror_stories import STORIES
from tests.support.models.seeds import replaced, rewritten
from zkoperator.mirror.apply.applier import Applier
from zkoperator.mirror.model.deletions import DeletionLog
from zkoperator.mirror.observe import observer, subtree
from zkoperator.mirror.plan import decisions, pending, plan, recall
from zkoperator.zk.snapshot import composed

FIRST = [(story, story.directions[0]) for story in STORIES]
FURTHER = [(story, direction) for story in STORIES for direction in story.directions[1:]]


def _name(value: Any) -> str:
    return value.name if isinstance(value, Story) else str(value)


@pytest.mark.parametrize(("story", "direction"), FIRST, ids=_name)
def test_nobody_can_tell_afterwards_at_which_write_the_operator_was_killed(story: Story, direction: str) -> None:
    assert list(differences(story, direction)) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize(("story", "direction"), FURTHER, ids=_name)
def test_nobody_can_tell_in_the_other_directions_either(story: Story, direction: str) -> None:
    assert list(differences(story, direction)) == []


async def _pushed_twice(self: Any, step: Any, sides: Any, *, _push: Any = Applier._push) -> Any:
    await sides.subscription.subtree.zk.multi(step.operations[:-1])
    return await _push(self, replace(step, operations=step.operations[-1:], expected_czxid={}), sides)


BUGS: dict[str, tuple[str, str, Callable[[pytest.MonkeyPatch], None]]] = {
    "the base of a replaced ConfigMap is recalled": (
        "replaced",
        "TwoWay",
        replaced(recall, "recalled_base", lambda *_: None),
    ),
    "the base of a ConfigMap that was created again is recalled": (
        "created-again",
        "ConfigMapToZooKeeper",
        replaced(recall, "recalled_base", lambda *_: None),
    ),
    "a push and its ledger are one transaction": ("replaced", "TwoWay", replaced(Applier, "_push", _pushed_twice)),
    "a restarted operator goes on counting deletions": (
        "one-by-one",
        "TwoWay",
        replaced(DeletionLog, "restore", lambda *_, **__: None),
    ),
    "deletions over a window are counted": ("one-by-one", "TwoWay", replaced(plan, "must_hold", lambda *_: False)),
    "an approval names one plan": ("approved", "TwoWay", replaced(pending, "plan_hash", lambda *_: "0" * 16)),
    "the loss of all keys waits": ("all-at-once", "TwoWay", replaced(plan, "loses_all", lambda *_: False)),
    "a ConfigMap of another owner is handed over": (
        "renamed",
        "TwoWay",
        replaced(observer.Observer, "_owner_is_gone", lambda *_: _never()),
    ),
    "nothing is written while one of several subtrees is missing": (
        "layered",
        "ZooKeeperToConfigMap",
        replaced(subtree, "composed", lambda *given: replace(composed(*given), root_exists=True)),
    ),
    "a key that falls back counts as a deletion": (
        "fall-back-one-by-one",
        "ZooKeeperToConfigMap",
        replaced(decisions, "_fallen", lambda *_: ""),
    ),
    "a restarted operator goes on counting keys that fell back": (
        "fall-back-one-by-one",
        "ZooKeeperToConfigMap",
        replaced(DeletionLog, "restore", lambda *_, **__: None),
    ),
    "a subtree that is taken off the list is not deleted": (
        "listed-anew",
        "ZooKeeperToConfigMap",
        rewritten(decisions, "_fallen", 'was if given.selection.takes(was) else ""', "was"),
    ),
}


async def _never() -> bool:
    return False


@pytest.mark.parametrize("guard", BUGS)
def test_an_operator_without_this_guard_is_noticed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, direction, bug = BUGS[guard]
    story = next(story for story in STORIES if story.name == name)
    bug(monkeypatch)
    assert any(True for _ in differences(story, direction)), "nothing was noticed"
