"""What an ensemble at rest costs, and that nothing is missed for it."""

from collections import Counter
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.model.configuration import Server
from zkoperator.ensemble.observe import observer
from zkoperator.ensemble.observe.observer import FULL_LOOK_S
from zkoperator.kube.port import CONFIG_MAPS
from zkoperator.zk.port import ClientTls

ONE_WORD = Counter({"srvr": 3})
EVERYTHING = Counter({"srvr": 3, "mntr": 3, "conf": 3})


async def _at_rest() -> EnsembleWorld:
    world = ensemble_world(3)
    await world.rest()
    # The status that is written last is a change of the object, which is looked at once more.
    await _asked(world)
    await _asked(world)
    return world


async def _asked(world: EnsembleWorld) -> Counter[str]:
    """Which words the members are asked in one pass, and how often."""
    words: Counter[str] = Counter()
    ask = world.ask

    async def counted(host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        words[word] += 1
        return await ask(host, port, word, tls)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "ask", counted)
        await world.operator.reconcile(KEY)
    return words


async def test_at_rest_each_member_is_asked_one_word() -> None:
    world = await _at_rest()
    assert await _asked(world) == ONE_WORD


async def test_once_in_a_while_members_at_rest_are_asked_for_everything() -> None:
    world = await _at_rest()
    world.clock.seconds += FULL_LOOK_S
    assert await _asked(world) == EVERYTHING


async def test_a_reconfiguration_by_another_client_is_seen_at_the_next_look() -> None:
    world = await _at_rest()
    assert world.committed is not None
    stranger = Server(9, "elsewhere.example:2888:3888", voting=False)
    world._commit((*world.committed.servers, stranger))
    assert await _asked(world) >= EVERYTHING
    assert world.condition("Progressing")["status"] == "True"


async def test_another_leader_is_seen_at_the_next_look() -> None:
    world = await _at_rest()
    world.leader = 1
    await _asked(world)
    assert (world.cluster() or {})["status"]["leader"] == "main-zk-0"


async def test_a_member_that_ceases_to_serve_is_seen_at_the_next_look() -> None:
    world = await _at_rest()
    world.stuck = frozenset({1})
    world.crash(1)
    assert await _asked(world) >= EVERYTHING


async def test_before_a_step_all_members_are_asked_for_everything() -> None:
    world = await _at_rest()
    config: dict[str, Any] = world.api.peek(CONFIG_MAPS, KEY.namespace, NAMES.config_map) or {}
    wanted = config["data"]["zoo.cfg"]
    await world.api.patch(CONFIG_MAPS, KEY.namespace, NAMES.config_map, {"data": {"zoo.cfg": "x=1"}})
    words = await _asked(world)
    assert words >= EVERYTHING
    assert (world.api.peek(CONFIG_MAPS, KEY.namespace, NAMES.config_map) or {})["data"]["zoo.cfg"] == wanted


SEEDS = (
    Seed(
        "a member at rest is asked for its last transaction",
        replaced(observer, "is_as_before", lambda answer, srvr: f"Mode: {answer.mode.value}\n" in srvr),
        (test_a_reconfiguration_by_another_client_is_seen_at_the_next_look,),
    ),
    Seed(
        "and for its role",
        replaced(observer, "is_as_before", lambda answer, srvr: f"Zxid: {answer.zxid:#x}\n" in srvr),
        (test_another_leader_is_seen_at_the_next_look,),
    ),
    Seed(
        "and has to answer",
        replaced(observer, "is_as_before", lambda *_: True),
        (test_a_member_that_ceases_to_serve_is_seen_at_the_next_look,),
    ),
    Seed(
        "a glance is not believed for ever",
        replaced(observer, "FULL_LOOK_S", float("inf")),
        (test_once_in_a_while_members_at_rest_are_asked_for_everything,),
    ),
    Seed(
        "a glance decides nothing",
        rewritten(reconcile, "EnsembleReconciler._observe", " and glanced == rest.observed", ""),
        (test_before_a_step_all_members_are_asked_for_everything,),
    ),
    Seed(
        "a plan is kept only while nothing has changed",
        rewritten(reconcile, "_decide", " and rest.observed == observed", ""),
        (
            test_a_reconfiguration_by_another_client_is_seen_at_the_next_look,
            test_before_a_step_all_members_are_asked_for_everything,
        ),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_bug_of_this_kind_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
