"""`kubectl_complete-zk`: what may follow, in the form in which kubectl reads it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube, Operation
from tests.support.models.members import NAMESPACE, cluster
from tests.support.worlds.mirror import config_sync
from zkoperator.cli import COMMANDS, completion
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    made = FakeKube()
    raw = cluster()
    raw["status"]["members"] = [{"name": "main-zk-0", "id": 1}, {"name": "main-zk-1", "id": 2}]
    made.put(ZOOKEEPER_CLUSTERS, raw)
    sync = config_sync("shop", {"zookeeper": {"hosts": "zk:2181", "path": "/a"}})
    made.put(CONFIG_SYNCS, {**sync, "status": {"conflicts": [{"key": "db__pool"}], "conflictCount": 1}})

    @asynccontextmanager
    async def connect(_: Any) -> AsyncIterator[FakeKube]:
        yield made

    monkeypatch.setattr(completion, "connect", connect)
    return made


def completed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What is suggested, without explanations, and the number at the end."""
    assert completion.main([*words]) == 0
    return [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines()]


def test_the_first_word_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert completed(capsys, "") == [*(command.NAME for command in COMMANDS), ":4"]
    assert completed(capsys, "res") == ["resolve", "restart", ":4"]


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["status", ""], ["main", "shop", ":4"]),
        (["logs", ""], ["main", ":4"]),
        (["diff", ""], ["shop", ":4"]),
        (["logs", "main", ""], ["main-zk-0", "main-zk-1", ":4"]),
        (["logs", "main", "main-zk-0", ""], ["main-zk-0", "main-zk-1", ":4"]),
        (["restart", "main", "main-zk-1", ""], [":4"]),
        (["cli", "main", "--member", ""], ["main-zk-0", "main-zk-1", ":4"]),
        (["resolve", "shop", "db"], ["db__pool=configmap", "db__pool=zookeeper", ":4"]),
        (["logs", "-o", ""], ["text", "json", ":4"]),
        (["logs", "--tail", "5", ""], ["main", ":4"]),
        (["status", "--ex"], ["--exit-code", ":4"]),
        (["render", ""], [":0"]),
        (["lint", "a.yaml", ""], [":0"]),
        (["diff", "-f", ""], [":0"]),
        (["report", "--file", ""], [":0"]),
        (["logs", "--tail", ""], [":4"]),
        (["nothing", ""], [":4"]),
        (["version", ""], [":4"]),
    ],
    ids=" ".join,
)
def test_what_follows(
    kube: FakeKube, words: list[str], suggested: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["-n", NAMESPACE] if len(words) > 1 else []
    assert completed(capsys, words[0], *place, *words[1:]) == suggested


def test_a_cluster_that_does_not_answer_suggests_nothing_and_says_nothing(
    kube: FakeKube, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Operation) -> None:
        raise TransientError("away")

    kube.before = refuse
    assert completed(capsys, "status", "-n", NAMESPACE, "") == [":4"]
