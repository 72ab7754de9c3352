"""The end of a ConfigSync deletes only what is known to be its own, from whatever still says so."""

from collections.abc import Callable

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.backups import backup, put_back
from tests.support.worlds.mirror import NAMESPACE, ROOT, World, sync_is_gone, znodes_left
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, ZOOKEEPER_CLUSTERS
from zkoperator.mirror import finalize
from zkoperator.mirror.observe.observed import Observed
from zkoperator.mirror.plan import guard, push
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.zk.port import Create, Delete


async def _synced_with_deletion(world: World) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()


async def _ends_without_a_deletion(world: World) -> None:
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    await world.quiet()
    assert world.at("a") == b"1"
    assert "all znodes" in znodes_left(world)[0]


async def test_a_wiped_and_refilled_ensemble_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    world.zk.restore(Tree())
    world.write(Create("/apps", b""), Create(ROOT, b""))
    world.node("a", "1")
    await world.until_reason("SourceRegressed")
    await _ends_without_a_deletion(world)
    assert world.data() == {"a": b"1", "b": b"1"}


async def test_an_ensemble_without_the_ledger_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    await world.stop()
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    world.write(Delete(f"/zkoperator/configsyncs/{found['metadata']['uid']}", -1))
    await world.start()
    await _ends_without_a_deletion(world)


async def test_a_replaced_root_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    await world.stop()
    world.write(*(Delete(path, -1) for path in (f"{ROOT}/a", f"{ROOT}/b", ROOT)), Create(ROOT, b""))
    world.node("a", "1")
    await world.start()
    await _ends_without_a_deletion(world)


async def test_a_backup_that_was_put_back_is_left_as_it_is_and_told(world: World) -> None:
    await _synced_with_deletion(world)
    old = backup(world)
    world.node("b", "2")
    await world.until(lambda: (world.data() or {})["b"] == b"2")
    put_back(world, old)
    await world.until_reason("SourceRegressed")
    await _ends_without_a_deletion(world)
    assert world.at("b") == b"1"


async def test_an_end_in_many_transactions_is_no_other_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "MAX_KEYS", 1)
    world.tree(a="1", b="1", db="x", db__size="1", db__user="2")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: sync_is_gone(world))
    assert not znodes_left(world)
    assert [path for path in world.zk.tree.walk(ROOT) if world.znode(path)] == []


def _strip(world: World) -> None:
    """Replace the ConfigMap without its annotations."""
    world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": None}})


def _remove(world: World) -> None:
    """Delete the ConfigMap, as the end of a namespace does before the ConfigSync is looked at."""
    world.kube.remove(CONFIG_MAPS, NAMESPACE, "shop")


@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("lose", [_strip, _remove])
async def test_znodes_are_known_without_the_annotation_of_the_config_map(
    world: World, lose: Callable[[World], None], *, is_down: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "MAX_KEYS", 1)
    await _deleted_without_the_annotation(world, lose, is_down=is_down)


async def _deleted_without_the_annotation(world: World, lose: Callable[[World], None], *, is_down: bool) -> None:
    world.tree(a="1", b="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    world.edit(pushed="1")
    await world.until(lambda: world.at("pushed") == b"1")
    await world.until_in_sync()
    await world.quiet()
    if is_down:
        await world.stop()
    world.node("foreign", "1")
    lose(world)
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    if is_down:
        await world.start()
    await world.until(lambda: sync_is_gone(world))
    assert (world.at("a"), world.at("b"), world.at("pushed")) == (None, None, None)
    assert not is_down or world.at("foreign") == b"1"


async def test_znodes_of_which_nothing_is_known_any_more_are_told_with_the_command_that_removes_them(
    world: World,
) -> None:
    await _synced_with_deletion(world)
    await world.quiet()
    await world.stop()
    _strip(world)
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await _ends_without_a_deletion(world)
    assert (
        f"kubectl exec -n demo main-zk-0 -- zkCli.sh -server localhost:2181 deleteall {ROOT}" in znodes_left(world)[0]
    )


async def test_the_command_is_for_the_port_that_takes_plaintext(world: World) -> None:
    await _synced_with_deletion(world)
    await world.quiet()
    await world.stop()
    _strip(world)
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": {"common": None}}, subresource="status")
    refused = {"status": {"endpoint": "main-zk.demo.svc.cluster.local:2281"}}
    world.kube.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, "main", refused, subresource="status")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await _ends_without_a_deletion(world)
    assert "zkCli.sh -server localhost:2180 deleteall" in znodes_left(world)[0]


async def test_keys_whose_names_were_edited_before_the_end_are_still_known(world: World) -> None:
    """The edit was seen by no pass: the znodes go all the same, and those that somebody has edited are told."""
    world.tree(db__url="1", db__user="1")
    world.sync(onDelete="DeleteZnodes")
    await world.until_in_sync()
    await world.stop()
    world.node("db/user", "edited")
    world.spec(keys={"separator": "."})
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: sync_is_gone(world))
    assert (world.at("db/url"), world.at("db/user")) == (None, b"edited")
    assert "db/user" in znodes_left(world)[0]


async def test_a_znode_that_somebody_has_edited_stays_and_is_told(world: World) -> None:
    await _synced_with_deletion(world)
    await world.stop()
    world.node("b", "edited")
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.start()
    await world.until(lambda: sync_is_gone(world))
    assert (world.at("a"), world.at("b")) == (None, b"edited")
    assert "what others have written since: b; " in str(znodes_left(world))
    assert f"delete {ROOT}/b" in str(znodes_left(world))


def _of_the_annotation(_sync: ValidatedSync, observed: Observed, _selected: object) -> object:
    return observed.base


SEEDS = (
    Seed(
        "keys are known by the names that they have",
        replaced(finalize, "_with_known_names", lambda sync, _: sync),
        (in_world(test_keys_whose_names_were_edited_before_the_end_are_still_known),),
    ),
    Seed(
        "the command is for a port that is open",
        replaced(finalize, "shell_port", lambda _: 2181),
        (in_world(test_the_command_is_for_the_port_that_takes_plaintext),),
    ),
    Seed(
        "the base is known without the annotation",
        replaced(finalize, "base_in_effect", _of_the_annotation),
        (in_world(_deleted_without_the_annotation, lose=_strip, is_down=True),),
    ),
    Seed(
        "what stays behind is told",
        replaced(finalize, "some_left", lambda *_: ""),
        (in_world(test_a_znode_that_somebody_has_edited_stays_and_is_told),),
    ),
    Seed(
        "znodes of another history are not deleted at the end",
        replaced(finalize, "history_of", lambda *_: guard.History.SAME),
        (in_world(test_a_replaced_root_is_left_as_it_is_and_told),),
    ),
    Seed(
        "znodes of a restored backup are not deleted at the end",
        replaced(finalize, "_is_another_history", lambda *_: False),
        (in_world(test_a_backup_that_was_put_back_is_left_as_it_is_and_told),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
