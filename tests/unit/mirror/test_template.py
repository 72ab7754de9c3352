"""Files that are rendered from the znodes: what people do with them, and what becomes of that."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.renderer import InlineRenderer
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import NAMESPACE, World
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.model.template import FileTemplates
from zkoperator.mirror.observe import renderings
from zkoperator.templates.port import Answer, Job, Pace
from zkoperator.zk.port import Acl, Create

PULL = "ZooKeeperToConfigMap"
UPSTREAM = "upstream shop {\n{% for u in gets('/upstreams/*') %}\n  server {{ u.value }};\n{% endfor %}\n}\n"


def follow(world: World, data: dict[str, str] | None = None, **spec: Any) -> None:
    world.sync(**{"direction": PULL, "template": {"data": data or {"nginx.conf": UPSTREAM}}, **spec})


def file(world: World, name: str = "nginx.conf") -> str | None:
    found = (world.data() or {}).get(name)
    return None if found is None else found.decode()


def servers(*names: str) -> str:
    return "upstream shop {\n" + "".join(f"  server {name};\n" for name in names) + "}\n"


async def test_a_file_is_rendered_from_the_znodes_and_follows_them(world: World) -> None:
    world.tree(upstreams__a="10.0.0.1:80", upstreams__b="10.0.0.2:80", other="x")
    follow(world)
    await world.until_in_sync()
    assert world.data() == {"nginx.conf": servers("10.0.0.1:80", "10.0.0.2:80").encode()}
    assert world.status()["keys"] == 1
    world.node("upstreams/c", "10.0.0.3:80")
    await world.until(lambda: "10.0.0.3" in (file(world) or ""))
    world.drop("upstreams/a")
    await world.until(lambda: file(world) == servers("10.0.0.2:80", "10.0.0.3:80"))
    await world.until_in_sync()


async def test_what_the_files_do_not_show_writes_nothing(world: World) -> None:
    world.tree(upstreams__a="1", other="x")
    follow(world)
    await world.until_in_sync()
    before = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    world.node("other", "y")
    world.node("further", "z")
    await world.quiet()
    assert world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") == before


@pytest.mark.parametrize("broken", ["{{ getv('/nope') }}", "{% for %}", "{{ 1 / 0 }}"])
async def test_a_template_that_fails_is_told_with_its_line_and_the_last_good_file_stays(
    world: World, broken: str
) -> None:
    world.tree(upstreams__a="1")
    follow(world)
    await world.until_in_sync()
    good = file(world)
    world.spec(template={"data": {"nginx.conf": f"# new\n{broken}"}})
    await world.until_reason("TemplateFailed")
    assert "spec.template.data[nginx.conf] line 2: " in world.message()
    assert "what was rendered last stays" in world.message()
    world.node("upstreams/b", "2")
    await world.quiet()
    assert file(world) == good
    world.spec(template={"data": {"nginx.conf": UPSTREAM}})
    await world.until(lambda: file(world) == servers("1", "2"))
    await world.until_in_sync()


async def test_a_template_that_fails_from_the_beginning_writes_nothing_at_all(world: World) -> None:
    world.tree(upstreams__a="1")
    follow(world, {"good": "fine", "bad": "{{ getv('/nope') }}"})
    await world.until_reason("TemplateFailed")
    assert world.data() is None
    world.node("nope", "there")
    await world.until(lambda: world.data() == {"good": b"fine", "bad": b"there"})


async def test_a_change_of_the_znodes_can_break_a_template_and_mend_it(world: World) -> None:
    world.tree(a="1")
    follow(world, {"f": "{{ getv('/a') | int }} {{ json(getv('/j', '{}')) | length }}"})
    await world.until_in_sync()
    world.node("j", "no json")
    world.node("a", "2")
    await world.until_reason("TemplateFailed")
    assert file(world, "f") == "1 0" and "no JSON" in world.message() and "no json" not in world.message()
    world.node("j", "[1]")
    await world.until(lambda: file(world, "f") == "2 1")


async def test_whoever_edits_the_file_is_reverted_and_other_keys_are_left_alone(world: World) -> None:
    world.tree(upstreams__a="1")
    world.config_map(mine="x")
    follow(world)
    await world.until_in_sync()
    world.edit(**{"nginx.conf": "by hand", "mine": "y"})
    await world.until(lambda: file(world) == servers("1"))
    assert file(world, "mine") == "y"
    world.edit(**{"nginx.conf": None})
    await world.until(lambda: file(world) == servers("1"))


async def test_a_file_that_was_there_before_is_a_conflict_until_somebody_decides(world: World) -> None:
    world.tree(upstreams__a="1")
    world.config_map(**{"nginx.conf": "mine"})
    follow(world)
    await world.until_reason("Conflict")
    assert file(world) == "mine"
    world.annotate(resolve="nginx.conf=zookeeper")
    await world.until(lambda: file(world) == servers("1"))


async def test_a_file_that_is_taken_off_the_template_stays_and_a_new_one_comes(world: World) -> None:
    world.tree(upstreams__a="1")
    follow(world, {"one": "1", "two": "2"})
    await world.until_in_sync()
    world.spec(template={"data": {"one": None, "three": "3"}})
    await world.until(lambda: world.data() == {"one": b"1", "two": b"2", "three": b"3"})
    world.edit(one="mine now")
    await world.quiet()
    assert file(world, "one") == "mine now"


async def test_only_selected_znodes_are_seen(world: World) -> None:
    world.tree(a="1", secret__key="hidden", b="2")
    client = world.zk.session()
    await client.create(Create("/apps/shop/live", b"here", ephemeral=True))
    follow(world, {"f": "{{ tree() | to_json }}"}, keys={"exclude": ["secret/**"]})
    await world.until_in_sync()
    assert file(world, "f") == '{"a": "1", "b": "2"}'
    world.spec(keys={"exclude": ["b", "secret/**"], "ephemerals": "Include"})
    await world.until(lambda: file(world, "f") == '{"a": "1", "live": "here"}')


async def test_of_several_subtrees_the_paths_are_whole(world: World) -> None:
    world.tree(a="1")
    world.write(Create("/apps/other", b""), Create("/apps/other/b", b"2"))
    sources = [{"path": "/apps/shop"}, {"path": "/apps/other"}]
    follow(world, {"f": "{{ getv('/apps/shop/a') }}{{ getv('/apps/other/b') }}"}, sources=sources)
    await world.until(lambda: file(world, "f") == "12")
    world.node("a", "3")
    await world.until(lambda: file(world, "f") == "32")


async def test_a_restarted_operator_renders_again_and_writes_nothing(world: World) -> None:
    world.tree(upstreams__a="1")
    follow(world)
    await world.until_in_sync()
    await world.quiet()
    before = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop")
    await world.restart()
    await world.quiet()
    assert world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") == before
    world.node("upstreams/a", "2")
    await world.until(lambda: file(world) == servers("2"))


async def test_a_znode_that_may_not_be_read_stops_the_rendering(world: World) -> None:
    """Half of a tree is not rendered as if it were the whole."""
    world.tree(upstreams__a="1", upstreams__b="2")
    follow(world)
    await world.until_in_sync()
    world.zk.set_acl("/apps/shop/upstreams/b", (Acl(0, "world", "anyone"),))
    await world.restart()
    await world.until_reason("Forbidden")
    assert "/upstreams/b" in world.message() and file(world) == servers("1", "2")


async def test_bytes_and_a_dry_run(world: World) -> None:
    world.tree(a="1")
    world.node("blob", b"\xff")
    follow(world, {"f": "{{ getv('/blob') }}"}, mode="DryRun")
    await world.until_reason("DryRun")
    assert world.data() is None and "1 keys to create" in world.message()
    world.spec(mode="Active")
    await world.until(lambda: world.data() == {"f": b"\xff"})


async def test_more_znodes_than_a_template_may_see_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderings, "INPUT_BYTES", 100)
    world.tree(a="x" * 60)
    follow(world, {"f": "{{ getv('/a') | length }}"})
    await world.until_in_sync()
    world.node("b", "x" * 60)
    await world.until_reason("TemplateFailed")
    assert "have 120 bytes, and templates get 100; narrow spec.keys" in world.message()


async def test_values_are_read_again_only_where_they_have_changed(world: World) -> None:
    world.tree(**{f"key{number}": "1" for number in range(50)})
    follow(world, {"f": "{{ getvs('*') | join }}"})
    await world.until_in_sync()
    before = world.zk.served["get"]
    world.node("key7", "2")
    await world.until(lambda: "2" in (file(world, "f") or ""))
    await world.quiet()
    assert world.zk.served["get"] - before < 10


class _Stalled(InlineRenderer):
    """Each rendering is finished when the test says so."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)
        self.jobs: list[Job] = []

    async def render(self, job: Job, pace: Pace = Pace.NEW) -> tuple[Answer, Pace]:
        self.jobs.append(job)
        await self.go.acquire()
        return await super().render(job, pace)


async def _until(world: World, holds: Callable[[int], bool], number: int) -> None:
    await world.until(lambda: holds(number))


async def test_a_tree_that_changes_while_it_is_rendered_is_written_all_the_same(world: World) -> None:
    """Each file is of one state that existed, and a tree that never rests does not keep it from being written."""
    stalled = world.renderer = _Stalled()
    await world.restart()
    world.tree(a="0")
    follow(world, {"f": "{{ getv('/a') }}"})
    for number in range(1, 4):
        await _until(world, lambda count: len(stalled.jobs) == count, number)
        world.node("a", str(number))
        await world.quiet(5)
        stalled.go.release()
        await _until(world, lambda count: file(world, "f") == str(count - 1), number)


async def test_a_pass_does_not_wait_for_a_rendering(world: World) -> None:
    stalled = world.renderer = _Stalled()
    await world.restart()
    world.tree(a="0")
    follow(world, {"f": "{{ getv('/a') }}"})
    await world.until(lambda: stalled.jobs)
    await world.quiet()
    assert world.loop.running == 0
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.quiet()
    stalled.go.release()
    await world.quiet()
    assert world.data() is None


SEEDS = (
    Seed(
        "nothing is written while a template fails",
        rewritten(
            renderings,
            "_answer",
            "made.rendering if made.failure is None else _failed(made.failure, again)",
            "made.rendering",
        ),
        (
            in_world(
                test_a_template_that_fails_is_told_with_its_line_and_the_last_good_file_stays, broken="{{ 1 / 0 }}"
            ),
        ),
    ),
    Seed(
        "half of a tree is not rendered",
        replaced(FileTemplates, "hides", lambda *_: []),
        (in_world(test_a_znode_that_may_not_be_read_stops_the_rendering),),
    ),
    Seed(
        "a rendering that is older than the tree is written",
        rewritten(renderings, "Renderings._render", "None, True, pace", "None, False, pace"),
        (in_world(test_a_tree_that_changes_while_it_is_rendered_is_written_all_the_same),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
