"""A member that lacks memory says so before and after it is killed for it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.models.ensemble_guards import NOW, at_rest, told
from tests.support.models.ensemble_simulation import Simulation
from zkoperator.ensemble.observe.answers import Serving, read_answer
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import PodView, pod_view
from zkoperator.ensemble.status import memory_warnings as module
from zkoperator.kube.port import Manifest

MIB = 1024 * 1024
KILLED: Manifest = {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-02T02:30:00Z"}}
"""Half an hour before `NOW`."""


def _pod(play: Simulation, **container: object) -> PodView:
    manifest = play._pod_manifest(play.pods[2])
    manifest["spec"]["containers"][0]["resources"] = container.pop("resources", {})
    status = {"name": "zookeeper", "state": {"running": {}}, "started": True, **container}
    manifest["status"]["containerStatuses"] = [status]
    return pod_view(2, manifest)


def _with(observed: Observed, pod: PodView) -> Observed:
    return replace(observed, pods={**observed.pods, 2: pod})


def _degraded(play: Simulation, observed: Observed) -> Manifest:
    return told(play, observed)["Degraded"]


def a_member_that_is_back_is_said_to_have_been_killed() -> None:
    play = at_rest()
    pod = _pod(play, lastState=KILLED, restartCount=1)
    found = _degraded(play, _with(play.observe(), pod))
    assert found["status"] == "False", "it serves again"
    assert found["message"] == (
        "warning: main-zk-1 was OOMKilled at 2026-01-02T02:30:00Z: raise spec.resources.limits.memory"
    )


def for_an_hour_and_no_longer() -> None:
    play = at_rest()
    long_ago = {"terminated": {**KILLED["terminated"], "finishedAt": "2026-01-02T02:04:04Z"}}
    assert "OOMKilled" not in _degraded(play, _with(play.observe(), _pod(play, lastState=long_ago)))["message"]
    assert NOW == "2026-01-02T03:04:05Z"


def another_end_is_no_lack_of_memory() -> None:
    play = at_rest()
    ended = {"terminated": {**KILLED["terminated"], "reason": "Error"}}
    assert "warning" not in _degraded(play, _with(play.observe(), _pod(play, lastState=ended)))["message"]


def _holding(play: Simulation, mebibytes: int, znodes: int = 10, **pod: object) -> Manifest:
    observed = _with(play.observe(), _pod(play, **pod))
    answer = observed.serving(2)
    assert isinstance(answer, Serving)
    full = replace(answer, data_bytes=mebibytes * MIB, znodes=znodes)
    return _degraded(play, replace(observed, answers={**observed.answers, 2: full}))


WARNED = "the data takes more than 60 % of the heap of main-zk-1: raise spec.resources.limits.memory"


def data_that_outgrows_the_heap_is_told() -> None:
    play = at_rest()
    assert WARNED not in _holding(play, 300)["message"]
    assert WARNED in _holding(play, 310)["message"], "without a limit the heap is half of 1 GiB"


def the_heap_is_that_of_the_limit_which_admission_set() -> None:
    play = at_rest()
    small = {"limits": {"memory": "384Mi"}}
    assert WARNED in _holding(play, 120, resources=small)["message"]
    assert WARNED not in _holding(play, 110, resources=small)["message"]


def many_small_znodes_take_memory_too() -> None:
    play = at_rest()
    assert WARNED in _holding(play, 10, znodes=1_000_000)["message"]


def test_an_answer_tells_how_much_the_member_holds() -> None:
    mntr = "zk_znode_count\t12\nzk_approximate_data_size\t3456\n"
    srvr = "Zookeeper version: 3.9.4-x\nZxid: 0x100000001\nMode: follower\n"
    answer = read_answer(1, srvr, mntr, "serverId=1\n")
    assert isinstance(answer, Serving)
    assert (answer.znodes, answer.data_bytes) == (12, 3456)
    silent = read_answer(1, srvr, "", "serverId=1\n")
    assert isinstance(silent, Serving)
    assert (silent.znodes, silent.data_bytes) == (None, None)


Story = Callable[[], None]
SEEDED: tuple[tuple[Story, str, object], ...] = (
    (a_member_that_is_back_is_said_to_have_been_killed, "_is_recent", lambda *_: False),
    (for_an_hour_and_no_longer, "_is_recent", lambda *_: True),
    (data_that_outgrows_the_heap_is_told, "_is_full", lambda *_: False),
    (the_heap_is_that_of_the_limit_which_admission_set, "_heap_bytes", lambda cluster, _: cluster.heap_mib * MIB),
    (many_small_znodes_take_memory_too, "ZNODE_BYTES", 0),
)


@pytest.mark.parametrize("story", [*(row[0] for row in SEEDED), another_end_is_no_lack_of_memory])
def test_with_all_guards(story: Story) -> None:
    story()


@pytest.mark.parametrize(("story", "guard", "bug"), SEEDED)
def test_without_the_guard_it_is_noticed(
    story: Story, guard: str, bug: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, guard, bug)
    with pytest.raises(AssertionError):
        story()
