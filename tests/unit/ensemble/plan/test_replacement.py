"""Volumes that are replaced: by a person's word, or because the spec asks for another class. With an API in memory."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_simulation import NAMES
from tests.support.worlds.ensemble_volumes import VolumeWorld, volume_world
from zkoperator.ensemble.apply.applier import Applier
from zkoperator.ensemble.plan import claim_templates, replacement, replacement_approval
from zkoperator.ensemble.plan.gate import Verdict
from zkoperator.ensemble.status import conditions
from zkoperator.kube.port import EVENTS, PERSISTENT_VOLUME_CLAIMS, BudgetSpentError

Story = Callable[[], Awaitable[None]]
Patch = pytest.MonkeyPatch
FAST: dict[str, Any] = {"storage": {"storageClassName": "fast"}}
OLD: dict[str, Any] = {"storage": {"storageClassName": "standard"}}


async def settled(replicas: int = 3, **spec: Any) -> VolumeWorld:
    return await volume_world(replicas, **spec).settled()


async def approved(world: VolumeWorld, member: int) -> str:
    text = f"{NAMES.pod(member)}={world.volumes[member]}"
    world.approve(text)
    return text


def notes(world: VolumeWorld, reason: str) -> list[str]:
    return [event["note"] for event in world.api.every(EVENTS) if event["reason"] == reason]


# By a person's word


async def the_volume_that_a_person_names_is_replaced_once() -> None:
    world = await settled()
    before = world.volumes
    text = await approved(world, 2)
    await world.rest()
    after = world.volumes
    assert after[2] != before[2]
    assert {m: uid for m, uid in after.items() if m != 2} == {m: uid for m, uid in before.items() if m != 2}
    assert (world.record["approved"], world.restarted, world.most_away) == (text, ["main-zk-1"], 1)
    assert world.disks[2].last == world.acknowledged, "it has what the others have"
    made = list(world.made)
    await world.wait(10)
    assert world.made == made, "it is carried out once"
    assert world.condition("Ready")["status"] == "True"
    assert notes(world, "ReplacementRefused") == []


async def the_volume_of_the_leader_can_be_named_too() -> None:
    world = await settled()
    assert world.leader is not None
    await approved(world, world.leader)
    await world.rest()
    assert len(world.restarted) == 1 and world.most_away <= 3


async def refused(world: VolumeWorld, text: str, *words: str) -> None:
    before = world.volumes
    world.approve(text)
    await world.wait(5)
    told = world.condition("Progressing")
    assert told["reason"] == "ReplacementRefused", told
    for said in (text, *words):
        assert said in told["message"], told
    assert any(text in note for note in notes(world, "ReplacementRefused"))
    assert (world.volumes, world.made, world.record) == (before, [], {})


async def another_uid_is_refused() -> None:
    world = await settled()
    await refused(world, "main-zk-1=0815", f"has the uid {world.volumes[2]}")


async def a_text_that_names_no_volume_is_refused() -> None:
    world = await settled()
    for text in ("main-zk-1", "other-zk-1=0815", f"data-main-zk-1={world.volumes[2]}"):
        await refused(world, text, f"such as main-zk-0={world.volumes[1]}")
    await refused(world, "main-zk-7=0815", "main-zk-7 has no volume claim")


async def two_voters_are_too_few() -> None:
    world = await settled(2)
    await refused(world, f"main-zk-1={world.volumes[2]}", "2 voters are too few", "scale to 3")


async def it_waits_while_another_member_is_away() -> None:
    world = await settled()
    world.crash(1, 1000)
    await world.wait(3)
    before = world.volumes
    await approved(world, 2)
    await world.wait(10)
    assert (world.volumes, world.made, world.record) == (before, [], {})
    assert "main-zk-0" in world.condition("Progressing")["message"]
    world.pods[1].down_for = 0
    await world.rest()
    assert world.volumes[2] != before[2]


async def a_member_that_does_not_run_gets_its_new_volume() -> None:
    """Its disk may be why it does not run."""
    world = await settled()
    before = world.volumes
    world.stuck = frozenset({2})
    world.crash(2, 1000)
    await world.wait(3)
    await approved(world, 2)
    for _ in range(10):
        await world.turn()
        if world.claim(2).uid != before[2]:
            break
    world.stuck = frozenset()
    await world.rest()
    assert world.volumes[2] != before[2]


async def nobody_is_told_to_save_a_volume_that_is_replaced_on_purpose() -> None:
    world = await settled()
    hook, left = world.api.before, [8]

    def spent(operation: Operation) -> None:
        if operation.verb == "evict" and left[0]:
            left[0] -= 1
            raise BudgetSpentError("it allows none now")
        hook(operation)

    world.api.before = spent
    await approved(world, 2)
    for _ in range(15):
        await world.turn()
        assert world.condition("Degraded")["reason"] != "ClaimsTerminating"
    assert left == [0]


async def the_claim_goes_before_the_pod() -> None:
    """A pod that ended first would be made again with the old volume, if the operator ended between the two."""
    world = await settled()
    before = world.volumes
    await approved(world, 2)
    await world.rest()
    first = [what for what in world.made if not what.startswith("create")]
    assert first == ["delete persistentvolumeclaims/data-main-zk-1", "evict pods/main-zk-1"]
    assert world.volumes[2] != before[2]


# By the spec


async def a_new_class_comes_one_member_at_a_time_and_to_the_leader_last() -> None:
    world = await settled(**OLD)
    leader = world.leader
    assert leader is not None
    world.ask_for(**FAST)
    await world.rest(300)
    assert world.classes == dict.fromkeys((1, 2, 3), "fast")
    assert world.template["storageClassName"] == "fast"
    assert sorted(world.restarted) == ["main-zk-0", "main-zk-1", "main-zk-2"]
    assert world.restarted[-1] == NAMES.pod(leader)
    assert world.most_away <= 3
    assert all(disk.last == world.acknowledged for disk in world.disks.values())


async def a_class_and_a_size_come_together() -> None:
    world = await settled(**OLD)
    world.ask_for(storage={"storageClassName": "fast", "size": "20Gi"})
    await world.rest(300)
    assert world.classes == dict.fromkeys((1, 2, 3), "fast")
    assert world.sizes == {("20Gi", "20Gi")}
    assert len(world.restarted) == 3


async def a_class_that_is_named_and_was_the_default_replaces_nothing() -> None:
    world = await settled()
    world.ask_for(**OLD)
    await world.rest()
    assert world.restarted == []
    assert world.template["storageClassName"] == "standard"


async def two_voters_keep_their_class_and_say_why() -> None:
    world = await settled(2, **OLD)
    before = world.volumes
    world.ask_for(**FAST)
    await world.wait(15)
    told = world.condition("Progressing")
    assert (told["reason"], world.volumes) == ("Blocked", before), told
    assert "scale to 3" in told["message"]
    world.ask_for(replicas=3)
    await world.rest(300)
    assert world.classes == dict.fromkeys((1, 2, 3), "fast")


async def a_class_that_does_not_exist_costs_one_member_until_it_is_corrected() -> None:
    world = await settled(**OLD)
    world.missing_classes = {"fsat"}
    world.ask_for(storage={"storageClassName": "fsat"})
    await world.wait(40)
    assert sorted(world.classes.values()) == ["fsat", "standard", "standard"]
    world.ask_for(**FAST)
    await world.rest(300)
    assert world.classes == dict.fromkeys((1, 2, 3), "fast")


def _gate_always_open(patch: Patch) -> None:
    patch.setattr(replacement, "gate", lambda *_, **__: Verdict(True, ""))


def _anything_fits(patch: Patch) -> None:
    patch.setattr(replacement_approval, "_unfit", lambda *_: "")


def _any_text(patch: Patch) -> None:
    whole = replacement_approval.read_replacement

    def read(cluster: Any, observed: Any) -> Any:
        found = whole(cluster, observed)
        return None if isinstance(found, str) and "such as" in found else found

    patch.setattr(replacement, "read_replacement", read)


def _nothing_is_recorded(patch: Patch) -> None:
    patch.setattr(replacement_approval, "is_recorded", lambda _: False)
    patch.setattr(replacement, "is_recorded", lambda _: True)


def _leader_first(patch: Patch) -> None:
    patch.setattr(replacement, "_rank", lambda observed, member: member != observed.leader)


def _old_template(patch: Patch) -> None:
    patch.setattr(replacement, "fits", lambda *_: True)
    patch.setattr("zkoperator.ensemble.plan.expansion.remake_set", lambda *_: None)


def _two_are_enough(patch: Patch) -> None:
    patch.setattr(replacement, "MIN_VOTERS", 0)


def _everybody_must_serve_for_the_template(patch: Patch) -> None:
    patch.setattr(claim_templates, "_without_volume", lambda _: frozenset())


def _told_as_an_accident(patch: Patch) -> None:
    patch.setattr(conditions, "due_volumes", lambda *_: {})


def _pod_first(patch: Patch) -> None:
    async def replace(self: Applier, cluster: Any, observed: Any, step: Any) -> str:
        how = await self._restart(cluster, observed, step.restart) if step.restart is not None else ""
        await self._api.delete(PERSISTENT_VOLUME_CLAIMS, "demo", step.claim.name)
        return how

    patch.setattr(Applier, "_replace_volume", replace)


GUARDS: tuple[tuple[Story, Callable[[Patch], None]], ...] = (
    (the_volume_that_a_person_names_is_replaced_once, _nothing_is_recorded),
    (another_uid_is_refused, _anything_fits),
    (a_text_that_names_no_volume_is_refused, _any_text),
    (two_voters_are_too_few, _anything_fits),
    (it_waits_while_another_member_is_away, _gate_always_open),
    (nobody_is_told_to_save_a_volume_that_is_replaced_on_purpose, _told_as_an_accident),
    (the_claim_goes_before_the_pod, _pod_first),
    (a_new_class_comes_one_member_at_a_time_and_to_the_leader_last, _leader_first),
    (a_new_class_comes_one_member_at_a_time_and_to_the_leader_last, _old_template),
    (two_voters_keep_their_class_and_say_why, _two_are_enough),
    (a_class_that_does_not_exist_costs_one_member_until_it_is_corrected, _gate_always_open),
    (a_class_that_does_not_exist_costs_one_member_until_it_is_corrected, _everybody_must_serve_for_the_template),
)
STORIES = (
    *dict.fromkeys(story for story, _ in GUARDS),
    the_volume_of_the_leader_can_be_named_too,
    a_member_that_does_not_run_gets_its_new_volume,
    a_class_and_a_size_come_together,
    a_class_that_is_named_and_was_the_default_replaces_nothing,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_with_all_guards(story: Story) -> None:
    await story()


@pytest.mark.parametrize(("story", "seed"), GUARDS, ids=lambda each: getattr(each, "__name__", ""))
async def test_without_one_of_them(story: Story, seed: Callable[[Patch], None], monkeypatch: Patch) -> None:
    seed(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await story()
