"""The operator is killed before and after each of its writes: there is one backup, and nothing is left of it."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.models.seeds import Seed, claim_with, rewritten
from tests.support.worlds.backup_site import FAILED, BackupSite, killing, living
from tests.support.worlds.kills import survives_kill
from zkoperator.backup.order import Reason
from zkoperator.backup.plan import plan
from zkoperator.kube.port import JOBS

Way = Callable[[BackupSite], None]


def smoothly(site: BackupSite) -> None:
    """Every Job does its work."""


def with_failures(site: BackupSite) -> None:
    site.answers = [FAILED[Reason.NO_SYNCED_MEMBER]]
    site.deletions = [FAILED[Reason.UNREACHABLE]]


async def live(site: BackupSite) -> None:
    """A backup is taken, and deleted with its data."""
    if site.object() is None and not site.storage.taken:
        site.create()
    await site.settle()
    if site.object() is not None and not site.object()["metadata"].get("deletionTimestamp"):  # type: ignore[index]
        assert site.condition("Complete")[0] == "True"
        assert len(site.storage.locations) == 1
        site.delete()
    await site.settle()


async def writes_of(way: Way) -> int:
    site = BackupSite()
    way(site)
    count = killing(site, 0, after=False)
    await live(site)
    return count()


@pytest.mark.parametrize("way", [smoothly, with_failures])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_write_takes_no_second_backup_and_leaves_nothing(way: Way, after: bool) -> None:
    total = await writes_of(way)
    assert total > 5
    for number in range(1, total + 1):
        site = BackupSite()
        way(site)
        killing(site, number, after=after)
        assert await survives_kill(partial(live, site), partial(living, site)), number
        assert site.object() is None, number
        assert site.storage.locations == {}, number
        assert max(site.storage.taken.values()) == 1, number
        site.kube.collect_garbage()
        assert site.kube.every(JOBS) == (), number


SEEDS = (
    Seed(
        "the directory is written down before there is a Job",
        rewritten(plan, "_with_needs", 'if backup.status.directory == "":', "if False:"),
        (claim_with(test_a_kill_at_any_write_takes_no_second_backup_and_leaves_nothing, smoothly, True),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
