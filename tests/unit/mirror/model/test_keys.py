"""Odd names, odd values, globs and limits: what cannot be synchronised is named, and the rest flows."""

import json
import re

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import ROOT, SUPER, World
from zkoperator.mirror.model import keys, naming, selection
from zkoperator.zk.port import Acl, Create


async def test_a_key_that_is_too_long_is_named_and_the_rest_flows(world: World) -> None:
    world.tree(a="1")
    world.write(Create(f"{ROOT}/{'x' * 300}", b"1"))
    world.sync()
    await world.until_reason("KeyInvalid")
    assert "xxx...(300 characters)...xxx" in world.message()
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2"})


async def test_every_name_that_is_too_long_leaves_room_for_the_others(world: World) -> None:
    world.tree(a="1")
    for number in range(7):
        world.write(Create(f"{ROOT}/dubbo{number}{'%2F' * 150}", b"1"))
    world.sync()
    await world.until_reason("KeyInvalid")
    told = world.message()
    assert [f"dubbo{number}%2F" in told for number in range(4)] == [True] * 4
    assert told.endswith(" more")
    assert len(told) <= 1024


NO_PATHS = {
    "__init__.py": "__init__.py",
    "tls_x509.pem": "tls_x509.pem",
    "max_xfer": "max_xfer",
    "ends_": "ends_",
    "two____separators": "two____separators",
    "a_x62": "a_x62",
    "a_x00b": "a_x00b",
    "a_x2fb": "a_x2fb",
    "_xff": "_xff",
    "a__..": "a__..",
    "conf__tls_x509": "conf/tls_x509",
    "conf__ends_": "conf/ends_",
    "__": "__",
}
"""Keys that no path is written as, and the znode that whoever wrote them meant."""


@pytest.mark.parametrize("key", NO_PATHS)
async def test_a_key_that_stands_for_no_path_is_named_and_the_rest_flows(world: World, key: str) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.edit(**{key: "1", "fine": "1"})
    await world.until_reason("KeyInvalid")
    assert world.message().startswith(f"{key}: ")
    await world.until(lambda: world.at("fine") == b"1")
    world.edit(**{key: None})
    await world.until_in_sync()


@pytest.mark.parametrize("key", NO_PATHS)
async def test_the_advice_about_a_key_that_is_no_path_makes_the_znode_of_that_name(world: World, key: str) -> None:
    world.tree(a="1")
    world.config_map(a="1", **{key: "1"})
    world.sync()
    await world.until_reason("KeyInvalid")
    told = re.search(r"rename it to (\S+) \(znode (\S+)\)", world.message())
    assert told is not None
    world.edit(**{key: None, told[1]: "1"})
    await world.until_in_sync()
    assert (told[2], world.at(told[2])) == (NO_PATHS[key], b"1")


@pytest.mark.parametrize("key", NO_PATHS)
async def test_a_key_that_is_no_path_is_left_out_as_its_message_says(world: World, key: str) -> None:
    world.tree(a="1")
    world.config_map(a="1", **{key: "1"})
    world.sync()
    await world.until_reason("KeyInvalid")
    told = re.search(r"spec\.keys\.exclude: (\[.*\])", world.message())
    assert told is not None
    world.spec(keys={"exclude": json.loads(told[1])})
    await world.until_in_sync()
    assert world.data() == {"a": b"1", key: b"1"}


@pytest.mark.parametrize("key", NO_PATHS)
@pytest.mark.parametrize("keys", [{"include": ["a"]}, {"exclude": ["*", "conf/*"]}, {"exclude": ["**"]}], ids=str)
async def test_globs_match_keys_that_are_no_paths(world: World, key: str, keys: dict[str, list[str]]) -> None:
    world.tree(a="1")
    world.config_map(a="1", **{key: "1"})
    world.sync(keys=keys)
    await world.until_in_sync()
    assert world.data() == {"a": b"1", key: b"1"}


async def test_a_selected_key_that_is_no_path_is_still_told(world: World) -> None:
    world.tree(a="1")
    world.config_map(conf__tls_x509="1")
    world.sync(keys={"include": ["conf/**"]})
    await world.until_reason("KeyInvalid")
    assert "conf__tls_x5fx509" in world.message()


NOBODY = (Acl(31, "digest", "nobody:none"),)


@pytest.mark.parametrize(
    "keys",
    [
        {"exclude": ["private/**"]},
        {"exclude": ["**/private/**"]},
        {"include": ["conf/**", "a"]},
        {"include": ["*"], "exclude": ["p*"]},
    ],
    ids=str,
)
async def test_a_znode_that_may_not_be_read_is_no_problem_where_no_key_can_be_in_it(
    world: World, keys: dict[str, list[str]]
) -> None:
    world.tree(a="1", conf__b="1", private__c="1")
    world.zk.set_acl(f"{ROOT}/private", NOBODY)
    world.sync(keys=keys)
    await world.until_in_sync()
    world.node("a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    await world.until_in_sync()


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"exclude": ["private"]},
        {"exclude": ["private", "private/*"]},
        {"include": ["a", "*/c"]},
        {"include": ["**/c"]},
    ],
    ids=str,
)
async def test_a_znode_that_may_not_be_read_is_told_where_a_key_may_be_below_it(
    world: World, keys: dict[str, list[str]]
) -> None:
    world.tree(a="1", private__c="1")
    world.zk.set_acl(f"{ROOT}/private", NOBODY)
    world.sync(keys=keys)
    await world.until_reason("Forbidden")
    assert "private" in world.message()


async def test_unselected_znodes_and_keys_are_nobodys_business(world: World) -> None:
    world.tree(conf__a="1", conf__secret="1", other="1")
    world.config_map(conf__secret="mine", unrelated="mine")
    world.sync(keys={"include": ["conf/**"], "exclude": ["**/secret"]})
    await world.until_in_sync()
    assert world.data() == {"conf__a": b"1", "conf__secret": b"mine", "unrelated": b"mine"}
    assert world.at("unrelated") is None
    world.edit(conf__secret=None, conf__b="2")
    await world.until(lambda: world.at("conf/b") == b"2")
    assert world.at("conf/secret") == b"1"


async def test_narrowing_the_selection_deletes_nothing(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync()
    await world.until_in_sync()
    world.spec(keys={"include": ["a"]})
    await world.quiet()
    world.edit(b=None)
    await world.quiet()
    assert world.at("b") == b"1"
    world.spec(keys={"include": ["**"]})
    await world.until(lambda: world.data() == {"a": b"1", "b": b"1"})


async def test_ephemerals_are_left_out_unless_asked_for(world: World) -> None:
    world.tree(a="1")
    client = world.zk.session()
    await client.create(Create(f"{ROOT}/live", b"here", ephemeral=True))
    world.sync("plain", direction="ZooKeeperToConfigMap")
    world.sync("registry", direction="ZooKeeperToConfigMap", keys={"ephemerals": "Include"})
    await world.until_in_sync("plain")
    await world.until_in_sync("registry")
    assert world.data("plain") == {"a": b"1"}
    assert world.data("registry") == {"a": b"1", "live": b"here"}
    await client.close()
    await world.until(lambda: world.data("registry") == {"a": b"1"})


async def test_a_key_on_an_ephemeral_path_is_named(world: World) -> None:
    world.tree(a="1")
    client = world.zk.session()
    await client.create(Create(f"{ROOT}/live", b"here", ephemeral=True))
    world.sync()
    await world.until_in_sync()
    world.edit(live="mine", live__below="mine", fine="1")
    await world.until_reason("KeyInvalid")
    assert "live" in world.message()
    await world.until(lambda: world.at("fine") == b"1")
    assert world.at("live") == b"here"
    await client.close()


async def test_odd_names_round_trip_in_both_directions(world: World) -> None:
    names = ["_lead", "__two", "tail_", "é", "a b", "x_x5f", "..dots", "LOG_LEVEL", "application.properties", "a_b"]
    world.tree(plain="1")
    for name in names:
        world.write(Create(f"{ROOT}/{name}", name.encode()))
    world.sync()
    await world.until_in_sync()
    data = world.data() or {}
    assert sorted(data.values()) == sorted([b"1", *(name.encode() for name in names)])
    assert data["LOG_LEVEL"] == b"LOG_LEVEL"
    world.edit(**dict.fromkeys(data, "changed"))
    await world.until(lambda: all(world.at(name) == b"changed" for name in names))
    assert len(world.zk.tree.children(ROOT, SUPER).names) == len(names) + 1


async def test_an_empty_parent_is_no_key_and_an_empty_leaf_is_one(world: World) -> None:
    world.tree(db__x="1", leaf="")
    world.sync()
    await world.until_in_sync()
    assert world.data() == {"db__x": b"1", "leaf": b""}
    world.node("leaf/below", "1")
    await world.until(lambda: world.data() == {"db__x": b"1", "leaf__below": b"1"})
    world.edit(db="")
    await world.quiet()
    assert world.ready() == ("True", "InSync")
    assert world.at("db") == b""


async def test_ephemerals_that_are_not_selected_any_more_are_not_deleted(world: World) -> None:
    world.tree(a="1", keep="1")
    session = await world.connector().open(("main:2181",), None)
    await session.create(Create(f"{ROOT}/here", b"x", ephemeral=True))
    world.sync(direction="ZooKeeperToConfigMap", keys={"ephemerals": "Include"})
    await world.until_in_sync()
    world.spec(keys={"ephemerals": "Exclude"})
    await world.quiet()
    world.drop("a")
    await world.until(lambda: world.data() == {"here": b"x", "keep": b"1"})
    await session.close()


async def test_a_znode_that_is_made_again_as_an_ephemeral_one_takes_its_key_along(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    session = await world.connector().open(("main:2181",), None)
    world.drop("a")
    await session.create(Create(f"{ROOT}/a", b"x", ephemeral=True))
    await world.until(lambda: world.data() == {"b": b"1"})
    await session.close()


def _decoded(key: str) -> str:
    return keys._decode(key, "__") or key


SEEDS = (
    Seed(
        "a znode that may not be read is told only where a key may be in it",
        replaced(selection.Selection, "may_reach", lambda *_: True),
        (
            in_world(
                test_a_znode_that_may_not_be_read_is_no_problem_where_no_key_can_be_in_it,
                keys={"exclude": ["private/**"]},
            ),
        ),
    ),
    Seed(
        "an excluded znode may hold keys that are not excluded",
        replaced(selection, "_ANY_NAME", "c"),
        (
            in_world(
                test_a_znode_that_may_not_be_read_is_told_where_a_key_may_be_below_it,
                keys={"exclude": ["private", "private/c", "private/c/c"]},
            ),
        ),
    ),
    Seed(
        "globs decide about keys that are no paths too",
        replaced(selection.Selection, "takes_key", lambda *_: True),
        (in_world(test_a_key_that_is_no_path_is_left_out_as_its_message_says, key="__init__.py"),),
    ),
    Seed(
        "a key that is no path is selected by the path that it stands for",
        replaced(naming.Naming, "meant_by", lambda _, key: key),
        (in_world(test_a_selected_key_that_is_no_path_is_still_told),),
    ),
    Seed(
        "the advice takes the key literally",
        replaced(keys, "literal_path", _decoded),
        (in_world(test_the_advice_about_a_key_that_is_no_path_makes_the_znode_of_that_name, key="tls_x509.pem"),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
