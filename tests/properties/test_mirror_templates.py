"""Rendered files are what the tree at their zxid gives, whatever happens on the way: restarts, lost answers, rivals."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.zk_session import Fault
from tests.support.models.mirror_crash_points import Story, differences
from tests.support.models.mirror_templates import TEMPLATES
from tests.support.models.seeds import replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, World, running
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.model.deletions import DeletionLog
from zkoperator.mirror.plan import plan
from zkoperator.zk.port import Set

NAMES = "abcdef"
TEMPLATE = "{% for kv in gets('**') %}\n{{ kv.key }}={{ kv.value }}\n{% endfor %}"


def rendered(world: World) -> str:
    """What the present tree gives, by a witness that knows no templates."""
    found = {name: world.at(name) for name in NAMES}
    return "".join(f"/{name}={value.decode()}\n" for name, value in sorted(found.items()) if value is not None)


def shown(world: World) -> tuple[int, str] | None:
    found: Any = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    if found is None or "f" not in (found.get("data") or {}):
        return None
    return int(found["metadata"]["annotations"]["zkoperator.dev/zxid"], 16), found["data"]["f"]


class Walk:
    """One history: what the tree was at each zxid, and what the ConfigMap showed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.rng = random.Random(seed)
        self.states: dict[int, str] = {}
        self.by_hand: set[str] = set()
        self.last = 0
        self.steps = (self.change, self.change, self.pair, self.pair, self.restart, self.lose, self.rival, self.wait)

    def note(self) -> None:
        self.states[self.world.zk.zxid] = rendered(self.world)

    async def change(self) -> None:
        self.world.node(self.rng.choice(NAMES), str(self.rng.randrange(1000)))
        self.note()

    async def pair(self) -> None:
        """Two znodes that are always changed in one transaction."""
        value = str(self.rng.randrange(1000)).encode()
        self.world.write(Set(f"{ROOT}/a", value, -1), Set(f"{ROOT}/b", value, -1))
        self.note()

    async def restart(self) -> None:
        await self.world.abandon()
        await self.world.start()

    async def lose(self) -> None:
        self.world.zk.inject(self.rng.choice(list(Fault)))

    async def rival(self) -> None:
        if shown(self.world) is not None:
            text = f"by hand {self.rng.randrange(1000)}"
            self.by_hand.add(text)
            self.world.edit(f=text)

    async def wait(self) -> None:
        await self.world.quiet(self.rng.randrange(6))

    def check(self) -> None:
        found = shown(self.world)
        if found is None or found[1] in self.by_hand:
            return
        zxid, text = found
        assert zxid >= self.last, "zxids never decrease"
        self.last = zxid
        known = max((at for at in self.states if at <= zxid), default=None)
        assert known is not None and self.states[known] == text, f"no state of the tree at {zxid:#x}"


@pytest.mark.parametrize("seed", range(12))
async def test_a_rendered_file_is_a_state_of_the_tree_that_existed(seed: int) -> None:
    async with running() as world:
        world.tree(a="0", b="0")
        walk = Walk(world, seed)
        walk.note()
        world.sync(direction="ZooKeeperToConfigMap", template={"data": {"f": TEMPLATE}}, deletionGuard={"maxKeys": 99})
        for _ in range(40):
            await walk.rng.choice(walk.steps)()
            await asyncio.sleep(0)
            walk.check()
        await world.until(lambda: (shown(world) or (0, ""))[1] == rendered(world), within_s=30)
        walk.check()


@pytest.mark.parametrize("story", TEMPLATES, ids=lambda story: story.name)
def test_nobody_can_tell_from_rendered_files_at_which_write_the_operator_was_killed(story: Story) -> None:
    assert list(differences(story, story.directions[0])) == []


BUGS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "deletions of znodes count": ("rendering-approved", replaced(plan, "gone_inputs", lambda *_: ())),
    "an approval is needed": ("rendering-approved", replaced(plan, "must_hold_rendering", lambda *_: False)),
    "a restarted operator goes on counting deletions": (
        "rendered-one-by-one",
        replaced(DeletionLog, "restore", lambda *_, **__: None),
    ),
}


@pytest.mark.parametrize("guard", BUGS)
def test_an_operator_without_this_guard_is_noticed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, bug = BUGS[guard]
    bug(monkeypatch)
    story = next(story for story in TEMPLATES if story.name == name)
    assert any(True for _ in differences(story, story.directions[0])), "nothing was noticed"
