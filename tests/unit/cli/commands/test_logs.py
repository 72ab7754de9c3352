"""`logs`: one stream of all members, in the order of time, that outlives their restarts."""

import asyncio
import json

import pytest

from tests.support.fakes.kube_texts import KubeWithTexts
from tests.support.models.members import NAMESPACE
from tests.support.waiting import eventually
from zkoperator.cli import main
from zkoperator.cli.view import log_follow
from zkoperator.cli.view.log_follow import Follower
from zkoperator.cli.view.log_lines import LogLine, in_order, text
from zkoperator.cli.view.terminal import Style

PLACE = ["-n", NAMESPACE]


def at(second: int, words: str) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z {words}"


def write(kube: KubeWithTexts) -> None:
    kube.texts["main-zk-0 log"] = f"{at(1, 'one')}\n{at(4, 'four')}\n"
    kube.texts["main-zk-1 log"] = f"{at(2, 'two')}\n{at(3, chr(9) + 'at three')}\n"


def test_lines_of_all_members_stand_in_the_order_of_their_time(
    ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    write(ensemble)
    assert main(["logs", "main", *PLACE]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == ["main-zk-0  one", "main-zk-1  two", "main-zk-1      at three", "main-zk-0  four"]
    assert "main-zk-2" in shown.err


def test_lines_for_programs_are_one_document_each(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    write(ensemble)
    assert main(["logs", "main", "0", "-o", "json", *PLACE]) == 0
    first, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"pod": "main-zk-0", "time": "2026-01-01T00:00:01.000000000Z", "line": "one"}


def test_what_is_asked_for_is_what_the_flags_say(ensemble: KubeWithTexts) -> None:
    ensemble.texts["main-zk-1 log previous"] = ""
    assert main(["logs", "main", "main-zk-1", "--tail", "7", "--since", "1h30m", "-p", *PLACE]) == 0
    ((pod, asked),) = ensemble.asked
    assert (pod, asked["tailLines"], asked["sinceSeconds"], asked["previous"]) == ("main-zk-1", "7", "5400", "true")
    assert asked["container"] == "zookeeper"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["other"], "there is no ZooKeeperCluster of this name"),
        (["main", "7"], "main-zk-7: is no member of main; its members are main-zk-0, main-zk-1, main-zk-2"),
    ],
)
def test_what_is_not_there_is_named(
    ensemble: KubeWithTexts, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", *words, *PLACE]) == 1
    assert message in capsys.readouterr().err


def test_logs_that_nobody_can_read_are_a_failure(ensemble: KubeWithTexts) -> None:
    assert main(["logs", "main", *PLACE]) == 3


@pytest.mark.parametrize("time", ["5", "10x", "0s", "-3m", ""])
def test_a_time_that_is_none_is_wrong_usage(time: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["logs", "main", f"--since={time}"])
    assert ended.value.code == 2


def test_nodes_in_other_time_zones_and_lines_without_a_time_do_no_harm() -> None:
    logs = [("a", "2026-01-01T02:00:02.0+02:00 second\n"), ("b", f"{at(1, 'first')}\n"), ("c", "no time")]
    assert [line.pod for line in in_order(logs)] == ["c", "b", "a"]


def test_a_log_cannot_drive_the_terminal() -> None:
    assert text(LogLine("a", "", "\x1b[2J"), Style(colours=False), 3) == "a    ?[2J"


async def test_following_goes_on_with_the_next_container_and_repeats_nothing(
    ensemble: KubeWithTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_follow, "_AGAIN_S", 0.01)
    ensemble.streams["main-zk-0"] = [[at(1, "one"), at(2, "two")], [at(2, "two"), at(3, "three")]]
    seen: list[str] = []
    follower = Follower(
        ensemble,  # type: ignore[arg-type] # has what is asked of it
        NAMESPACE,
        {"tailLines": "5"},
        lambda line: seen.append(line.text),
    )

    async def members() -> list[str]:
        return ["main-zk-0"]

    task = asyncio.create_task(follower.follow(members))
    await eventually(lambda: len(seen) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen == ["one", "two", "three"]
    (_, first), (_, second), *_ = ensemble.asked
    assert first["tailLines"] == "5"
    assert "tailLines" not in second and second["sinceTime"] == "2026-01-01T00:00:02.000000000Z"
