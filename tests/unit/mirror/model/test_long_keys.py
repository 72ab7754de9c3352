"""Paths whose keys are too long for a ConfigMap: pulled, they get a short key, and an index says what it stands for."""

import hashlib

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import ROOT, World
from zkoperator.mirror.model import naming
from zkoperator.mirror.model.keys import Unmappable, key_of, path_of
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.plan import steps
from zkoperator.zk.port import Acl, Create, Delete, Set

PULL = "ZooKeeperToConfigMap"
PROVIDER = "dubbo%3A%2F%2F10.0.0.{}%3A20880%2Fcom.example.DemoService%3F" + "anyhost%3Dtrue%26" * 21
"""A name of 419 characters, as Dubbo's registry has them."""
ONE, TWO = PROVIDER.format(1), PROVIDER.format(2)


def _short(path: str) -> str:
    return f"__long-{hashlib.sha256(path.encode()).hexdigest()[:32]}"


def _index(world: World) -> dict[str, str]:
    text = (world.data() or {}).get("__index", b"").decode()
    return dict(line.split(" ", 1) for line in text.splitlines())


async def _registry(world: World, **spec: object) -> None:
    assert len(ONE) > 400
    world.tree(a="1")
    world.write(Create(f"{ROOT}/providers", b""), Create(f"{ROOT}/providers/{ONE}", b"1"))
    world.sync(**{"direction": PULL, **spec})


async def test_a_long_path_has_a_short_key_and_its_full_path_is_readable(world: World) -> None:
    await _registry(world)
    await world.until_in_sync()
    key = _short(f"providers/{ONE}")
    assert (world.data() or {})[key] == b"1"
    assert _index(world) == {key: f"{ROOT}/providers/{ONE}"}
    assert (world.data() or {})["a"] == b"1"


async def test_the_index_follows_and_goes_with_the_last_short_key(world: World) -> None:
    await _registry(world)
    await world.until_in_sync()
    world.write(Create(f"{ROOT}/providers/{TWO}", b"2"))
    await world.until(lambda: len(_index(world)) == 2)
    world.write(Delete(f"{ROOT}/providers/{ONE}", -1))
    await world.until(lambda: list(_index(world)) == [_short(f"providers/{TWO}")])
    world.write(Delete(f"{ROOT}/providers/{TWO}", -1))
    await world.until(lambda: world.data() == {"a": b"1"})
    await world.until_in_sync()


async def test_a_short_key_follows_its_znode_over_restarts(world: World) -> None:
    await _registry(world)
    await world.until_in_sync()
    await world.restart()
    await world.quiet()
    world.write(Set(f"{ROOT}/providers/{ONE}", b"2", -1))
    await world.until(lambda: (world.data() or {})[_short(f"providers/{ONE}")] == b"2")
    await world.stop()
    world.write(Delete(f"{ROOT}/providers/{ONE}", -1))
    await world.start()
    await world.until(lambda: world.data() == {"a": b"1"})


async def test_an_index_that_somebody_edits_or_deletes_comes_back(world: World) -> None:
    await _registry(world)
    await world.until_in_sync()
    right = _index(world)
    world.edit(__index="some rubbish")
    await world.until(lambda: _index(world) == right)
    world.edit(__index=None)
    await world.until(lambda: _index(world) == right)
    await world.until_in_sync()


async def test_a_short_key_whose_znode_may_not_be_read_any_more_stays(world: World) -> None:
    """The path of its znode does not follow from the key: the base remembers it."""
    await _registry(world)
    await world.until_in_sync()
    await world.stop()
    world.zk.set_acl(f"{ROOT}/providers", (Acl(31, "digest", "nobody:none"),))
    await world.start()
    await world.until_reason("Forbidden")
    await world.quiet()
    assert (world.data() or {})[_short(f"providers/{ONE}")] == b"1"
    assert len(_index(world)) == 1


@pytest.mark.parametrize("direction", ["TwoWay", "ConfigMapToZooKeeper"])
async def test_a_key_that_is_too_long_is_not_pushed_and_the_way_out_is_told(world: World, direction: str) -> None:
    await _registry(world)
    await world.until_in_sync()
    world.spec(direction=direction)
    await world.until_reason("KeyInvalid")
    assert "ZooKeeperToConfigMap" in world.message()
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    assert world.at(f"providers/{ONE}") == b"1"
    assert (world.data() or {})[_short(f"providers/{ONE}")] == b"1"
    world.spec(direction=PULL)
    await world.until_in_sync()
    assert len(_index(world)) == 1


async def test_a_key_of_their_own_by_the_name_of_the_index_is_left_alone_without_short_keys(world: World) -> None:
    world.tree(a="1")
    world.config_map(__index="theirs")
    world.sync(direction=PULL)
    await world.until_in_sync()
    assert world.data() == {"a": b"1", "__index": b"theirs"}


async def test_narrowing_the_selection_forgets_short_keys(world: World) -> None:
    await _registry(world)
    await world.until_in_sync()
    world.spec(keys={"exclude": ["providers/**"]})
    await world.until_in_sync()
    await world.quiet()
    world.write(Delete(f"{ROOT}/providers/{ONE}", -1))
    await world.quiet()
    assert _short(f"providers/{ONE}") in (world.data() or {})


async def test_all_short_keys_at_once_wait_for_approval(world: World) -> None:
    world.tree()
    world.write(Create(f"{ROOT}/{ONE}", b"1"), Create(f"{ROOT}/{TWO}", b"1"))
    world.sync(direction=PULL)
    await world.until_in_sync()
    world.write(Delete(f"{ROOT}/{ONE}", -1), Delete(f"{ROOT}/{TWO}", -1))
    await world.until_reason("DeletionsHeld")
    assert len(_index(world)) == 2
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.data() == {})


def test_no_path_is_written_as_a_short_key_or_the_index() -> None:
    for key in ("__index", _short("x")):
        assert isinstance(path_of(key), Unmappable)
        assert key_of(key) != key


def test_a_short_key_depends_on_the_path_alone() -> None:
    path = "x" * 300
    names = (Naming(shortens=True), Naming(".", shortens=True), Naming("__", "y", shortens=True))
    assert {naming.key_of(path) for naming in names} == {_short(path)}


SEEDS = (
    Seed(
        "a long path has a key",
        replaced(naming, "MAX_KEY", 10_000),
        (in_world(test_a_long_path_has_a_short_key_and_its_full_path_is_readable),),
    ),
    Seed(
        "the base remembers the paths of short keys",
        replaced(steps, "_paths", lambda *_: {}),
        (in_world(test_a_short_key_follows_its_znode_over_restarts),),
    ),
    Seed(
        "the index is written with the keys",
        replaced(steps, "index_change", lambda *_: {}),
        (in_world(test_the_index_follows_and_goes_with_the_last_short_key),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
