"""Calls that may hang: one after the other, in a thread that nobody waits for."""

import asyncio
import subprocess
import sys
import threading

import pytest

from zkoperator.runtime.blocking_calls import DaemonThread


async def test_a_call_returns_or_raises_to_whoever_waits() -> None:
    thread = DaemonThread("test")
    assert await thread.run(lambda: threading.current_thread().name) == "test"
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0)
    assert await thread.run(lambda: 2) == 2
    thread.close()


def test_a_call_that_exits_reaches_its_caller_and_leaves_the_thread_to_the_next_one() -> None:
    thread = DaemonThread("test")
    with pytest.raises(SystemExit):
        asyncio.run(thread.run(lambda: sys.exit(3)))
    assert asyncio.run(asyncio.wait_for(thread.run(lambda: 2), 10)) == 2
    thread.close()


async def test_a_call_that_is_cancelled_before_its_turn_is_not_made() -> None:
    thread, released, made = DaemonThread("test"), threading.Event(), []
    first = asyncio.create_task(thread.run(released.wait))
    second = asyncio.create_task(thread.run(lambda: made.append(2)))
    await asyncio.sleep(0.05)
    second.cancel()
    await asyncio.wait({second})
    released.set()
    await first
    await thread.run(lambda: made.append(3))
    assert made == [3]
    thread.close()


def test_a_call_that_hangs_does_not_keep_the_process_from_ending() -> None:
    script = (
        "import asyncio, time\n"
        "from zkoperator.runtime.blocking_calls import DaemonThread\n"
        "async def main():\n"
        "    asyncio.create_task(DaemonThread('x').run(lambda: time.sleep(600)))\n"
        "    await asyncio.sleep(0.2)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
