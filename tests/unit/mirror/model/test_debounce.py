"""The debounce of a burst: pure, with the time given."""

from itertools import pairwise

import pytest

from zkoperator.mirror.model.debounce import Burst


def test_the_first_change_after_a_pause_goes_at_once() -> None:
    burst = Burst(quiet_s=0.05, longest_s=2.0)
    assert burst.wait_s(1, 10.0) == 0
    burst.wrote(10.0)
    assert burst.wait_s(2, 10.2) == 0


def test_a_burst_is_written_when_quiet_and_never_later_than_the_longest_wait() -> None:
    burst = Burst(quiet_s=0.05, longest_s=2.0)
    now_s, zxid, writes = 10.0, 0, []
    while now_s < 20.0:
        zxid += 1
        if burst.wait_s(zxid, now_s) == 0:
            writes.append(now_s)
            burst.wrote(now_s)
        now_s += 0.01
    gaps = [after - before for before, after in pairwise(writes)]
    assert writes[0] == 10.0
    assert gaps[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6], abs=0.03)
    assert max(gaps) <= 2.02
    assert len(writes) == 9
    assert 0 < burst.wait_s(zxid, now_s) <= 2.0
