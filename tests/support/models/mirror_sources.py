"""Stories of several subtrees that are pulled into one ConfigMap, for `mirror_crash_points`.

`/common` has a value for each key, that of `/apps/shop` hides it, and `/limits` has a prefix, which every format takes:
a shell has no variable `limits.z8`. Keys that fall back to `/common` have the value `base`.
"""

from typing import Any

from tests.support.models import mirror_hands as hands
from tests.support.models.histories import replay
from tests.support.models.mirror_crash_points import SETTINGS, Scene, Story
from tests.support.models.mirror_hands import NARROW, NUMBERS, PULL
from tests.support.worlds.mirror import ROOT
from zkoperator.zk.port import Create, Delete, Set

COMMON, LIMITS = "/common", "/limits"
LAYERS = ({"path": COMMON}, {"path": ROOT}, {"path": LIMITS, "prefix": "limits_"})


async def _begin(scene: Scene, **spec: Any) -> None:
    base = (Create(f"{COMMON}/z{number}", b"base") for number in NUMBERS)
    limits = (Create(LIMITS, b""), Create(f"{LIMITS}/z8", b"t1"))
    scene.do(lambda: scene.write(Create(COMMON, b""), *base, Create(f"{COMMON}/z8", b"t1"), *limits))
    await hands.begin(scene, "", sources=list(LAYERS), **spec)


def _choose(scene: Scene, *sources: dict[str, str]) -> None:
    scene.spec(zookeeper={"clusterRef": {"name": "main"}, "sources": list(sources)})


def _values(scene: Scene) -> dict[str, str]:
    return {key: value.decode() for key, value in (scene.data() or {}).items()}


def _fallen(scene: Scene) -> str:
    """The numbers of the keys that have the value of the subtree below."""
    return "".join(number for number in NUMBERS if _values(scene).get(f"z{number}") == "base")


def _drop(scene: Scene, numbers: str) -> None:
    scene.do(lambda: scene.write(*(Delete(f"{ROOT}/z{number}", -1) for number in numbers)))


async def _transaction(scene: Scene, value: str) -> None:
    """Write two subtrees at once. No version of the ConfigMap ever has one of the two values alone."""
    data = value.encode()
    scene.do(lambda: scene.write(Set(f"{COMMON}/z8", data, -1), Set(f"{LIMITS}/z8", data, -1)))
    await scene.until(lambda: _values(scene).get("limits_z8") == value)
    history = tuple(scene.witness.record.config_map)
    for commit in history:
        state = replay(history, commit.at)
        assert state.get("z8") == state.get("limits_z8"), f"half a transaction was seen: {state}"


async def _layered(scene: Scene) -> None:
    """A transaction over two subtrees, an override that is deleted, a root that goes and is created again."""
    await _begin(scene, deletionGuard=NARROW)
    for value in ("t2", "t3"):
        await _transaction(scene, value)
    _drop(scene, "0")
    await scene.until(lambda: _fallen(scene) == "0")
    await hands.in_sync(scene)
    for number in "123":
        _drop(scene, number)
    scene.do(lambda: scene.write(Delete(ROOT, -1)))
    await hands.stopped(scene, "SourceMissing")
    scene.do(lambda: scene.write(Set(f"{COMMON}/z8", b"later", -1)))
    await scene.rest(20.0)
    assert (_fallen(scene), _values(scene)["z8"]) == ("0", "t3"), "something was written while a root was missing"
    scene.do(lambda: scene.write(Create(ROOT, b"")))
    await hands.stopped(scene, "DeletionsHeld")
    await scene.until(lambda: _values(scene)["z8"] == "later")
    await scene.rest(20.0)
    assert _fallen(scene) == "0", f"fell back unasked: {_values(scene)}"
    await hands.approve(scene)
    await scene.until(lambda: _fallen(scene) == NUMBERS)
    await hands.in_sync(scene)


async def _fall_back_one_by_one(scene: Scene) -> None:
    """Two keys fall back, and no more within the window but the one that a crash forgot."""
    await _begin(scene, deletionGuard=NARROW)
    for number in "01":
        _drop(scene, number)
        await scene.until(lambda one=number: one in _fallen(scene))  # type: ignore[misc]
        await scene.rest(10.0)
    for number in "23":
        _drop(scene, number)
        await scene.rest(10.0)
    for within_s in (0.0, 2 * SETTINGS.deletion_window_s):
        await scene.rest(within_s)
        assert hands.held(scene) and len(_fallen(scene)) <= 3, f"fell back: {_fallen(scene)}: {scene.status()}"
    await hands.approve(scene)
    await scene.until(lambda: _fallen(scene) == NUMBERS)
    await hands.in_sync(scene)


async def _listed_anew(scene: Scene) -> None:
    """Another order, another prefix, and a subtree that is taken off and put back: nothing is deleted or asked for."""
    common, shop, limits = LAYERS
    await _begin(scene, deletionGuard={"maxKeys": 0})
    _choose(scene, shop, common, limits)
    await scene.until(lambda: _fallen(scene) == NUMBERS)
    _choose(scene, common, shop, limits | {"prefix": "l_"})
    await scene.until(lambda: _fallen(scene) == "" and _values(scene).get("l_z8") == "t1")
    assert "limits_z8" not in _values(scene)
    await hands.in_sync(scene)
    _choose(scene, common, limits | {"prefix": "l_"})
    await scene.until(lambda: _fallen(scene) == NUMBERS)
    await hands.in_sync(scene)
    _choose(scene, common, limits | {"prefix": "l_"}, shop)
    await scene.until(lambda: _fallen(scene) == "")
    await hands.in_sync(scene)


SOURCES = (
    Story("layered", _layered, (PULL,)),
    Story("fall-back-one-by-one", _fall_back_one_by_one, (PULL,)),
    Story("listed-anew", _listed_anew, (PULL,)),
)
