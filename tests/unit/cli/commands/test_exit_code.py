"""`--exit-code` of `status` and `diff`, for scripts: 1 for findings, 3 for what cannot be reached."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube
from tests.support.worlds.mirror import NAMESPACE, ROOT, World, config_sync
from zkoperator.cli import main
from zkoperator.cli.commands import diff, status
from zkoperator.cli.view import live_plan
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_SYNCS


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()

    @asynccontextmanager
    async def connect(_: Any) -> AsyncIterator[FakeKube]:
        yield made.kube

    async def make_fresh_plan(api: Any, raw: Any, arguments: Any) -> Any:
        return await live_plan.make_fresh_plan(api, raw, arguments, made.connector())

    for command in (diff, status):
        monkeypatch.setattr(command, "connect", connect)
    monkeypatch.setattr(diff, "make_fresh_plan", make_fresh_plan)
    return made


def put(world: World, truth: str = "") -> None:
    manifest = config_sync("shop", {"zookeeper": {"clusterRef": {"name": "main"}, "path": ROOT}})
    ready = {"type": "Ready", "status": truth, "reason": "InSync", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    made = {"conditions": [ready], "observedGeneration": 1} if truth else {}
    world.kube.put(CONFIG_SYNCS, {**manifest, "status": made})


@pytest.mark.parametrize(("truth", "code"), [("True", 0), ("False", 1), ("Unknown", 1), ("", 1)])
def test_status_tells_a_script_whether_all_that_is_shown_is_ready(world: World, truth: str, code: int) -> None:
    put(world, truth)
    assert main(["status", "shop", "-n", NAMESPACE, "--exit-code"]) == code
    assert main(["status", "shop", "-n", NAMESPACE]) == 0


def test_diff_tells_a_script_whether_the_sides_are_equal(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    put(world)
    world.tree(a="1")
    assert main(["diff", "shop", "-n", NAMESPACE, "--exit-code"]) == 1
    assert main(["diff", "shop", "-n", NAMESPACE]) == 0
    world.config_map(a="1")
    assert main(["diff", "shop", "-n", NAMESPACE, "--exit-code"]) == 0
    assert capsys.readouterr().out.endswith("nothing would be written\n")


def test_an_api_server_that_does_not_answer_is_told_from_findings(world: World) -> None:
    def refuse(operation: object) -> None:
        raise TransientError(f"{operation}: no answer")

    put(world, "True")
    world.kube.before = refuse
    assert main(["status", "shop", "-n", NAMESPACE, "--exit-code"]) == 3
