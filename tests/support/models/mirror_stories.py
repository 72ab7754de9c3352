"""Stories of what people do with a ConfigSync and its ConfigMap, for `mirror_crash_points`."""

from itertools import pairwise
from typing import Any

from tests.support.models import mirror_hands as hands
from tests.support.models.mirror_crash_points import SETTINGS, Scene, Story
from tests.support.models.mirror_hands import NARROW, NUMBERS, PULL, PUSH, TWO_WAY, WIDE
from tests.support.models.mirror_sources import SOURCES
from tests.support.worlds.mirror import NAMESPACE
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS

# Writers of the whole ConfigMap.


async def _replaced(scene: Scene) -> None:
    """Replaced twice, each time with an edit, a deletion and a creation."""
    await hands.begin(scene)
    for value, gone in (("c2", "c2"), ("c3", "c3")):
        hands.replace(scene, hands.edited(scene, [gone], c0=value, **{f"c{value}": value}))
        await scene.until(lambda v=value, g=gone: (scene.at("c0"), scene.at(g)) == (v.encode(), None))  # type: ignore[misc]
        await hands.in_sync(scene)
    await hands.both_follow(scene)


async def _created_again(scene: Scene) -> None:
    await hands.begin(scene)
    hands.create_again(scene, hands.edited(scene, ["c2"], c0="c2", c8="c2"))
    await scene.until(lambda: (scene.at("c0"), scene.at("c8"), scene.at("c2")) == (b"c2", b"c2", None))
    await hands.in_sync(scene)
    await hands.both_follow(scene)


async def _replaced_without_label(scene: Scene) -> None:
    """Nothing is written while the label is missing; then it is an edit like any other."""
    await hands.begin(scene)
    hands.replace(scene, hands.edited(scene, ["c2"], c0="c2"), label=False)
    await hands.stopped(scene, "TargetNotAdopted")
    assert (scene.at("c0"), scene.at("c2")) == (b"c1", b"c1")
    hands.label(scene, "shop")
    await scene.until(lambda: (scene.at("c0"), scene.at("c2")) == (b"c2", None))
    await hands.in_sync(scene)
    await hands.both_follow(scene)


async def _created_again_without_label(scene: Scene) -> None:
    await hands.begin(scene)
    hands.create_again(scene, hands.edited(scene, ["c2"], c0="c2"), label=False)
    await hands.stopped(scene, "TargetNotAdopted")
    assert (scene.at("c0"), scene.at("c2")) == (b"c1", b"c1")
    hands.label(scene, "shop")
    await scene.until(lambda: (scene.at("c0"), scene.at("c2")) == (b"c2", None))
    await hands.in_sync(scene)


async def _deleted(scene: Scene) -> None:
    """Nobody creates the ConfigMap again: the operator does, and no znode goes."""
    await hands.begin(scene, "")
    scene.do(lambda: scene.kube.remove(CONFIG_MAPS, NAMESPACE, "shop"))
    await scene.until(lambda: scene.data() is not None)
    await hands.in_sync(scene)
    await hands.there_are(scene, NUMBERS)


async def _replaced_by_little(scene: Scene) -> None:
    """A replacement that drops more keys than the guard lets go waits, and is approved."""
    await hands.begin(scene, "012345", deletionGuard=NARROW)
    hands.replace(scene, hands.edited(scene, ["c0", "c1", "c2"], c3="c2"))
    await scene.until(lambda: scene.at("c3") == b"c2")
    await hands.stopped(scene, "DeletionsHeld")
    await scene.rest(20.0)
    assert [scene.at(f"c{number}") for number in range(3)] == [b"c1"] * 3
    await hands.approve(scene)
    await scene.until(lambda: [scene.at(f"c{number}") for number in range(3)] == [None] * 3)
    await hands.in_sync(scene)


async def _created_again_empty(scene: Scene) -> None:
    """The loss of all keys waits, whatever the guard says, and is undone."""
    await hands.begin(scene)
    hands.create_again(scene, {})
    await hands.stopped(scene, "DeletionsHeld")
    await scene.rest(20.0)
    assert [scene.at(f"c{number}") for number in range(4)] == [b"c1"] * 4
    scene.do(lambda: scene.edit(**{f"c{number}": "c1" for number in NUMBERS}))
    await hands.in_sync(scene)
    await hands.both_follow(scene)


async def _replaced_retaining(scene: Scene) -> None:
    """A key that was deleted in the ConfigMap and kept in ZooKeeper stays so when the ConfigMap is replaced."""
    await hands.begin(scene, deletionPolicy="Retain")
    scene.do(lambda: scene.edit(c1=None))
    await scene.rest(10.0)
    hands.replace(scene, hands.edited(scene, ["c2"], c0="c2"))
    await scene.until(lambda: scene.at("c0") == b"c2")
    await hands.in_sync(scene)
    await scene.rest(20.0)
    assert (scene.at("c1"), scene.at("c2")) == (b"c1", b"c1")
    assert not {"c1", "c2"} & (scene.data() or {}).keys()


async def _generations(scene: Scene) -> None:
    """Each content is a new ConfigMap, that nobody can edit, and the one before it goes."""
    await hands.begin(scene)
    for former, name in pairwise(("shop", "shop-2", "shop-3")):
        value = f"v{name[-1]}"
        data = {"c0": value, "c2": "c1", f"c{value}": value}
        scene.do(lambda n=name, d=data: scene.config_map(n, **d))  # type: ignore[misc]
        scene.do(lambda n=name: scene.kube.edit(CONFIG_MAPS, NAMESPACE, n, {"immutable": True}))  # type: ignore[misc]
        scene.spec(configMap={"name": name})
        scene.do(lambda f=former: scene.kube.remove(CONFIG_MAPS, NAMESPACE, f))  # type: ignore[misc]
        await scene.until(lambda v=value: (scene.at("c0"), scene.at(f"c{v}")) == (v.encode(), v.encode()))  # type: ignore[misc]
        await hands.in_sync(scene)
    assert (scene.at("c1"), scene.at("c2"), scene.at("cv2")) == (None, b"c1", None)


async def _ended(scene: Scene) -> None:
    """The ConfigMap is replaced, and the ConfigSync deleted with its znodes: what others wrote since stays."""
    await hands.begin(scene, onDelete="DeleteZnodes")
    hands.replace(scene, hands.edited(scene, ["c2"], c0="c2"))
    await scene.until(lambda: (scene.at("c0"), scene.at("c2")) == (b"c2", None))
    await hands.in_sync(scene)
    await scene.rest(10.0)
    scene.spec(mode="Paused")
    await hands.stopped(scene, "Paused")
    scene.do(lambda: scene.node("z1", "z2"))
    hands.replace(scene, hands.edited(scene))
    scene.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await scene.until(lambda: scene.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    assert [scene.at(f"c{number}") for number in range(4)] == [None] * 4
    assert scene.at("z1") == b"z2"


# Another name of the ConfigSync.


def _store(scene: Scene, **spec: Any) -> None:
    scene.witness.name = "store"
    scene.sync("store", direction=scene.direction, configMap={"name": "shop"}, **{"deletionGuard": WIDE} | spec)


async def _renamed(scene: Scene) -> None:
    """Deleted with `Retain`, created under another name; the message says how to hand the ConfigMap over."""
    await hands.begin(scene)
    scene.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    _store(scene)
    await hands.stopped(scene, "TargetOwned")
    assert "--overwrite" in scene.message("store")
    hands.label(scene, "store")
    await hands.in_sync(scene)
    await hands.both_follow(scene)


async def _renamed_at_once(scene: Scene) -> None:
    """The new one is created and gets the ConfigMap before the old one goes."""
    await hands.begin(scene)
    _store(scene)
    await scene.rest(10.0)
    hands.label(scene, "store")
    await scene.rest(10.0)
    scene.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await hands.in_sync(scene)
    await hands.both_follow(scene)


async def _renamed_twice(scene: Scene) -> None:
    await _renamed(scene)
    scene.kube.remove(CONFIG_SYNCS, NAMESPACE, "store")
    scene.witness.name = "shop"
    scene.sync(direction=scene.direction, deletionGuard=WIDE)
    hands.label(scene, "shop")
    await hands.in_sync(scene)
    scene.do(lambda: scene.edit(c7="c7") if scene.direction != PULL else scene.node("z7", "z7"))
    await scene.until(lambda: (scene.at("c7") or (scene.data() or {}).get("z7")) is not None)


async def _renamed_with_edits(scene: Scene) -> None:
    """What was edited while there was no ConfigSync is settled by the adoption policy; deletions are undone."""
    await hands.begin(scene)
    scene.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await scene.rest(10.0)
    hands.replace(scene, hands.edited(scene, ["c2"], c0="c2"))
    _store(scene, adoptionPolicy="PreferConfigMap")
    hands.label(scene, "store")
    await hands.in_sync(scene)
    assert scene.at("c0") == b"c2"
    assert scene.at("c2") == b"c1"


# The deletion guard.


async def _approved(scene: Scene) -> None:
    """Three deletions wait; an approval of them is void once there are four; that of the four counts, and once only."""
    await hands.begin(scene, deletionGuard=NARROW)
    hands.delete(scene, "012")
    await scene.until(lambda: hands.held(scene))
    old = hands.held(scene)
    hands.add(scene, "45")
    await hands.there_are(scene, "012345")
    hands.delete(scene, "4")
    await scene.until(lambda: hands.held(scene) not in ("", old))
    scene.annotate(approve_deletions=old)
    await hands.stay(scene, "012345")
    await hands.approve(scene)
    await hands.there_are(scene, "35")
    await hands.in_sync(scene)
    hands.add(scene, "678")
    await hands.there_are(scene, "35678")
    hands.delete(scene, "678")
    await scene.until(lambda: hands.held(scene))
    await hands.stay(scene, "35678")
    await hands.approve(scene)
    await hands.there_are(scene, "35")
    await hands.in_sync(scene)


async def _undone(scene: Scene) -> None:
    """Deletions that wait are undone: nothing goes, and nothing waits."""
    await hands.begin(scene, deletionGuard=NARROW)
    hands.delete(scene, "012")
    await hands.stopped(scene, "DeletionsHeld")
    hands.add(scene, "012")
    await hands.in_sync(scene)
    await hands.stay(scene, NUMBERS)
    hands.delete(scene, "0")
    await hands.there_are(scene, "123")


async def _allowed(scene: Scene) -> None:
    """A wider guard lets go what waits."""
    await hands.begin(scene, deletionGuard=NARROW)
    hands.delete(scene, "012")
    await hands.stopped(scene, "DeletionsHeld")
    scene.spec(deletionGuard=WIDE)
    await hands.there_are(scene, "3")
    await hands.in_sync(scene)


async def _all_at_once(scene: Scene) -> None:
    """The last keys wait, whatever the guard says; an approval lets them go."""
    await hands.begin(scene, NUMBERS if scene.direction == PUSH else "")
    hands.delete(scene, NUMBERS)
    await hands.stopped(scene, "DeletionsHeld")
    await hands.stay(scene, NUMBERS)
    await hands.approve(scene)
    await hands.there_are(scene, "")


async def _one_by_one(scene: Scene) -> None:
    """Two deletions go, and no more within the window but the one that a crash forgot; nor do they when it is over."""
    await hands.begin(scene, deletionGuard=NARROW)
    hands.add(scene, "4567")
    await hands.there_are(scene, "01234567")
    for number in "01":
        hands.delete(scene, number)
        await scene.until(lambda one=number: one not in hands.there(scene))  # type: ignore[misc]
        await scene.rest(10.0)
    for number in "234":
        hands.delete(scene, number)
        await scene.rest(10.0)
    for within_s in (0.0, 2 * SETTINGS.deletion_window_s):
        await scene.rest(within_s)
        assert hands.held(scene) and len(hands.there(scene)) >= 5, f"left are {hands.there(scene)}: {scene.status()}"
    await hands.approve(scene)
    await hands.there_are(scene, "567")
    await hands.in_sync(scene)


EVERY = (TWO_WAY, PULL, PUSH)
STORIES = (
    Story("replaced", _replaced, (TWO_WAY, PUSH)),
    Story("created-again", _created_again, (TWO_WAY, PUSH)),
    Story("replaced-without-label", _replaced_without_label, (TWO_WAY, PUSH)),
    Story("created-again-without-label", _created_again_without_label, (TWO_WAY, PUSH)),
    Story("deleted", _deleted, (TWO_WAY, PULL)),
    Story("replaced-by-little", _replaced_by_little, (TWO_WAY, PUSH)),
    Story("created-again-empty", _created_again_empty, (PUSH,)),
    Story("replaced-retaining", _replaced_retaining, (TWO_WAY, PUSH)),
    Story("generations", _generations, (PUSH,)),
    Story("ended", _ended, (PUSH,), ends=True),
    Story("renamed", _renamed, EVERY),
    Story("renamed-at-once", _renamed_at_once, EVERY),
    Story("renamed-twice", _renamed_twice, EVERY),
    Story("renamed-with-edits", _renamed_with_edits, (PUSH,)),
    Story("approved", _approved, EVERY),
    Story("undone", _undone, EVERY),
    Story("allowed", _allowed, EVERY),
    Story("all-at-once", _all_at_once, EVERY),
    Story("one-by-one", _one_by_one, EVERY),
    *SOURCES,
)
