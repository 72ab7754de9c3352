"""The operator has little of everything, and one object that costs more than it should: the others are served."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.faults.crash import unexpected
from tests.support.machines.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.worlds.replicas import holder, leased
from tests.support.worlds.site import Plot, Site
from zkoperator.app import EXIT_LEASE_LOST

SYNCS = 30
_PERIOD_S = 0.1


def limited(limits: Mapping[str, int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Makes command lines that run under limits of prlimit(1), such as `nofile`."""
    flags = [f"--{name}={value}:{value}" for name, value in limits.items()]
    return lambda argv: ["prlimit", *flags, "--", *argv]


def _cpu_s(pid: int) -> float:
    """Return the CPU time of all threads of a process, 0 when it has ended."""
    total_ns = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total_ns += int(thread.read_text().split()[0])
    return total_ns / 1e9


async def _spend(operator: OperatorProcess, share: float) -> None:
    """One period: stop the process once it has had its share. CPU time counts, whatever else the machine has to do."""
    end_s, before_s = time.monotonic() + _PERIOD_S, _cpu_s(operator.pid)
    while time.monotonic() < end_s and _cpu_s(operator.pid) - before_s < share * _PERIOD_S:
        await asyncio.sleep(_PERIOD_S / 20)
    operator.signal(signal.SIGSTOP)
    await asyncio.sleep(max(0.0, end_s - time.monotonic()))
    operator.signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def throttled(operator: OperatorProcess, share: float) -> AsyncIterator[None]:
    """Give it a share of a CPU, as the kernel does with a container at its limit; start it again, as the kubelet does.

    It ends by itself when it could not renew its Lease in time. On a busy machine that is right, and loses nothing.
    """

    async def beat() -> None:
        while operator.exit_code in {None, EXIT_LEASE_LOST}:
            if operator.exit_code is not None:
                operator.start()
            await _spend(operator, share)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        operator.signal(signal.SIGCONT)


async def _small_syncs(plot: Plot) -> None:
    for number in range(SYNCS):
        await plot.site.ask("create", f"{plot.root}/s{number}", b"")
        await plot.site.ask("create", f"{plot.root}/s{number}/color", b"red")
        await plot.sync(f"s{number}", zookeeper={"path": f"{plot.root}/s{number}"})


async def _poison(plot: Plot) -> None:
    """A subtree whose values fit no ConfigMap."""
    await plot.site.ask("create", f"{plot.root}/poison", b"")
    for number in range(20):
        await plot.site.ask("create", f"{plot.root}/poison/n{number}", b"x" * 500_000)
    await plot.sync("poison", zookeeper={"path": f"{plot.root}/poison"})


async def _is_too_large(plot: Plot) -> bool:
    return await plot.condition(name="poison") == ("False", "TooLarge")


async def _all(plot: Plot, color: str) -> None:
    async def arrived() -> bool:
        found = await asyncio.gather(*(plot.data(f"s{number}") for number in range(SYNCS)))
        wrong = [number for number, data in enumerate(found) if data.get("color") != color]
        assert not wrong, wrong
        return True

    await eventually(arrived, within_s=180, every_s=0.5)


@pytest.mark.parametrize(
    "limits",
    [
        # In peace it has 47 descriptors open, and asks for 126 MB of memory of its own.
        {"nofile": 56},
        {"data": 180_000_000},
        pytest.param({"nofile": 52, "data": 160_000_000}, marks=pytest.mark.exhaustive),
    ],
    ids=str,
)
async def test_an_operator_with_little_serves_all_others_beside_a_poisoned_object(
    site: Site, limits: dict[str, int]
) -> None:
    site.journal.start_over()
    async with site.plot() as plot:
        await _small_syncs(plot)
        await _poison(plot)
        with site.operator(plot.settings, wrapped=limited(limits)) as operator:
            await _all(plot, "red")
            for number in range(SYNCS):
                await site.ask("set", f"{plot.root}/s{number}/color", b"green")
            await _all(plot, "green")
            assert operator.exit_code is None, operator.tail()
            assert operator.fetch("/livez")[0] == 200
            await eventually(lambda: _is_too_large(plot), within_s=120)
            assert unexpected(operator.log.read_text()) is None, unexpected(operator.log.read_text())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", [0.2, pytest.param(0.1, marks=pytest.mark.exhaustive)])
async def test_an_operator_that_rarely_runs_serves_all_and_holds_its_lease(site: Site, share: float) -> None:
    site.journal.start_over()
    async with site.plot() as plot:
        await _small_syncs(plot)
        with site.operator(leased(plot, "slow")) as operator:
            async with throttled(operator, share):
                await _all(plot, "red")
                for color in ("green", "blue"):
                    await asyncio.gather(
                        *(site.ask("set", f"{plot.root}/s{number}/color", color.encode()) for number in range(SYNCS))
                    )
                    await _all(plot, color)
                await eventually(lambda: operator.fetch("/livez")[0] == 200, within_s=60)
                assert await holder(plot) == "slow"
            assert operator.exit_code in {None, EXIT_LEASE_LOST}, operator.tail()
            assert unexpected(operator.log.read_text()) is None, unexpected(operator.log.read_text())
