"""The tree that is backed up, and what a Job and the servers take for it."""

import asyncio
import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.zookeepers import Ensemble
from tests.support.machines.backup_jobs import Jobs
from zkoperator.backup.order import Complete, Facts, Order, result_from_json
from zkoperator.zk.port import Create, Zk

ROOT = "/bench"
_FOLDER, _MULTI, _AT_ONCE = 1000, 200, 8
_LOOK_S = 0.02
_TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a Job took, from its start to its end."""

    wall_s: float
    cpu_s: float
    peak_mib: float


async def fill(zk: Zk, znodes: int, value_bytes: int) -> None:
    """Make so many znodes, a thousand in each folder. Their values are compressed to about half, as text is."""
    rng = random.Random(1)
    await zk.create(Create(ROOT, b""))
    for first in range(0, znodes, _FOLDER):
        folder, last = f"{ROOT}/d{first // _FOLDER}", min(first + _FOLDER, znodes)
        await zk.create(Create(folder, b""))
        creates = [Create(f"{folder}/z{number}", _value(rng, value_bytes)) for number in range(first + 1, last)]
        parts = [creates[start : start + _MULTI] for start in range(0, len(creates), _MULTI)]
        await asyncio.gather(*map(zk.multi, parts))


def _value(rng: random.Random, size: int) -> bytes:
    return rng.randbytes(size // 2).hex().encode()


async def measured(jobs: Jobs, order: Order, priority: int = 0) -> tuple[Facts, Usage]:
    """Run a Job; its memory is that of the process alone, at its highest."""
    began_s, process = time.perf_counter(), jobs.start(order)
    if priority:
        os.setpriority(os.PRIO_PROCESS, process.pid, priority)
    peak_mib = cpu_s = 0.0
    while process.poll() is None:
        with suppress(OSError, IndexError, StopIteration):  # it ends in between
            peak_mib, cpu_s = _peak_mib(process.pid), cpu_of(process.pid)
        await asyncio.sleep(_LOOK_S)
    wall_s = time.perf_counter() - began_s
    assert isinstance(process.args, Path)
    assert process.stderr is not None
    with process.stderr as errors:
        assert process.args.exists(), errors.read().decode()
    result = result_from_json(process.args.read_text())
    assert isinstance(result, Complete), result
    assert result.backup is not None
    return result.backup, Usage(wall_s, cpu_s, peak_mib)


def servers_cpu_s(ensemble: Ensemble) -> float:
    """Processor seconds of all members so far."""
    return sum(cpu_of(server.pid) for server in ensemble.servers)


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_S


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
