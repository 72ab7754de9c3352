import asyncio
import json
import logging

import pytest

from tests.support.fakes.clock import FakeClock
from tests.support.faults.crash import unexpected
from zkoperator.errors import TransientError
from zkoperator.logs import JsonFormatter, TextFormatter, about
from zkoperator.runtime.keys import Key
from zkoperator.runtime.loop import KeyedLoop
from zkoperator.runtime.outcome import WHEN_WOKEN, LookAgain


def record(**more: object) -> logging.LogRecord:
    made = logging.LogRecord("zkoperator.test", logging.INFO, "f.py", 1, "leader changed", None, None)
    made.created = 1_767_323_045.678
    made.__dict__.update(about("ZooKeeperCluster", "demo", "main", **more))
    return made


def test_a_text_line_names_its_object_and_fields() -> None:
    line = TextFormatter().format(record(leader="main-zk-1"))
    assert line == "2026-01-02T03:04:05.678Z INFO ZooKeeperCluster demo/main: leader changed (leader=main-zk-1)"


def test_a_json_line_carries_kind_namespace_and_name() -> None:
    line = json.loads(JsonFormatter().format(record()))
    assert {k: line[k] for k in ("kind", "namespace", "name", "message", "level")} == {
        "kind": "ZooKeeperCluster",
        "namespace": "demo",
        "name": "main",
        "message": "leader changed",
        "level": "info",
    }


def test_a_line_without_an_object_is_a_line() -> None:
    plain = logging.LogRecord("zkoperator.app", logging.WARNING, "f.py", 1, "starting", None, None)
    assert TextFormatter().format(plain).endswith(" WARNING starting")


async def lines_of_a_failing_loop(caplog: pytest.LogCaptureFixture, error: Exception) -> list[logging.LogRecord]:
    """What a real loop logs of a pass that fails once and then succeeds."""
    clock, failures = FakeClock(), [error]

    async def reconcile(_: Key) -> LookAgain:
        if failures:
            raise failures.pop()
        return WHEN_WOKEN

    loop = KeyedLoop("ConfigSync", reconcile, clock=clock)
    with caplog.at_level(logging.INFO):
        serving = asyncio.create_task(loop.run())
        loop.wake(Key("demo", "shop"))
        await clock.advance(60)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return caplog.records


async def test_a_failed_pass_and_its_recovery_carry_kind_namespace_and_name(caplog: pytest.LogCaptureFixture) -> None:
    failed, recovered = await lines_of_a_failing_loop(caplog, TransientError("the API server is away"))
    for line in (failed, recovered):
        shown = json.loads(JsonFormatter().format(line))
        assert (shown["kind"], shown["namespace"], shown["name"]) == ("ConfigSync", "demo", "shop")
    assert TextFormatter().format(failed).endswith(" WARNING ConfigSync demo/shop: transient: the API server is away")
    assert TextFormatter().format(recovered).endswith(" INFO ConfigSync demo/shop: reconciled again")


async def test_the_fault_tests_see_an_unexpected_error_in_either_format(caplog: pytest.LogCaptureFixture) -> None:
    failed, _ = await lines_of_a_failing_loop(caplog, KeyError("hunter2"))
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(failed)
        assert unexpected(line) is not None
        assert "hunter2" not in line
