"""The parts of a zxid, which recoveries and backups must take for the same."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from zkoperator.zk.zxid import INCARNATION_STEP, MAX_EPOCH, epoch_of, incarnation_of

PACKAGE = Path(__file__).parents[3] / "operator" / "zkoperator"
COUNTERS = st.integers(0, 2**32 - 1)


def test_a_zxid_begins_with_its_epoch() -> None:
    assert [epoch_of(zxid) for zxid in (0, 0xFFFFFFFF, 0x10000002B, 0x10003_00000001)] == [0, 0, 1, 0x10003]


@given(st.integers(0, MAX_EPOCH), COUNTERS, COUNTERS)
def test_a_recovery_makes_another_incarnation_whatever_the_counters_are(epoch: int, before: int, after: int) -> None:
    assert incarnation_of(epoch << 32 | before) < incarnation_of(epoch + INCARNATION_STEP << 32 | after)


def test_no_other_module_takes_a_zxid_apart() -> None:
    written = re.compile(r">> ?(?:32|48|_?[A-Z_]*EPOCH)|0x10000\b(?!\w)")
    others = [path for path in PACKAGE.rglob("*.py") if path.name != "zxid.py"]
    assert written.search((PACKAGE / "zk" / "zxid.py").read_text())
    assert [str(path) for path in others if written.search(path.read_text())] == []
