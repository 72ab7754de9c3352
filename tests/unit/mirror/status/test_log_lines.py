"""What the log says of a ConfigSync: each transition once, bad news as a warning with what to do, never a value."""

import logging

import pytest

from tests.support.fakes.zk_tree import Tree
from tests.support.worlds.mirror import ROOT, World
from zkoperator.kube.port import EVENTS
from zkoperator.mirror.status.events import is_good
from zkoperator.zk.port import Create

SECRET = "hunter2"


def lines(caplog: pytest.LogCaptureFixture, reason: str) -> list[logging.LogRecord]:
    return [line for line in caplog.records if getattr(line, "about", {}).get("reason") == reason]


async def test_bad_news_is_a_warning_with_its_message_and_good_news_is_not(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.tree(a=SECRET)
    world.sync()
    await world.until_in_sync()
    world.zk.restore(Tree())
    world.write(Create("/apps", b""), Create(ROOT, b""), Create(f"{ROOT}/a", f"{SECRET}-2".encode()))
    await world.until_reason("SourceRegressed")
    await world.until(lambda: lines(caplog, "SourceRegressed"))
    (told,) = lines(caplog, "SourceRegressed")
    assert told.levelno == logging.WARNING
    assert told.getMessage() == f"Ready is False: {world.message()}"
    assert vars(told)["about"] == {
        "kind": "ConfigSync",
        "namespace": "demo",
        "name": "shop",
        "reason": "SourceRegressed",
    }
    assert {line.levelno for line in lines(caplog, "InSync")} == {logging.INFO}
    assert SECRET not in caplog.text


async def test_a_conflict_is_told_by_its_key_and_without_either_value(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.tree(a=SECRET)
    world.config_map(a=f"{SECRET}-2")
    world.sync()
    await world.until_reason("Conflict")
    await world.until(lambda: lines(caplog, "Conflict"))
    assert all(line.levelno == logging.WARNING and "a" in line.getMessage() for line in lines(caplog, "Conflict"))
    assert SECRET not in caplog.text


async def test_the_log_and_the_events_agree_on_what_is_bad(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.tree(a="1")
    world.config_map(a="2")
    world.sync()
    await world.until_reason("Conflict")
    await world.until(lambda: len(world.kube.every(EVENTS)) >= 2)
    for event in world.kube.every(EVENTS):
        levels = {line.levelno for line in lines(caplog, event["reason"])}
        assert levels == {logging.WARNING if event["type"] == "Warning" else logging.INFO}, event["reason"]
        assert is_good(event["reason"]) is (event["type"] == "Normal")
