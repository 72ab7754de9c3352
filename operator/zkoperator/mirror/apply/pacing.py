"""When the writes of a plan are carried out, and what is recorded about them for later plans. Pure."""

from collections.abc import Collection
from dataclasses import replace

from zkoperator.mirror.model.backlog import Backlog
from zkoperator.mirror.model.decision import Action
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.plan.pull import CreateConfigMap, WriteConfigMap
from zkoperator.mirror.plan.push import PushMulti
from zkoperator.mirror.plan.steps import Step


def wait_s(plan: Plan, zxid: int, backlog: Backlog, now_s: float) -> float:
    """Return how many seconds a write of the ConfigMap alone waits for the end of a burst or of deletions.

    One that puts labels or annotations back waits for a pause of the writer that changes them. Other plans do not wait.
    """
    taken = (item for item in (*plan.carried, *plan.gone) if item.takes_away and item.action is Action.TO_CONFIG_MAP)
    deleted = frozenset(item.counted for item in taken if item.key not in plan.ended)
    if (deleting_s := backlog.deletions.wait_s(deleted, now_s)) > 0:
        return deleting_s
    if len(plan.steps) == 1 and isinstance(step := plan.steps[0], WriteConfigMap) and (step.puts or step.removes):
        return backlog.burst.wait_s(zxid, now_s)
    if len(plan.steps) == 1 and isinstance(step, WriteConfigMap) and plan.restored:
        return backlog.burst.wait_s(step.resource_version, now_s)
    backlog.burst.settled()
    return 0.0


def note_writes(plan: Plan, backlog: Backlog, now_s: float) -> int:
    """Record the writes of the plan. Return the number of keys that are flapping because of them, and now held."""
    if any(isinstance(step, WriteConfigMap) for step in plan.steps):
        backlog.burst.wrote(now_s)
    flapping = 0
    if plan.steps:
        flapping = backlog.flaps.note(plan.carried, now_s) + backlog.restored.note_restored(plan.restored, now_s)
    backlog.flaps.release(plan.resolved)
    if plan.stop is None:
        if plan.is_approved:
            backlog.deletions.approve()
        deleted = [
            item.counted for item in (*plan.carried, *plan.gone) if item.takes_away and item.key not in plan.ended
        ]
        written = [name for item in plan.carried if not item.takes_away for name in (item.key, f"/{item.path}")]
        counted = [] if plan.is_approved else deleted
        backlog.deletions.note(counted, written, now_s, held=bool(plan.held))
    return flapping


def note_doubt(plan: Plan, written: Collection[Step], backlog: Backlog, now_s: float) -> None:
    """Count the deletions of the step whose answer is missing. Keys that are left do not count."""
    if plan.is_approved or not (left := plan.steps[len(written) :]):
        return
    action = Action.TO_ZOOKEEPER if isinstance(left[0], PushMulti) else Action.TO_CONFIG_MAP
    carried = (*plan.carried, *plan.gone)
    keys = {*left[0].keys} if isinstance(left[0], PushMulti) else {item.key for item in carried}
    deleted = [item for item in carried if item.takes_away and item.action is action and item.key in keys]
    lost = [item.counted for item in deleted if item.key not in plan.ended]
    backlog.deletions.note(lost, (), now_s, held=bool(plan.held))


def note_pull(plan: Plan, backlog: Backlog, now_s: float) -> int:
    """Record only the pull, after the push of the same plan has failed. Return the same number as `note_writes`."""
    pulled = tuple(item for item in plan.carried if item.action is Action.TO_CONFIG_MAP)
    steps = tuple(step for step in plan.steps if isinstance(step, CreateConfigMap | WriteConfigMap))
    resolved = plan.resolved & {item.key for item in pulled}
    return note_writes(replace(plan, steps=steps, carried=pulled, resolved=resolved), backlog, now_s)
