"""Deletions that wait: which, for whose approval, and how long an approval holds."""

import pytest

from tests.support.models.mirror_bugs import approval_kept
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror import reconcile
from zkoperator.mirror.plan import pending, plan
from zkoperator.zk.port import Delete


async def test_a_mass_deletion_waits_for_its_approval_while_other_keys_flow(world: World) -> None:
    world.tree(**{f"k{number}": "1" for number in range(10)})
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/k{number}", -1) for number in range(6)))
    await world.until_reason("DeletionsHeld")
    world.node("k9", "2")
    await world.until(lambda: (world.data() or {})["k9"] == b"2")
    assert len(world.data() or {}) == 10
    pending = world.status()["pending"]
    assert (pending["creates"], pending["updates"], pending["deletes"]) == (0, 0, 6)
    assert world.condition("DeletionsHeld") == ("True", "DeletionsHeld")
    world.annotate(approve_deletions="0123456789abcdef")
    await world.quiet()
    assert len(world.data() or {}) == 10
    world.annotate(approve_deletions=pending["hash"])
    await world.until(lambda: len(world.data() or {}) == 4)
    await world.until_in_sync()
    assert world.condition("DeletionsHeld") == ("False", "NothingHeld")
    assert "pending" not in world.status()


async def test_an_approval_is_used_up_and_the_same_loss_later_waits_again(world: World) -> None:
    keys = [f"k{number}" for number in range(10)]
    world.tree(**dict.fromkeys(keys, "1"))
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in keys[:6]))
    await world.until_reason("DeletionsHeld")
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: len(world.data() or {}) == 4)
    await world.until(lambda: "zkoperator.dev/approve-deletions" not in _annotations(world))
    for key in keys[:6]:
        world.node(key, "1")
    await world.until(lambda: len(world.data() or {}) == 10)
    world.write(*(Delete(f"{ROOT}/{key}", -1) for key in keys[:6]))
    await world.until_reason("DeletionsHeld")
    await world.quiet()
    assert len(world.data() or {}) == 10


async def test_an_approval_is_void_once_the_plan_has_changed(world: World) -> None:
    world.tree(**{f"k{number}": "1" for number in range(10)})
    world.sync()
    await world.until_in_sync()
    world.edit(**dict.fromkeys((f"k{number}" for number in range(6)), None))
    await world.until_reason("DeletionsHeld")
    approved = world.status()["pending"]["hash"]
    world.edit(k7=None)
    await world.until(lambda: world.status()["pending"]["deletes"] == 7)
    world.annotate(approve_deletions=approved)
    await world.quiet()
    assert world.at("k0") == b"1"
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: world.at("k0") is None)


async def test_fewer_than_five_deletions_do_not_wait_while_keys_are_left(world: World) -> None:
    world.tree(a="1", b="1", c="1", d="1", keep="1")
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/{name}", -1) for name in "abcd"))
    await world.until(lambda: world.data() == {"keep": b"1"})


def _annotations(world: World) -> dict[str, str]:
    found = world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop")
    assert found is not None
    return dict(found["metadata"].get("annotations") or {})


SEEDS = (
    Seed(
        "deletions are counted",
        replaced(plan, "must_hold", lambda *_: False),
        (in_world(test_a_mass_deletion_waits_for_its_approval_while_other_keys_flow),),
    ),
    Seed(
        "another plan has another hash",
        replaced(pending, "plan_hash", lambda *_: "0" * 16),
        (in_world(test_an_approval_is_void_once_the_plan_has_changed),),
    ),
    Seed(
        "an approval is removed once it is used",
        replaced(reconcile, "_spent_annotations", approval_kept),
        (in_world(test_an_approval_is_used_up_and_the_same_loss_later_waits_again),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
