"""The deletion of znodes is one, although it only changes a file: what waits for approval, and what does not."""

from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.plan import plan
from zkoperator.zk.port import Create, Delete

NAMES = [f"n{number}" for number in range(10)]
LIST = "{{ ls('/') | join(' ') }}"


def follow(world: World, **spec: Any) -> None:
    world.sync(direction="ZooKeeperToConfigMap", template={"data": {"f": LIST, "g": "{{ ls('/') | length }}"}}, **spec)


def shown(world: World) -> str:
    return (world.data() or {}).get("f", b"").decode()


async def begun(world: World, **spec: Any) -> None:
    world.tree(**dict.fromkeys(NAMES, "1"))
    follow(world, **spec)
    await world.until_in_sync()
    assert shown(world) == " ".join(NAMES)


async def until_gone(world: World, name: str) -> None:
    await world.until(lambda: name not in shown(world).split())


async def test_many_deletions_of_znodes_wait_and_the_files_stay(world: World) -> None:
    await begun(world)
    for name in NAMES[:5]:
        world.drop(name)
    await world.until_reason("DeletionsHeld")
    assert shown(world) == " ".join(NAMES) and "5 deletions wait (n0, n1, n2, n3, n4)" in world.message()
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: shown(world) == " ".join(NAMES[5:]))
    await world.until_in_sync()


async def test_they_wait_when_the_operator_was_not_there_to_see_them(world: World) -> None:
    await begun(world)
    await world.stop()
    for name in NAMES[:5]:
        world.drop(name)
    await world.start()
    await world.until_reason("DeletionsHeld")
    assert shown(world) == " ".join(NAMES)
    for name in NAMES[:5]:
        world.node(name, "again")
    await world.until_in_sync()


async def test_deletions_that_come_one_by_one_count_together(world: World) -> None:
    await begun(world)
    for name in NAMES[:4]:
        world.drop(name)
        await until_gone(world, name)
    world.drop(NAMES[4])
    await world.until_reason("DeletionsHeld")
    assert NAMES[4] in shown(world)


async def test_the_last_znode_waits_whatever_the_guard_says(world: World) -> None:
    world.tree(a="1")
    follow(world, deletionGuard={"maxKeys": 50, "maxPercent": 100})
    await world.until_in_sync()
    world.drop("a")
    await world.until_reason("DeletionsHeld")
    assert shown(world) == "a"


async def test_a_few_deletions_and_ends_of_sessions_do_not_wait(world: World) -> None:
    world.tree(**dict.fromkeys(NAMES, "1"))
    client = world.zk.session()
    for number in range(20):
        await client.create(Create(f"{ROOT}/live{number:02}", b"", ephemeral=True))
    follow(world, keys={"ephemerals": "Include"})
    await world.until(lambda: "live19" in shown(world))
    await world.until_in_sync()
    await client.close()
    await world.until(lambda: shown(world) == " ".join(NAMES))
    for name in NAMES[:4]:
        world.drop(name)
    await world.until(lambda: shown(world) == " ".join(NAMES[4:]))


async def test_znodes_that_are_not_selected_any_more_were_deleted_by_nobody(world: World) -> None:
    await begun(world)
    world.spec(keys={"exclude": ["n[0-9]", "n?"]})
    await world.until(lambda: shown(world) == "")
    await world.until_in_sync()


async def test_a_missing_root_empties_nothing(world: World) -> None:
    await begun(world)
    await world.stop()
    for name in NAMES:
        world.drop(name)
    world.write(Delete(ROOT, -1))
    await world.start()
    await world.until_reason("SourceMissing")
    assert shown(world) == " ".join(NAMES)
    world.write(Create(ROOT, b""), Create(f"{ROOT}/new", b"1"))
    await world.until_reason("DeletionsHeld")
    assert shown(world) == " ".join(NAMES)


async def test_a_backup_that_was_put_back_is_noticed_by_its_values_and_absences(world: World) -> None:
    world.tree(a="old", b="1")
    world.sync(direction="ZooKeeperToConfigMap", template={"data": {"f": "{{ getv('/a') }} {{ ls('/') | join(' ') }}"}})
    await world.until(lambda: shown(world) == "old a b")
    old = backup(world)
    world.node("a", "new")
    await world.until(lambda: shown(world) == "new a b")
    put_back(world, old)
    world.node("b", "written after it")
    await world.until_reason("SourceRegressed")
    assert shown(world) == "new a b"
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: shown(world) == "old a b")
    old = backup(world)
    world.node("young/one", "1")
    await world.until(lambda: "young" in shown(world))
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    assert shown(world) == "old a b young"


async def test_somebody_who_strips_the_record_of_the_znodes_gets_it_back(world: World) -> None:
    await begun(world)
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"zkoperator.dev/inputs": None}}})

    def record() -> Any:
        return (world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") or {})["metadata"]["annotations"].get(
            "zkoperator.dev/inputs"
        )

    await world.until(lambda: record() is not None)


SEEDS = (
    Seed(
        "deletions of znodes count although they only change a file",
        replaced(plan, "gone_inputs", lambda *_: ()),
        (
            in_world(test_many_deletions_of_znodes_wait_and_the_files_stay),
            in_world(test_the_last_znode_waits_whatever_the_guard_says),
            in_world(test_deletions_that_come_one_by_one_count_together),
        ),
    ),
    Seed(
        "a restored backup is recognised by what files were rendered from",
        replaced(plan, "is_older_tree", lambda *_: False),
        (in_world(test_a_backup_that_was_put_back_is_noticed_by_its_values_and_absences),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
