"""Ten templates that loop, grow and pry: each is told what is wrong with it, and nobody else waits for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.support.worlds.mirror import World, running
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.templates import pool as pool_module
from zkoperator.templates.pool import QUICK, SLOW, WorkerPool
from zkoperator.templates.port import Limits

PULL = "ZooKeeperToConfigMap"
LOOP = "{% for i in range(99999) %}\n{% for j in range(99999) %}\n{{ i * j }}{% endfor %}\n{% endfor %}"
QUIET_LOOP = "\n{% for i in range(99999) %}\n{% for j in range(99999) %}\n{% endfor %}\n{% endfor %}"
HOSTILE = {
    "loop": (QUIET_LOOP, "line 3: it takes longer"),
    "sum": ("\n\n{{ ([[1] * 1000] * 10000) | sum(start=[]) | length }}", "line 3: it takes longer"),
    "pattern": ("\n{{ gets('*a' * 40 ~ 'b') | length }}", "line 2: it takes longer"),
    "text": ("\n{{ 'a' * 10 ** 9 }}", "line 2: it takes more memory"),
    "growth": (
        "{% set n = namespace(x='a') %}\n{% for i in range(60) %}\n{% set n.x = n.x ~ n.x %}\n{% endfor %}",
        "line 3: it takes more memory",
    ),
    "list": ("{{ ([0] * 10 ** 9) | length }}", "line 1: it takes more memory"),
    "output": (LOOP, "line 3: all files together would be larger"),
    "macro": ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", "line 1: RecursionError"),
    "escape": ("\n{{ ''.__class__.__mro__ }}", "line 2: "),
    "file": ("\n\n{% include '/etc/passwd' %}", "line 3: 'include' reads another template"),
}
STUCK = replace(SLOW, cpu_s=1e6, wall_s=1e6)
"""A slow lane that gives nobody up: what is in it stays in it."""


@asynccontextmanager
async def started(quick: Limits, slow: Limits) -> AsyncIterator[World]:
    """A world whose operator renders in processes with these limits."""
    async with running() as world:
        pool = world.renderer = WorkerPool(quick, slow)
        await world.restart()
        world.tree(**{"a" * 60: "", "n": "0"})
        try:
            yield world
        finally:
            await world.stop()
            await pool.close()
            await world.start()


def template(text: str) -> dict[str, dict[str, str]]:
    return {"data": {"f.conf": text}}


async def until_shown(world: World, name: str, text: bytes, key: str = "f.conf", *, within_s: float = 200) -> None:
    await world.until(lambda: (world.data(name) or {}).get(key) == text, within_s=within_s)


async def until_failed(world: World, name: str) -> None:
    await world.until(lambda: world.ready(name) == ("False", "TemplateFailed"), within_s=200)


async def test_each_of_ten_hostile_templates_is_told_its_line_and_keeps_its_last_good_file() -> None:
    async with started(QUICK, replace(SLOW, cpu_s=0.5)) as world:
        for name in HOSTILE:
            world.sync(name, direction=PULL, template=template("good"))
        for name in HOSTILE:
            await until_shown(world, name, b"good")
        for name, (text, _) in HOSTILE.items():
            world.spec(name, template=template(text))
        for name, (_, says) in HOSTILE.items():
            await until_failed(world, name)
            assert f"spec.template.data[f.conf] {says}" in world.message(name), world.message(name)
            assert world.data(name) == {"f.conf": b"good"}


async def test_nobody_waits_for_ten_hostile_templates() -> None:
    """They never end here, so that whoever waited for one of them would wait for ever."""
    async with started(QUICK, STUCK) as world:
        await _others_go_on(world, within_s=200)


async def _others_go_on(world: World, *, within_s: float) -> None:
    for number in range(10):
        world.sync(f"hostile{number}", direction=PULL, template=template(QUIET_LOOP))
    world.sync("plain", direction=PULL)
    world.sync("both-ways", path="/apps/other")
    world.sync("rendered", direction=PULL, template=template("{{ getv('/n') }}"))
    for number in range(1, 6):
        text = str(number).encode()
        world.node("n", text)
        await until_shown(world, "plain", text, "n", within_s=within_s)
        await until_shown(world, "rendered", text, within_s=within_s)
    world.kube.remove(CONFIG_SYNCS, "demo", "hostile0")


async def test_hostile_templates_that_share_the_lane_of_others_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: one lane for all."""
    monkeypatch.setattr(pool_module, "_IDLE_S", 60.0)
    async with started(STUCK, STUCK) as world:
        with pytest.raises(AssertionError):
            await _others_go_on(world, within_s=2)


async def test_a_template_that_reaches_a_limit_is_tried_ever_less_often() -> None:
    async with started(replace(QUICK, cpu_s=0.02), replace(SLOW, cpu_s=0.02)) as world:
        world.sync("loop", direction=PULL, template=template(QUIET_LOOP))
        await world.until(lambda: world.ready("loop") == ("False", "TemplateFailed"), within_s=200)
        state = next(iter(world.reconciler._states.values())).sides.rendering
        assert state is not None
        await world.until(lambda: state.overruns >= 4, within_s=200)
        waits = state.not_before_s - world.clock.now_s()
        assert waits > 0.1 * 2, "retry_s is 0.1 in this world, and each failure doubles it"
        world.spec("loop", template=template("mended"))
        await world.until(lambda: world.data("loop") == {"f.conf": b"mended"}, within_s=200)
