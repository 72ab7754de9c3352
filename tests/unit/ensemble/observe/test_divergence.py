"""Members with different data: recognised by counts that go on growing, and named by groups, never by who counts."""

from dataclasses import replace
from itertools import count

import pytest

from tests.support.models.ensemble_guards import at_rest, told
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from zkoperator.ensemble.observe import divergence
from zkoperator.ensemble.observe.answers import Answer, Mode, Serving, Silent
from zkoperator.ensemble.observe.divergence import SETTLING_S, Divergence, MismatchGrowth, groups_of
from zkoperator.zk.port import ClientTls


def serving(mismatches: int | None) -> Serving:
    return Serving(Mode.FOLLOWER, 1, "3.9.4", None, digest_mismatches=mismatches)


def growing(*looks: tuple[float, Answer]) -> tuple[int, ...]:
    """Return who counts after these looks at member 1, each a moment in seconds and its answer."""
    growth = MismatchGrowth()
    found: tuple[int, ...] = ()
    for now_s, answer in looks:
        found = growth.growing({1: answer}, now_s)
    return found


def test_a_count_of_the_first_seconds_is_no_divergence() -> None:
    assert growing((0, serving(0)), (5, serving(1319)), (SETTLING_S, serving(1319)), (900, serving(1319))) == ()


async def test_a_count_that_grows_after_that_is_one() -> None:
    assert growing((0, serving(133)), (SETTLING_S, serving(133)), (40, serving(134))) == (1,)


@pytest.mark.parametrize("between", [serving(0), Silent("it does not answer")])
def test_a_restart_begins_anew(between: Answer) -> None:
    looks = ((0.0, serving(5)), (SETTLING_S, serving(5)), (40.0, between), (41.0, serving(9)))
    assert growing(*looks) == ()


def test_a_member_that_does_not_count_says_nothing() -> None:
    assert growing((0, serving(None)), (SETTLING_S, serving(None)), (90, serving(None))) == ()


def test_members_with_equal_digests_at_the_newest_common_zxid_are_a_group() -> None:
    hashes = {
        1: "0x100000080: 11\n0x100000100: 21\n0x100000180: 31",
        2: "0x100000080: 11\n0x100000100: 22",
        3: "0x100000100: 21\n0x100000180: 99",
    }
    assert groups_of(hashes) == ((1, 3), (2,))


@pytest.mark.parametrize("other", ["", "hash is not executed because it is not in the whitelist.", "0x300000080: 11"])
def test_without_a_common_zxid_no_groups_are_known(other: str) -> None:
    assert groups_of({1: "0x100000080: 11", 2: other}) == ()


def test_the_message_names_groups_forbids_deletion_and_takes_nobody_for_wrong() -> None:
    play = at_rest()
    observed = replace(play.observe(), divergence=Divergence((1,), ((2, 3), (1,))))
    degraded = told(play, observed)["Degraded"]
    assert degraded["reason"] == "DataDiverged"
    assert "main-zk-1+main-zk-2 | main-zk-0" in degraded["message"]
    assert "does not say who is right" in degraded["message"]
    assert "Delete nothing" in degraded["message"]
    assert "delete pvc" not in degraded["message"]


def diverge(world: EnsembleWorld, patch: pytest.MonkeyPatch) -> None:
    """Let member 1 count one more mismatch with each look."""
    asked, counts = world.ask, count()

    async def ask(host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        text = await asked(host, port, word, tls)
        is_counting = word == "mntr" and host == "10.0.0.1"
        return f"{text}zk_digest_mismatches_count\t{next(counts)}\n" if is_counting else text

    patch.setattr(world, "ask", ask)


async def test_divergence_reaches_the_status_of_a_cluster_whose_members_all_serve() -> None:
    world = ensemble_world(3)
    await world.rest()
    with pytest.MonkeyPatch.context() as patch:
        diverge(world, patch)
        for _ in range(60):
            await world.turn()
    assert world.condition("Degraded")["reason"] == "DataDiverged"
    assert world.condition("Available")["status"] == "True"


SEEDS = (
    Seed(
        "growth after the first seconds counts",
        replaced(divergence.MismatchGrowth, "growing", lambda *_: ()),
        (
            test_a_count_that_grows_after_that_is_one,
            test_divergence_reaches_the_status_of_a_cluster_whose_members_all_serve,
        ),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_the_claims_notice(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
