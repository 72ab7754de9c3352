"""Each guard of backups is missed by some claim when it is taken out."""

import pytest

from tests.support.models.backup_seeds import SEEDS
from tests.support.models.seeds import Seed


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
