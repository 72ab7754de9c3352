from pathlib import Path

import pytest

from tests.support.machines.member_volume import Volume


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    (tmp_path / "data").mkdir()
    return Volume(tmp_path)
