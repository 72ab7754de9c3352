"""The clock that the operator runs on."""

import subprocess
import sys

import pytest

from zkoperator.runtime.clock import MONOTONIC

SUSPENDED_S = 100_000
AHEAD = ["unshare", "--time", f"--boottime={SUSPENDED_S}", "--fork"]
"""Runs a command in a time namespace whose boot time is ahead: what a machine is like that has been suspended."""


def may_be_ahead() -> bool:
    try:
        return subprocess.run([*AHEAD, "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


def test_two_readings_are_in_order() -> None:
    earlier = MONOTONIC.now_s()
    assert MONOTONIC.now_s() >= earlier


@pytest.mark.skipif(not may_be_ahead(), reason="needs time namespaces: Linux, and root")
def test_time_in_which_the_machine_was_suspended_counts() -> None:
    program = "from zkoperator.runtime.clock import MONOTONIC; print(MONOTONIC.now_s())"
    before_s = MONOTONIC.now_s()
    shown = subprocess.run(
        [*AHEAD, sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert float(shown.stdout) - before_s >= SUSPENDED_S
