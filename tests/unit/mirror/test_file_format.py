"""The whole tree as one file of the ConfigMap: what people do with it, and what becomes of that."""

import base64
from typing import Any

import pytest

from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, SUPER, World
from zkoperator.api.sync_format import FormatType
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS
from zkoperator.mirror.apply import applier
from zkoperator.mirror.model.file_format import FileFormat
from zkoperator.mirror.plan import plan, refusal
from zkoperator.mirror.plan.pull import in_file

FILE = "application"
PULL, PUSH = "ZooKeeperToConfigMap", "ConfigMapToZooKeeper"


def follow(world: World, type_: str = "Properties", **spec: Any) -> None:
    separator = {"keys": {"separator": "."}} if type_ == "Properties" else {}
    world.sync(**{"format": {"type": type_, "key": FILE}, **separator, **spec})


def file(world: World) -> str | None:
    """What the file says now."""
    found = world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") or {}
    text = (found.get("data") or {}).get(FILE)
    return None if text is None else str(text)


def write(world: World, text: str | None) -> None:
    world.edit(**{FILE: text})


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("Properties", "colour=blue\ndb.pool_size=20\nnote=a\\nb\n"),
        ("Json", '{\n  "colour": "blue",\n  "db": {\n    "pool_size": "20"\n  },\n  "note": "a\\nb"\n}\n'),
        ("Yaml", 'colour: "blue"\ndb:\n  pool_size: "20"\nnote: "a\\nb"\n'),
        ("Dotenv", "colour=blue\ndb__pool_size=20\nnote='a\nb'\n"),
    ],
)
@pytest.mark.parametrize("direction", [PULL, "TwoWay"])
async def test_the_tree_becomes_one_file(world: World, type_: str, text: str, direction: str) -> None:
    world.tree(colour="blue", db__pool_size="20", note="a\nb")
    follow(world, type_, direction=direction)
    await world.until_in_sync()
    assert (world.data(), world.status()["keys"]) == ({FILE: text.encode()}, 3)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("Properties", "! by hand\ncolour : red\ndb.pool_size=20\nnote = a\\\n     b\n"),
        ("Json", '{"colour":"red","db":{"pool_size":20},"note":"ab"}'),
        ("Yaml", "# by hand\ncolour: red\ndb: {pool_size: 20}\nnote: 'ab'\n"),
        ("Dotenv", "# by hand\nexport colour=red\ndb__pool_size=20 # many\nnote=\"a\"'b'\n"),
    ],
)
@pytest.mark.parametrize("direction", [PUSH, "TwoWay"])
async def test_a_file_that_was_written_by_hand_becomes_znodes_and_stays_as_it_is(
    world: World, type_: str, text: str, direction: str
) -> None:
    world.config_map(**{FILE: text})
    follow(world, type_, direction=direction)
    await world.until_in_sync()
    assert [world.at(path) for path in ("colour", "db/pool_size", "note")] == [b"red", b"20", b"ab"]
    await world.quiet()
    assert file(world) == text


async def test_two_keys_that_are_edited_in_one_file_arrive_in_one_transaction(world: World) -> None:
    world.tree(a="1", b="1", c="1")
    follow(world)
    await world.until_in_sync()
    write(world, "# new\na=2\nb=2\nc=1\n")
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"2", b"2"))
    znodes = [world.zk.tree.get(f"/apps/shop/{name}", SUPER).stat for name in "abc"]
    assert znodes[0].mzxid == znodes[1].mzxid > znodes[2].mzxid
    assert file(world) == "# new\na=2\nb=2\nc=1\n", "it is written again when znodes change, and not before"
    world.node("c", "3")
    await world.until(lambda: file(world) == "a=2\nb=2\nc=3\n")


async def test_different_keys_that_are_edited_on_both_sides_are_both_kept(world: World) -> None:
    world.tree(a="1", b="1")
    follow(world, mode="Active")
    await world.until_in_sync()
    await world.stop()
    write(world, "a=file\nb=1\n")
    world.node("b", "znode")
    await world.start()
    await world.until(lambda: (world.at("a"), file(world)) == (b"file", "a=file\nb=znode\n"))
    assert world.at("b") == b"znode"


async def test_a_conflict_is_one_of_the_key_and_names_who_wrote_the_file(world: World) -> None:
    world.tree(a="1", b="1")
    follow(world)
    await world.until_in_sync()
    await world.stop()
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {FILE: "a=file\nb=2\n"}}, manager="helm")
    world.node("a", "znode")
    await world.start()
    await world.until_reason("Conflict")
    await world.until(lambda: world.at("b") == b"2")
    assert (world.at("a"), file(world)) == (b"znode", "a=file\nb=2\n")
    (conflict,) = world.status()["conflicts"]
    assert (conflict["key"], conflict["manager"]) == ("a", "helm")


BROKEN = {
    "Properties": ("a=1\nb=\\u00zz hunter2\n", "line 2, column 1"),
    "Json": ('{"a": "1",\n "b": ["hunter2"]}', "line 2, column 7"),
    "Yaml": ("a: '1'\nb: hunter2: x\n", "line 2, column 11"),
    "Dotenv": ("a=1\nb=hunter2 $(x)\n", "line 2, column 10"),
}


@pytest.mark.parametrize("type_", BROKEN)
@pytest.mark.parametrize("direction", [PULL, PUSH, "TwoWay"])
async def test_a_file_that_does_not_parse_loses_nothing_and_is_told_with_its_place_and_no_value(
    world: World, type_: str, direction: str
) -> None:
    text, place = BROKEN[type_]
    world.tree(a="1", b="2")
    good = FileFormat(FormatType(type_), FILE, "__").render({"a": b"1", "b": b"2"})
    world.config_map(**{FILE: good})
    follow(world, type_, direction=direction)
    await world.until_in_sync()
    write(world, text)
    world.node("a", "3")
    await world.until_reason("TargetInvalid")
    await world.quiet()
    assert (world.at("a"), world.at("b"), file(world)) == (b"3", b"2", text)
    said = world.message()
    assert place in said and f"key {FILE} of ConfigMap shop is no {type_} file" in said and "hunter2" not in said
    write(world, good.replace("1", "3"))
    await world.until_in_sync()


async def test_the_file_of_a_broken_pull_is_written_again_once_it_is_removed(world: World) -> None:
    world.tree(a="1")
    follow(world, direction=PULL)
    await world.until_in_sync()
    write(world, "a=\\uz")
    await world.until_reason("TargetInvalid")
    assert "until the key is removed" in world.message()
    write(world, None)
    await world.until(lambda: file(world) == "a=1\n")


async def test_the_loss_of_the_whole_file_always_waits_for_approval(world: World) -> None:
    world.tree(a="1", b="2")
    follow(world, deletionGuard={"maxKeys": 50, "maxPercent": 100})
    await world.until_in_sync()
    write(world, None)
    await world.until_reason("DeletionsHeld")
    await world.quiet()
    assert (world.at("a"), world.at("b")) == (b"1", b"2")
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: (world.at("a"), world.at("b")) == (None, None))


async def test_a_key_that_is_deleted_in_the_file_is_deleted_as_any_other(world: World) -> None:
    world.tree(a="1", b="2")
    follow(world)
    await world.until_in_sync()
    write(world, "b=2\n")
    await world.until(lambda: world.at("a") is None)
    world.drop("b")
    await world.until_reason("DeletionsHeld")


async def test_a_replacement_without_annotations_is_an_edit(world: World) -> None:
    world.tree(a="1", b="2", c="3")
    follow(world)
    await world.until_in_sync()
    await world.quiet()
    whole = {"metadata": {"annotations": None}, "data": {FILE: "# replaced\na=2\nb=2\n"}}
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", whole)
    await world.until(lambda: (world.at("a"), world.at("c")) == (b"2", None))
    await world.until_in_sync()
    assert file(world) == "# replaced\na=2\nb=2\n"


async def test_other_keys_of_the_config_map_are_left_alone(world: World) -> None:
    world.tree(a="1")
    world.config_map(other="x")
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"binaryData": {"logo": "AAE="}})
    follow(world)
    await world.until_in_sync()
    world.edit(other="y", more="z")
    world.node("a", "2")
    await world.until(lambda: file(world) == "a=2\n")
    assert world.data() == {FILE: b"a=2\n", "other": b"y", "more": b"z", "logo": b"\x00\x01"}
    assert world.at("other") is None and world.status()["keys"] == 1


async def test_what_stands_for_no_znode_or_is_not_selected_stays_in_the_file(world: World) -> None:
    world.tree(a="1", secret="z")
    world.config_map(**{FILE: "a=1\nsecret=mine\nno\\ key=x\n"})
    follow(world, keys={"separator": ".", "exclude": ["secret"]})
    await world.until_reason("KeyInvalid")
    assert "no key" in world.message()
    world.node("a", "2")
    await world.until(lambda: file(world) == "a=2\nno\\ key=x\nsecret=mine\n")
    assert world.at("secret") == b"z"


@pytest.mark.parametrize(
    ("type_", "path", "value", "says"),
    [
        ("Dotenv", "pool-size", b"1", "no name of a variable"),
        ("Dotenv", "bell", b"\x07", "control characters"),
        ("Json", "blob", b"\xff", "no UTF-8 text"),
        ("Yaml", "blob", b"\xff", "no UTF-8 text"),
        ("Properties", "blob", b"\xff", "no UTF-8 text"),
    ],
)
async def test_what_the_file_cannot_hold_is_named_and_the_rest_flows(
    world: World, type_: str, path: str, value: bytes, says: str
) -> None:
    world.tree(a="1")
    world.node(path, value)
    follow(world, type_)
    await world.until_reason("KeyInvalid")
    assert says in world.message() and path.split("/")[0] in world.message()
    world.node("a", "2")
    await world.until(lambda: "2" in (file(world) or ""))
    assert world.at(path) == value, "what is not in the file was not deleted there"
    if path != "pool-size":
        world.node(path, "text")
        await world.until_in_sync()
        assert "text" in (file(world) or "")


@pytest.mark.parametrize(
    ("spec", "path", "key", "remedy"),
    [
        ({"sources": [{"path": ROOT, "prefix": "a."}]}, "b", "a.b", "change the prefix a. in spec.zookeeper.sources"),
        ({"sources": [{"path": ROOT, "prefix": "a_"}]}, "pool-size", "a_pool-size", "rename the znode"),
        ({"keys": {"separator": "."}}, "db/url", "db.url", "change spec.keys.separator to __"),
        ({"keys": {"separator": "."}}, "pool-size", "pool-size", "rename the znode"),
    ],
)
async def test_who_reads_why_a_variable_has_no_such_name_changes_what_is_to_blame(
    world: World, spec: dict[str, Any], path: str, key: str, remedy: str
) -> None:
    world.tree()
    world.node(path, "1")
    follow(world, "Dotenv", direction=PULL, **spec)
    await world.until_reason("KeyInvalid")
    assert f"{key}: no name of a variable" in world.message() and remedy in world.message()


async def test_a_value_that_was_forgotten_and_is_no_text_is_named_as_well(world: World) -> None:
    """The value is read again for the write, and only then seen."""
    world.tree(a="1")
    world.node("blob", b"\xff\xfe")
    world.config_map()
    follow(world, "Json", mode="DryRun")
    await world.until_reason("DryRun")
    await world.quiet()
    world.spec(mode="Active")
    await world.until_reason("KeyInvalid")
    await world.until(lambda: file(world) is not None)
    assert '"a": "1"' in (file(world) or "") and "blob" in world.message()


async def test_a_file_among_the_bytes_of_the_config_map_is_read_and_becomes_text(world: World) -> None:
    text = base64.b64encode("a=ü\n".encode()).decode()
    world.config_map()
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"binaryData": {FILE: text}})
    follow(world)
    await world.until(lambda: world.at("a") == "ü".encode())
    world.node("b", "1")
    await world.until(lambda: file(world) == "a=\\u00fc\nb=1\n")
    assert not (world.kube.peek(CONFIG_MAPS, NAMESPACE, "shop") or {}).get("binaryData")


async def test_bytes_that_are_no_text_are_no_file(world: World) -> None:
    world.config_map()
    text = base64.b64encode(b"a=1\nb=\xff").decode()
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"binaryData": {FILE: text}})
    follow(world)
    await world.until_reason("TargetInvalid")
    assert "line 2, column 3: this is no UTF-8 text" in world.message()


async def test_a_file_that_becomes_too_large_leaves_out_the_largest_key(world: World) -> None:
    """Quotes make a value larger in JSON than it is."""
    world.tree(a="1")
    world.node("large", '"' * 600_000)
    follow(world, "Json")
    await world.until_reason("TooLarge")
    await world.until(lambda: file(world) == '{\n  "a": "1"\n}\n')
    assert "large" in world.message()


async def test_the_names_of_keys_change_within_the_file(world: World) -> None:
    world.tree(db__url="x")
    follow(world, "Dotenv")
    await world.until(lambda: file(world) == "db__url=x\n")
    world.spec(keys={"stripPrefix": "db/"})
    await world.until(lambda: file(world) == "url=x\n")
    world.spec(keys={"stripPrefix": "", "separator": "."})
    await world.until_reason("KeyInvalid")
    assert file(world) == "url=x\n" and "no name of a variable" in world.message()


async def test_a_rollout_follows_the_content_and_not_the_comments(world: World) -> None:
    world.tree(a="1")
    follow(world, rollout=[{"kind": "Deployment", "name": "none"}])
    await world.until(lambda: "content" in world.status())
    before = world.status()["content"]["hash"]
    write(world, "# a comment\na = 1\n")
    await world.quiet(60)
    assert world.status()["content"]["hash"] == before
    world.node("a", "2")
    await world.until(lambda: world.status()["content"]["hash"] != before)


async def test_the_end_of_a_config_sync_leaves_the_file(world: World) -> None:
    world.tree(a="1")
    follow(world, direction=PULL)
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.quiet()
    assert file(world) == "a=1\n"


def _forgetful(step: Any, values: Any, view: Any, given: Any) -> Any:
    return in_file(step, values, view._replace(values={}), given)


SEEDS = (
    Seed(
        "a file that does not parse stops everything",
        replaced(refusal, "_flaw_message", lambda *_: ""),
        (
            in_world(
                test_a_file_that_does_not_parse_loses_nothing_and_is_told_with_its_place_and_no_value,
                type_="Json",
                direction="TwoWay",
            ),
        ),
    ),
    Seed(
        "what stands for no znode is written back",
        replaced(applier, "in_file", _forgetful),
        (in_world(test_what_stands_for_no_znode_or_is_not_selected_stays_in_the_file),),
    ),
    Seed(
        "the loss of the file waits",
        replaced(plan, "loses_all", lambda *_: False),
        (in_world(test_the_loss_of_the_whole_file_always_waits_for_approval),),
    ),
    Seed(
        "what the file cannot hold is found before it is written",
        replaced(FileFormat, "problem_of", lambda *_: ""),
        (
            in_world(
                test_what_the_file_cannot_hold_is_named_and_the_rest_flows,
                type_="Dotenv",
                path="pool-size",
                value=b"1",
                says="no name of a variable",
            ),
        ),
    ),
    Seed(
        "what is beside the file counts towards its size",
        replaced(applier, "VALUES_LIMIT", 1 << 40),
        (in_world(test_a_file_that_becomes_too_large_leaves_out_the_largest_key),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
