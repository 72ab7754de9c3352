"""What people do with a ConfigSync and its ConfigMap, and what they wait for: the words of `mirror_stories`.

`z` keys are edited in ZooKeeper only, `c` keys in the ConfigMap only. An "own key" is one of the side
that the direction reads: `c` for `ConfigMapToZooKeeper`, else `z`.
"""

from collections.abc import Iterable
from typing import Any

from tests.support.models.mirror_crash_points import Scene
from tests.support.worlds.mirror import NAMESPACE, ROOT
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.model.names import SYNC_LABEL
from zkoperator.zk.port import Create, Delete

TWO_WAY, PULL, PUSH = "TwoWay", "ZooKeeperToConfigMap", "ConfigMapToZooKeeper"
WIDE = {"maxKeys": 50, "maxPercent": 100}
NARROW = {"maxKeys": 2, "maxPercent": 100}
NUMBERS = "0123"


async def begin(scene: Scene, own_keys: str = NUMBERS, /, **spec: Any) -> None:
    """Keys of both sides are in sync where the direction takes them, and the status has settled."""
    scene.do(lambda: scene.write(Create(ROOT, b""), *(Create(f"{ROOT}/z{number}", b"z1") for number in NUMBERS)))
    scene.do(lambda: scene.config_map(**{f"c{number}": "c1" for number in own_keys}))
    scene.sync(**{"direction": scene.direction, "deletionGuard": WIDE} | spec)
    await in_sync(scene)
    await scene.rest(10.0)


async def in_sync(scene: Scene) -> None:
    await scene.until(lambda: scene.ready(scene.witness.name) == ("True", "InSync"))


async def stopped(scene: Scene, reason: str) -> None:
    await scene.until(lambda: scene.ready(scene.witness.name) == ("False", reason))


def edited(scene: Scene, gone: Iterable[str] = (), **values: str) -> dict[str, str]:
    """Return the keys of the present ConfigMap after these edits, as a manifest of somebody has them."""
    present = {key: value.decode() for key, value in (scene.data() or {}).items()}
    return {key: value for key, value in (present | values).items() if key not in set(gone)}


def replace(scene: Scene, data: dict[str, str], *, label: bool = True) -> None:
    """`kubectl replace` of a manifest without our annotations, and perhaps without our label."""
    meta: dict[str, Any] = {"annotations": None} | ({} if label else {"labels": None})
    gone = dict.fromkeys((scene.data() or {}).keys() - data.keys())
    whole = {"metadata": meta, "data": {**gone, **data}}
    scene.do(lambda: scene.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", whole))


def create_again(scene: Scene, data: dict[str, str], *, label: bool = True) -> None:
    """`kubectl delete` and `kubectl create`, or `replace --force`."""

    def again() -> None:
        scene.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")
        scene.config_map(label="shop" if label else None, **data)

    scene.do(again)


def label(scene: Scene, owner: str) -> None:
    labels = {"metadata": {"labels": {SYNC_LABEL: owner}}}
    scene.do(lambda: scene.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", labels))


def own(scene: Scene) -> str:
    return "c" if scene.direction == PUSH else "z"


def add(scene: Scene, numbers: str) -> None:
    """Create own keys."""
    if scene.direction == PUSH:
        scene.do(lambda: scene.edit(**dict.fromkeys((f"c{number}" for number in numbers), "n1")))
    else:
        scene.do(lambda: scene.write(*(Create(f"{ROOT}/z{number}", b"n1") for number in numbers)))


def delete(scene: Scene, numbers: str) -> None:
    """Delete own keys."""
    if scene.direction == PUSH:
        scene.do(lambda: scene.edit(**dict.fromkeys((f"c{number}" for number in numbers), None)))
    else:
        scene.do(lambda: scene.write(*(Delete(f"{ROOT}/z{number}", -1) for number in numbers)))


def there(scene: Scene) -> str:
    """The numbers of the own keys that the other side has."""
    if scene.direction == PUSH:
        return "".join(str(number) for number in range(10) if scene.at(f"c{number}") is not None)
    return "".join(str(number) for number in range(10) if f"z{number}" in (scene.data() or {}))


async def there_are(scene: Scene, numbers: str) -> None:
    await scene.until(lambda: there(scene) == numbers)


async def stay(scene: Scene, numbers: str) -> None:
    """However long one waits, these own keys stay on the other side."""
    await scene.rest(20.0)
    assert there(scene) == numbers, f"left are {there(scene)}: {scene.status()}"


def held(scene: Scene) -> str:
    """The hash of the plan that waits, empty while none does."""
    return str(scene.status().get("pending", {}).get("hash", ""))


async def approve(scene: Scene) -> None:
    await scene.until(lambda: held(scene))
    scene.annotate(approve_deletions=held(scene))


async def both_follow(scene: Scene) -> None:
    """A deletion and a creation on each side arrive on the other, where the direction lets them."""
    if scene.direction != PUSH:
        scene.do(lambda: scene.write(Create(f"{ROOT}/z9", b"z9"), Delete(f"{ROOT}/z1", -1)))
        await scene.until(lambda: (scene.data() or {}).get("z9") == b"z9" and "z1" not in (scene.data() or {}))
    if scene.direction != PULL:
        scene.do(lambda: scene.edit(c9="c9", c1=None))
        await scene.until(lambda: (scene.at("c9"), scene.at("c1")) == (b"c9", None))
