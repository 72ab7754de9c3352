"""The benches of backups and restores run to their end on real servers, with a small tree."""

import pytest

from bench import backup, restore
from bench.figures import Figure

pytestmark = [pytest.mark.timeout(900), pytest.mark.exhaustive]
SMALL = backup.Size(znodes=400, value_bytes=100, heap_mib=128, rounds=1, runs=2, rate=100)


def values(figures: list[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures}


async def test_backups_are_measured_and_found_to_be_exact() -> None:
    found = values(await backup.figures(SMALL))
    assert found["backups beside multis that are not exact, of 2"] == 0
    assert {name for name, value in found.items() if not value} == {"backups beside multis that are not exact, of 2"}
    assert found["drill of 400 znodes"] > found["backup of 400 znodes"] / 100


async def test_a_restore_a_recovery_and_a_new_volume_are_measured() -> None:
    found = values(await restore.figures(SMALL))
    assert len(found) == 4
    assert min(found.values()) > 0
