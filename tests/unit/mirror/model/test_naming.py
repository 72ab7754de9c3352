"""`keys.separator` and `keys.stripPrefix`: keys by other names, as long as each stands for one znode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes.kube import Operation
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import ROOT, SUPER, World
from zkoperator.errors import UnknownOutcomeError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.model import naming, selected_znodes
from zkoperator.mirror.model.keys import Unmappable
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.plan import decisions, plan, renaming

PULL = "ZooKeeperToConfigMap"
DOT = {"separator": "."}
BOTH_WAYS = pytest.mark.parametrize("direction", [PULL, "TwoWay"])


@BOTH_WAYS
async def test_a_dot_separates_the_names_of_a_path(world: World, direction: str) -> None:
    world.tree(db__pool="1", a="1")
    world.sync(keys=DOT, direction=direction)
    await world.until_in_sync()
    assert world.data() == {"db.pool": b"1", "a": b"1"}
    world.node("db/pool", "2")
    await world.until(lambda: (world.data() or {})["db.pool"] == b"2")


async def test_keys_with_dots_are_pushed_to_their_paths(world: World) -> None:
    world.tree(a="1")
    world.sync(keys=DOT)
    await world.until_in_sync()
    world.edit(**{"db.pool": "1"})
    await world.until(lambda: world.at("db/pool") == b"1")
    world.edit(**{"db.pool": None})
    await world.until(lambda: world.at("db/pool") is None)
    await world.until_in_sync()


async def test_pulled_names_keep_their_dots(world: World) -> None:
    world.tree(**{"application.properties": "1", "conf__log.xml": "1"})
    world.sync(keys=DOT, direction=PULL)
    await world.until_in_sync()
    assert world.data() == {"application.properties": b"1", "conf.log.xml": b"1"}
    world.node("application.properties", "2")
    world.drop("conf/log.xml")
    await world.until(lambda: world.data() == {"application.properties": b"2"})
    await world.until_in_sync()


async def test_two_znodes_of_one_key_are_both_named_and_left_out(world: World) -> None:
    world.tree(**{"a__b": "slash", "a.b": "dot", "c": "1"})
    world.sync(keys=DOT, direction=PULL)
    await world.until_reason("KeyInvalid")
    assert "a/b" in world.message()
    assert "a.b" in world.message()
    await world.until(lambda: world.data() == {"c": b"1"})
    world.drop("a.b")
    await world.until(lambda: world.data() == {"a.b": b"slash", "c": b"1"})
    await world.until_in_sync()


async def test_a_key_that_a_second_znode_claims_stays_as_it_is(world: World) -> None:
    world.tree(a__b="1", c="1")
    world.sync(keys=DOT, direction=PULL)
    await world.until_in_sync()
    world.node("a.b", "other")
    await world.until_reason("KeyInvalid")
    world.node("c", "2")
    await world.until(lambda: world.data() == {"a.b": b"1", "c": b"2"})
    world.drop("a/b")
    await world.until(lambda: world.data() == {"a.b": b"other", "c": b"2"})


async def test_a_pushed_key_leads_back_to_its_znode_or_is_left_out(world: World) -> None:
    """The key of `a.b` stands for `a/b`: both paths are named."""
    world.tree(**{"a.b": "dot", "c": "1"})
    world.sync(keys=DOT)
    await world.until_reason("KeyInvalid")
    assert "a.b" in world.message()
    assert "a/b" in world.message()
    world.edit(c="2")
    await world.until(lambda: world.at("c") == b"2")
    assert (world.data(), world.at("a.b"), world.at("a/b")) == ({"c": b"2"}, b"dot", None)


async def test_a_key_that_was_pulled_from_a_name_with_dots_is_not_pushed_elsewhere(world: World) -> None:
    world.tree(**{"a.b": "dot", "c": "1"})
    world.sync(keys=DOT, direction=PULL)
    await world.until_in_sync()
    for direction in ("TwoWay", "ConfigMapToZooKeeper"):
        world.spec(direction=direction)
        await world.until_reason("KeyInvalid")
        await world.quiet()
        assert (world.at("a/b"), world.at("a.b"), world.data()) == (None, b"dot", {"a.b": b"dot", "c": b"1"})
    world.spec(direction=PULL)
    await world.until_in_sync()


@pytest.mark.parametrize("prefix", ["conf", "conf/", "conf__"])
@BOTH_WAYS
async def test_a_prefix_is_left_off(world: World, direction: str, prefix: str) -> None:
    world.tree(conf__db__pool="1", conf__a="1")
    world.sync(keys={"stripPrefix": prefix}, direction=direction)
    await world.until_in_sync()
    assert world.data() == {"db__pool": b"1", "a": b"1"}
    world.node("conf/a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")


async def test_what_is_pushed_gets_the_prefix_back(world: World) -> None:
    world.tree(SHOP_URL="1")
    world.sync(keys={"stripPrefix": "SHOP_"})
    await world.until_in_sync()
    world.edit(URL="2", PORT="1")
    await world.until(lambda: (world.at("SHOP_URL"), world.at("SHOP_PORT")) == (b"2", b"1"))
    await world.until_in_sync()


async def test_a_znode_without_the_prefix_is_pulled_as_it_is_unless_another_has_its_key(world: World) -> None:
    world.tree(conf__a="1", b="1", conf__c="1", c="2")
    world.sync(keys={"stripPrefix": "conf/"}, direction=PULL)
    await world.until_reason("KeyInvalid")
    assert "conf/c" in world.message()
    assert world.data() == {"a": b"1", "b": b"1"}


@BOTH_WAYS
async def test_another_separator_renames_keys_and_nothing_else(world: World, direction: str) -> None:
    """Neither a deletion nor a creation: the guard would hold it, and the znodes are not written."""
    world.tree(**{f"conf__k{number}": str(number) for number in range(8)}, plain="1")
    world.sync(direction=direction)
    await world.until_in_sync()
    zxid = world.zk.tree.get(f"{ROOT}/conf/k1", SUPER).stat.mzxid
    world.spec(keys=DOT)
    await world.until(lambda: "conf.k1" in (world.data() or {}))
    await world.until_in_sync()
    expected = {f"conf.k{number}": str(number).encode() for number in range(8)} | {"plain": b"1"}
    assert world.data() == expected
    assert world.zk.tree.get(f"{ROOT}/conf/k1", SUPER).stat.mzxid == zxid
    assert not world.status().get("deletions")
    world.spec(keys={"separator": "__", "stripPrefix": "conf/"})
    renamed = {key.removeprefix("conf."): value for key, value in expected.items()}
    if direction == PULL:
        await world.until(lambda: world.data() == renamed)
    else:
        await world.until_reason("KeyInvalid")  # `plain` would have to be below the prefix
        assert world.data() == expected


async def test_edits_that_nobody_has_seen_survive_the_renaming(world: World) -> None:
    world.tree(c__a="1", c__b="1", c__d="1", c__e="1")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.edit(c__a="mine", c__d=None)
    world.node("c/b", "theirs")
    world.drop("c/e")
    world.spec(keys=DOT)
    await world.start()
    await world.until(lambda: world.data() == {"c.a": b"mine", "c.b": b"theirs"})
    await world.until(lambda: (world.at("c/a"), world.at("c/b"), world.at("c/d")) == (b"mine", b"theirs", None))
    await world.until_in_sync()


async def test_what_was_pushed_last_is_renamed_too(world: World) -> None:
    """The ledger has it under its former name."""
    world.tree(c__a="1")
    world.sync()
    await world.until_in_sync()
    world.edit(c__a="2", c__new="1")
    await world.until(lambda: world.at("c/new") == b"1")
    await world.stop()
    world.edit(c__a="3")
    world.spec(keys=DOT)
    await world.start()
    await world.until(lambda: world.data() == {"c.a": b"3", "c.new": b"1"})
    await world.until(lambda: world.at("c/a") == b"3")
    world.edit(**{"c.new": None})
    await world.until(lambda: world.at("c/new") is None)
    await world.restart()
    await world.quiet()
    assert (world.ready(), world.data()) == (("True", "InSync"), {"c.a": b"3"})


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
async def test_a_crash_at_the_renaming_loses_and_doubles_nothing(world: World, is_after: bool) -> None:
    world.tree(c__a="1", c__b="1")
    world.sync()
    await world.until_in_sync()
    await world.stop()
    world.edit(c__a="mine")
    world.spec(keys=DOT)
    requests: list[Operation] = []

    def fail(request: Operation) -> None:
        if request.resource is CONFIG_MAPS and request.is_write and not requests:
            requests.append(request)
            raise UnknownOutcomeError("the process is gone")

    setattr(world.kube, "after" if is_after else "before", fail)
    await world.start()
    await world.until(lambda: requests)
    await world.restart()
    await world.until(lambda: world.data() == {"c.a": b"mine", "c.b": b"1"})
    await world.until(lambda: world.at("c/a") == b"mine")
    await world.until_in_sync()


async def test_names_that_would_be_one_rename_nothing(world: World) -> None:
    world.tree(**{"a__b": "slash", "a.b": "dot", "c__d": "1"})
    world.sync(direction=PULL)
    await world.until_in_sync()
    before = world.data()
    world.spec(keys=DOT)
    await world.until_reason("KeyInvalid")
    assert "a/b" in world.message()
    assert "a.b" in world.message()
    world.node("c/d", "2")
    await world.quiet()
    assert world.data() == before
    world.spec(keys={"separator": "__"})
    await world.until(lambda: (world.data() or {})["c__d"] == b"2")
    await world.until_in_sync()


async def test_a_name_that_somebody_else_s_key_has_renames_nothing(world: World) -> None:
    world.tree(a__b="1", c="1")
    world.sync(direction=PULL)
    await world.until_in_sync()
    world.edit(**{"a.b": "theirs"})
    world.spec(keys=DOT)
    await world.until_reason("KeyInvalid")
    assert "a__b" in world.message()
    assert (world.data() or {})["a.b"] == b"theirs"
    world.edit(**{"a.b": None})
    await world.until(lambda: world.data() == {"a.b": b"1", "c": b"1"})


async def test_whoever_names_the_keys_of_the_source_names_them(world: World) -> None:
    """A CRD refuses the edit; an operator that sees it all the same deletes no znode."""
    world.tree()
    world.config_map(a__b="1")
    world.sync(direction="ConfigMapToZooKeeper")
    await world.until(lambda: world.at("a/b") == b"1")
    await world.until_in_sync()
    world.spec(keys=DOT)
    await world.until_reason("KeyInvalid")
    assert "ConfigMapToZooKeeper" in world.message()
    await world.quiet()
    assert (world.at("a/b"), world.data()) == (b"1", {"a__b": b"1"})


async def test_a_config_sync_that_is_made_anew_with_other_names_leaves_no_double(world: World) -> None:
    world.tree(a__b="1", c="1")
    world.sync(direction=PULL)
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, "demo", "shop")
    await world.quiet()
    world.sync(direction=PULL, keys=DOT)
    await world.until_in_sync()
    assert world.data() == {"a.b": b"1", "c": b"1"}


async def test_a_dry_run_counts_what_it_would_rename(world: World) -> None:
    world.tree(a__b="1", c="1")
    world.sync(direction=PULL)
    await world.until_in_sync()
    world.spec(keys=DOT, mode="DryRun")
    await world.until_reason("DryRun")
    assert world.status()["pending"]["updates"] == 1
    assert world.data() == {"a__b": b"1", "c": b"1"}


_PATH = st.lists(st.text("ab._-x1é", min_size=1, max_size=4).filter(lambda name: name not in (".", "..")), max_size=3)
_NAMINGS = st.builds(Naming, st.sampled_from(["__", "."]), st.sampled_from(["", "a", "a__", "a.", "b_"]), st.booleans())


@given(_NAMINGS, _PATH.map("/".join))
def test_a_path_that_has_a_key_to_push_comes_back(names: Naming, path: str) -> None:
    key = names.key_of(path)
    if isinstance(key, str) and not names.shortens:
        assert names.path_of(key) == path
    elif isinstance(key, Unmappable):
        assert not names.shortens


@given(_NAMINGS, st.text("ab._-x1", min_size=1, max_size=8))
def test_a_key_stands_for_a_path_only_if_that_path_has_it(names: Naming, key: str) -> None:
    path = names.path_of(key)
    if isinstance(path, str):
        assert names.key_of(path) == key


SEEDS = (
    Seed(
        "two znodes of one key are left out",
        replaced(selected_znodes, "_leave_out", lambda *_: []),
        (in_world(test_two_znodes_of_one_key_are_both_named_and_left_out),),
    ),
    Seed(
        "a key that is contested is not deleted",
        rewritten(decisions, "_universe", " - given.selected.contested", ""),
        (in_world(test_a_key_that_a_second_znode_claims_stays_as_it_is),),
    ),
    Seed(
        "what is pushed leads back to its path",
        rewritten(naming, "Naming.key_of", "self._read(key) == path", "True"),
        (in_world(test_a_pushed_key_leads_back_to_its_znode_or_is_left_out),),
    ),
    Seed(
        "a key that was pulled is pushed to no other path",
        rewritten(decisions, "_known_path", "given.selection.naming.key_of(path) == key", "True"),
        (in_world(test_a_key_that_was_pulled_from_a_name_with_dots_is_not_pushed_elsewhere),),
    ),
    Seed(
        "other names are no deletions",
        replaced(plan, "renaming_of", lambda *_: None),
        (
            in_world(test_another_separator_renames_keys_and_nothing_else, direction=PULL),
            in_world(test_edits_that_nobody_has_seen_survive_the_renaming),
            in_world(test_whoever_names_the_keys_of_the_source_names_them),
            in_world(test_a_config_sync_that_is_made_anew_with_other_names_leaves_no_double),
        ),
    ),
    Seed(
        "the values that are renamed are those of the ConfigMap",
        rewritten(renaming, "_moves", "observed.value_of(key)", 'b"1"'),
        (in_world(test_edits_that_nobody_has_seen_survive_the_renaming),),
    ),
    Seed(
        "the ledger's entries are renamed",
        rewritten(renaming, "_folded", "not pushed", "True"),
        (in_world(test_what_was_pushed_last_is_renamed_too),),
    ),
    Seed(
        "somebody else's key is not overwritten by a renaming",
        replaced(renaming, "_blocked", lambda *_: ""),
        (
            in_world(test_a_name_that_somebody_else_s_key_has_renames_nothing),
            in_world(test_whoever_names_the_keys_of_the_source_names_them),
        ),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
