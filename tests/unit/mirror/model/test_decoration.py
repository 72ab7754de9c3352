"""Labels and annotations of the ConfigMap are as the spec says, and everybody else's stay."""

import dataclasses
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import FAST, NAMESPACE, World, running
from zkoperator.kube.port import CONFIG_MAPS, EVENTS
from zkoperator.mirror.model.decoration import Decoration
from zkoperator.mirror.model.flapping import FlapLog
from zkoperator.mirror.plan import marks, steps

WANTED = {"labels": {"team": "shop"}, "annotations": {"example.com/reload": "true"}}


def _meta(world: World) -> dict[str, Any]:
    found = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    assert found is not None
    return dict(found["metadata"])


def _is_decorated(world: World) -> bool:
    meta = _meta(world)
    return bool(meta["labels"].get("team") == "shop" and meta["annotations"].get("example.com/reload") == "true")


def _writes(world: World) -> int:
    return sum(request.is_write and request.resource == CONFIG_MAPS for request in world.kube.operations)


async def test_a_config_map_is_created_with_its_labels_and_annotations(world: World) -> None:
    world.tree(a="1")
    world.sync(configMap=WANTED)
    await world.until_in_sync()
    assert _is_decorated(world)
    assert _meta(world)["labels"]["zkoperator.dev/sync"] == "shop"
    assert _writes(world) == 1


@pytest.mark.parametrize("direction", ["TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper"])
async def test_they_are_put_on_an_existing_config_map_and_those_of_others_stay(world: World, direction: str) -> None:
    world.tree(a="1")
    world.config_map(a="1")
    mine = {"labels": {"mine": "x"}, "annotations": {"mine": "x"}}
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": mine})
    world.sync(direction=direction, configMap=WANTED)
    await world.until(lambda: _is_decorated(world))
    await world.until_in_sync()
    assert (_meta(world)["labels"]["mine"], _meta(world)["annotations"]["mine"]) == ("x", "x")


async def test_they_are_set_again_when_somebody_changes_them_and_cost_nothing_else(world: World) -> None:
    world.tree(a="1")
    world.sync(configMap=WANTED)
    await world.until_in_sync()
    await world.quiet()
    before = _writes(world)
    await world.restart()
    await world.quiet()
    assert _writes(world) == before
    theirs = {"labels": {"team": "theirs"}, "annotations": {"example.com/reload": None}}
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": theirs})
    await world.until(lambda: _is_decorated(world))
    await world.quiet()
    assert _writes(world) == before + 1


@pytest.mark.parametrize("text", [None, "0x1"])
async def test_the_zxid_is_put_back_when_somebody_strips_or_edits_it(world: World, text: str | None) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    right = _meta(world)["annotations"]["zkoperator.dev/zxid"]
    before = _writes(world)
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"zkoperator.dev/zxid": text}}})
    await world.until(lambda: _meta(world)["annotations"].get("zkoperator.dev/zxid") == right)
    await world.quiet()
    assert _writes(world) == before + 1


async def test_they_follow_the_spec_and_what_is_taken_off_stays(world: World) -> None:
    world.tree(a="1")
    world.sync(configMap={"labels": {"old": "1"}})
    await world.until_in_sync()
    world.spec(configMap={"labels": {"old": None, "team": "shop"}, "annotations": WANTED["annotations"]})
    await world.until(lambda: _is_decorated(world))
    assert _meta(world)["labels"]["old"] == "1"


async def test_they_wait_while_nothing_may_be_written(world: World) -> None:
    world.tree(a="1")
    world.config_map(a="1")
    world.sync(configMap=WANTED, mode="Paused")
    await world.until_reason("Paused")
    await world.quiet()
    assert not _meta(world)["labels"].get("team")


def _rival(world: World, metadata: dict[str, Any]) -> None:
    """Take back what each write of the operator puts on the ConfigMap, as a GitOps controller does."""

    def answer(request: Any) -> None:
        if request.resource == CONFIG_MAPS and request.is_write:
            world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": metadata}, manager="argocd-controller")

    world.kube.after = answer


RIVALS: dict[str, dict[str, Any]] = {
    "label team": {"labels": {"team": "theirs"}},
    "annotation example.com/reload": {"annotations": {"example.com/reload": None}},
    "annotation zkoperator.dev/base": {"annotations": {"zkoperator.dev/base": None}},
    "annotation zkoperator.dev/zxid": {"annotations": {"zkoperator.dev/zxid": None}},
}


@pytest.mark.parametrize("mark", list(RIVALS))
async def test_a_rival_that_takes_them_back_each_time_is_paced_held_and_named(world: World, mark: str) -> None:
    world.tree(a="1")
    world.config_map(a="1")
    world.sync(configMap=WANTED)
    await world.until_in_sync()
    await world.quiet()
    before = _writes(world)
    _rival(world, RIVALS[mark])
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": RIVALS[mark]}, manager="argocd-controller")
    await world.until_reason("Flapping")
    assert mark in world.message()
    assert ("argocd-controller" in world.message()) == (mark == "label team")
    await world.quiet()
    assert _writes(world) - before <= FAST.flap_reverts
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})
    world.edit(a="3")
    await world.until(lambda: world.at("a") == b"3")
    assert world.ready() == ("False", "Flapping")
    assert any(event["reason"] == "Flapping" for event in world.kube.every(EVENTS))


async def test_a_mark_that_was_held_is_put_back_later_and_stays_when_its_rival_is_gone() -> None:
    async with running(dataclasses.replace(FAST, flap_hold_s=0.3)) as world:
        world.tree(a="1")
        world.sync(configMap=WANTED)
        await world.until_in_sync()
        _rival(world, RIVALS["label team"])
        world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": RIVALS["label team"]}, manager="argocd-controller")
        await world.until_reason("Flapping")
        world.kube.after = lambda _: None
        await world.until(lambda: _is_decorated(world))
        await world.until_in_sync()


async def test_a_base_that_is_held_for_a_rival_is_written_with_the_next_value(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    _rival(world, RIVALS["annotation zkoperator.dev/base"])
    world.node("a", "2")
    await world.until_reason("Flapping")
    world.kube.after = lambda _: None
    world.node("a", "3")
    await world.until(lambda: world.data() == {"a": b"3"})
    assert "zkoperator.dev/base" in _meta(world)["annotations"]
    await world.until_in_sync()


def _without_contested(patch: pytest.MonkeyPatch) -> None:
    rewritten(marks, "lost_marks", " - observed.contested", "")(patch)
    patch.setattr(steps, "lost_marks", marks.lost_marks)


_CLAIM = in_world(test_they_are_set_again_when_somebody_changes_them_and_cost_nothing_else)
SEEDS = (
    Seed(
        "labels and annotations are looked for after the creation too",
        replaced(steps, "missing_decoration", lambda *_: Decoration()),
        (_CLAIM,),
    ),
    Seed(
        "labels and annotations that are there are not written again",
        replaced(Decoration, "missing", lambda self, _marks: self),
        (_CLAIM,),
    ),
    Seed(
        "what a rival takes back each time is held",
        replaced(FlapLog, "note_restored", lambda *_: 0),
        (in_world(test_a_rival_that_takes_them_back_each_time_is_paced_held_and_named, mark="label team"),),
    ),
    Seed(
        "a base that a rival strips is held",
        _without_contested,
        (
            in_world(
                test_a_rival_that_takes_them_back_each_time_is_paced_held_and_named,
                mark="annotation zkoperator.dev/base",
            ),
            in_world(
                test_a_rival_that_takes_them_back_each_time_is_paced_held_and_named,
                mark="annotation zkoperator.dev/zxid",
            ),
        ),
    ),
    Seed(
        "a zxid that somebody strips or edits is put back",
        rewritten(marks, "_lost_own_marks", "zxid_of(observed.content.zxid_text) == observed.base.zxid", "True"),
        (in_world(test_the_zxid_is_put_back_when_somebody_strips_or_edits_it, text=None),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
