"""Adoption of a ConfigMap that exists already: what its policy settles, once."""

import pytest

from tests.support.models.adoptions import ADOPTIONS, KEYS, ZNODES, znodes_after
from tests.support.models.mirror_seeds import in_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import World
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.mirror.plan import steps


@pytest.mark.parametrize(("policy", "reason", "expected"), ADOPTIONS)
async def test_adoption_of_an_existing_config_map(
    world: World, policy: str, reason: str, expected: dict[str, bytes]
) -> None:
    world.tree(**ZNODES)
    world.config_map(**KEYS)
    world.sync(adoptionPolicy=policy)
    await world.until(lambda: world.ready()[1] == reason)
    await world.until(lambda: world.data() == expected)
    assert {name: world.at(name) for name in ("mine", "differs")} == znodes_after(policy)


@pytest.mark.parametrize("policy", ["PreferZooKeeper", "PreferConfigMap"])
async def test_an_adoption_of_more_than_one_transaction_is_carried_out_whole(world: World, policy: str) -> None:
    keys = [f"k{number:04}" for number in range(1500)]
    world.tree(**dict.fromkeys(keys, "zk"))
    world.config_map(**dict.fromkeys(keys, "cm"))
    world.sync(adoptionPolicy=policy)
    wanted = b"zk" if policy == "PreferZooKeeper" else b"cm"
    await world.until(lambda: set((world.data() or {}).values()) == {world.at(keys[0])} == {wanted}, within_s=30)
    await world.until_in_sync()
    assert {world.at(key) for key in keys} == {wanted}


async def test_an_adoption_that_is_interrupted_between_its_writes_goes_on(world: World) -> None:
    world.tree(a="zk", b="zk")
    world.config_map(a="cm", b="cm")

    def cut(operation: object) -> None:
        if getattr(operation, "verb", "") == "patch" and operation.resource is CONFIG_MAPS:  # type: ignore[attr-defined]
            world.zk.down()

    world.kube.after = cut
    world.sync(adoptionPolicy="PreferConfigMap")
    await world.until(lambda: not world.zk.is_up)
    world.kube.after = lambda _: None
    assert (world.at("a"), world.at("b")) == (b"zk", b"zk")
    await world.restart()
    world.zk.up()
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"cm", b"cm"))
    await world.until_in_sync()


async def test_what_an_adoption_has_settled_is_a_key_like_any_other_afterwards(world: World) -> None:
    world.tree(k="theirs", other="1")
    world.config_map(k="mine", other="1")
    world.sync(adoptionPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.edit(k=None)
    await world.until(lambda: world.at("k") is None)
    await world.quiet()
    await world.stop()
    world.node("k", "again theirs")
    world.edit(k="again mine")
    await world.start()
    await world.until_reason("Conflict")
    assert (world.at("k"), (world.data() or {})["k"]) == (b"again theirs", b"again mine")


async def test_an_adoption_policy_that_is_changed_later_stops_nothing(world: World) -> None:
    world.tree(k="theirs", other="1")
    world.config_map(k="mine", other="1")
    world.sync(adoptionPolicy="PreferConfigMap")
    await world.until_in_sync()
    world.spec(adoptionPolicy="RequireEqual")
    await world.quiet()
    world.edit(other="2")
    await world.until(lambda: world.at("other") == b"2")


SEEDS = (
    Seed(
        "an adoption goes on after its first transaction",
        replaced(steps, "_adopting", lambda *_: frozenset()),
        (in_world(test_an_adoption_of_more_than_one_transaction_is_carried_out_whole, policy="PreferConfigMap"),),
    ),
    Seed(
        "an adoption goes on after a crash",
        replaced(steps, "_adopting", lambda *_: frozenset()),
        (in_world(test_an_adoption_that_is_interrupted_between_its_writes_goes_on),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
