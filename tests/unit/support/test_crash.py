"""What the crash driver goes by, shown on what it must not miss: errors of a real loop, and writes with pauses."""

import asyncio
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest

from tests.support.faults.crash import quiet, unexpected, unexpected_passes
from tests.support.faults.proxies.journal import Journal, Side
from tests.support.waiting import eventually
from zkoperator.errors import TransientError
from zkoperator.logs import JsonFormatter, TextFormatter
from zkoperator.metrics import Metrics
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import LookAgain, Pass

KEY = Key("demo", "shop")


class _Lines(logging.Handler):
    """Keeps what a process would have written to its log."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"


@pytest.fixture(params=[TextFormatter, JsonFormatter])
def lines(request: pytest.FixtureRequest) -> Iterator[_Lines]:
    handler = _Lines(request.param())
    logging.getLogger("zkoperator").addHandler(handler)
    yield handler
    logging.getLogger("zkoperator").removeHandler(handler)


async def _run(error: Exception) -> str:
    """Serve one key whose passes raise; returns what /metrics says after the first of them."""
    metrics, passes = Metrics(), list[Pass]()

    async def reconcile(key: Key) -> LookAgain:
        raise error

    def report(done: Pass) -> None:
        passes.append(done)
        metrics.count_pass("ConfigSync", done.outcome, done.duration_s)

    loop = KeyedLoop("ConfigSync", reconcile, report=report)
    task = asyncio.create_task(loop.run())
    loop.wake(KEY)
    await eventually(lambda: passes)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return generate_latest(metrics.registry).decode()


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("x"), OSError("x"), KeyError("x")], ids=repr)
async def test_an_error_that_a_loop_has_not_classified_is_seen_in_log_and_metrics(
    lines: _Lines, error: Exception
) -> None:
    told = await _run(error)
    found = unexpected(lines.text)
    assert found is not None
    assert type(error).__name__ in found, "without the sort of the error nobody can look for it"
    assert unexpected_passes(told) >= 1


async def test_an_error_that_is_expected_is_none(lines: _Lines) -> None:
    told = await _run(TransientError("the API server is away"))
    assert "the API server is away" in lines.text
    assert unexpected(lines.text) is None
    assert unexpected_passes(told) == 0


async def _write(journal: Journal, target: str, every_s: float) -> None:
    while True:
        journal.end(journal.begin(Side.KUBERNETES, "patch", target), 200)
        await asyncio.sleep(every_s)


@pytest.mark.parametrize("target", ["configsyncs/status/demo/shop", "events/demo"])
async def test_somebody_who_writes_now_and_then_is_not_quiet(target: str) -> None:
    site = SimpleNamespace(journal=Journal())
    writer = asyncio.create_task(_write(site.journal, target, 0.1))
    with pytest.raises(AssertionError, match="not within"):
        await quiet(site, for_s=0.3, within_s=1)
    writer.cancel()
    await quiet(site, for_s=0.3, within_s=1)


async def test_a_lease_that_is_renewed_is_no_noise() -> None:
    site = SimpleNamespace(journal=Journal())
    writer = asyncio.create_task(_write(site.journal, "leases/system/zkoperator", 0.1))
    await quiet(site, for_s=0.3, within_s=1)
    writer.cancel()
