"""Stories of files that are rendered from znodes, for `mirror_crash_points`."""

from typing import Any

from tests.support.models import mirror_hands as hands
from tests.support.models.mirror_crash_points import SETTINGS, Scene, Story
from tests.support.models.mirror_hands import NARROW, NUMBERS, PULL

FILE = "{% for kv in gets('**') %}{{ kv.key }}={{ fail('bad') if kv.value == 'bad' else kv.value }} {% endfor %}"
OTHER = "{{ getv('/z0', '-') }}"


async def _begin(scene: Scene, **spec: Any) -> None:
    await hands.begin(scene, "", template={"data": {"f": FILE, "g": OTHER}}, **spec)
    await _shown(scene, NUMBERS)


def _names(scene: Scene) -> str:
    """Return the numbers of the znodes that the file names."""
    text = (scene.data() or {}).get("f", b"").decode()
    return "".join(word.partition("=")[0].removeprefix("/z") for word in text.split())


async def _shown(scene: Scene, numbers: str) -> None:
    await scene.until(lambda: _names(scene) == numbers)


def _set(scene: Scene, name: str, value: str) -> None:
    scene.do(lambda: scene.node(name, value))


async def _rendered_and_edited(scene: Scene) -> None:
    """Znodes, a file by hand, and the templates are changed: each time the files are what they should be."""
    await _begin(scene)
    _set(scene, "z0", "z2")
    await scene.until(lambda: (scene.data() or {}).get("g") == b"z2")
    scene.do(lambda: scene.edit(g="by hand"))
    await scene.until(lambda: (scene.data() or {}).get("g") == b"z2")
    await hands.in_sync(scene)
    scene.spec(template={"data": {"f": FILE, "h": "new " + OTHER, "g": None}})
    await scene.until(lambda: (scene.data() or {}).get("h") == b"new z2")
    _set(scene, "z0", "z3")
    await scene.until(lambda: (scene.data() or {}).get("h") == b"new z3")
    await hands.in_sync(scene)
    assert (scene.data() or {}).get("g") == b"z2", "a file that was taken off stays"


async def _rendering_fails(scene: Scene) -> None:
    """One znode breaks one template: no file changes until it is mended."""
    await _begin(scene)
    _set(scene, "z1", "bad")
    await hands.stopped(scene, "TemplateFailed")
    _set(scene, "z0", "z2")
    await scene.rest(20.0)
    assert (scene.data() or {}).get("g") == b"z1"
    assert _names(scene) == NUMBERS
    _set(scene, "z1", "z2")
    await scene.until(lambda: (scene.data() or {}).get("g") == b"z2")
    await hands.in_sync(scene)


async def _rendering_approved(scene: Scene) -> None:
    """Three deletions of znodes wait, and with them all files; an approval of them counts once."""
    await _begin(scene, deletionGuard=NARROW)
    hands.delete(scene, "123")
    await hands.stopped(scene, "DeletionsHeld")
    _set(scene, "z0", "z2")
    await scene.rest(20.0)
    assert _names(scene) == NUMBERS
    await hands.approve(scene)
    await _shown(scene, "0")
    await hands.in_sync(scene)
    hands.add(scene, "456")
    await _shown(scene, "0456")
    hands.delete(scene, "456")
    await hands.stopped(scene, "DeletionsHeld")
    await scene.rest(20.0)
    assert _names(scene) == "0456"
    await hands.approve(scene)
    await _shown(scene, "0")
    await hands.in_sync(scene)


async def _rendered_one_by_one(scene: Scene) -> None:
    """Two deletions of znodes are followed, and no more within the window but the one that a crash forgot."""
    await _begin(scene, deletionGuard=NARROW)
    hands.add(scene, "4567")
    await _shown(scene, "01234567")
    for number in "01":
        hands.delete(scene, number)
        await scene.until(lambda one=number: one not in _names(scene))  # type: ignore[misc]
        await scene.rest(10.0)
    for number in "234":
        hands.delete(scene, number)
        await scene.rest(10.0)
    for within_s in (0.0, 2 * SETTINGS.deletion_window_s):
        await scene.rest(within_s)
        assert hands.held(scene) and len(_names(scene)) >= 5, f"left are {_names(scene)}: {scene.status()}"
    await hands.approve(scene)
    await _shown(scene, "567")
    await hands.in_sync(scene)


TEMPLATES = (
    Story("rendered-and-edited", _rendered_and_edited, (PULL,)),
    Story("rendering-fails", _rendering_fails, (PULL,)),
    Story("rendering-approved", _rendering_approved, (PULL,)),
    # Where a crash has forgotten a deletion, the file is once written with one znode less.
    Story("rendered-one-by-one", _rendered_one_by_one, (PULL,), is_exact=False),
)
