"""Pods that the StatefulSet controller may not create: the reason is read from its Events and reaches the status."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube
from tests.support.models.ensemble_guards import at_rest, told
from zkoperator.ensemble.observe import creation_failure
from zkoperator.ensemble.observe.creation_failure import PATIENCE_S, READ_EVERY_S, AbsenceState, CreationFailureReader
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import EVENTS, Manifest

STATEFUL_SET: Manifest = {
    "metadata": {"name": "main-zk", "namespace": "demo", "uid": "u1"},
    "spec": {"replicas": 3},
}
QUOTA = 'pods "main-zk-2" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'


class Refusals:
    """A StatefulSet whose pods are refused, and a reader of that."""

    def __init__(self) -> None:
        self.api, self.clock, self.state = FakeKube(), FakeClock(), AbsenceState()
        self.reader = CreationFailureReader(self.api, self.clock.now_s)

    def refuse(self, why: str, at: str, *, uid: str = "u1", pod: str = "main-zk-2") -> None:
        event: dict[str, Any] = {
            "metadata": {"name": f"e{at}-{uid}", "namespace": "demo"},
            "regarding": {"kind": "StatefulSet", "name": "main-zk", "uid": uid},
            "reason": "FailedCreate",
            "note": f"create Pod {pod} in StatefulSet main-zk failed error: {why}",
            "deprecatedLastTimestamp": f"2026-01-02T03:04:{at}Z",
        }
        self.api.put(EVENTS, event)

    async def read(self, pods: int = 2, after_s: float = 0.0) -> str:
        self.clock.jump(after_s)
        return await self.reader.read(STATEFUL_SET, pods, self.state)

    @property
    def lists(self) -> int:
        return sum(operation.verb == "list" for operation in self.api.operations)


async def test_a_pod_that_stays_absent_is_explained_by_the_newest_refusal() -> None:
    play = Refusals()
    play.refuse("no PriorityClass with name gold was found", "05")
    play.refuse(QUOTA, "07")
    assert await play.read() == ""
    assert await play.read(after_s=PATIENCE_S) == f"main-zk-2 cannot be created: {QUOTA}"


async def test_a_restart_asks_for_no_reason() -> None:
    play = Refusals()
    await play.read(pods=2)
    await play.read(pods=3, after_s=PATIENCE_S / 2)
    await play.read(pods=2, after_s=PATIENCE_S)
    assert play.lists == 0


async def test_the_reason_is_forgotten_when_the_pod_is_there() -> None:
    play = Refusals()
    play.refuse(QUOTA, "05")
    await play.read()
    assert await play.read(after_s=PATIENCE_S) != ""
    assert await play.read(pods=3) == ""


async def test_a_refusal_of_an_earlier_statefulset_says_nothing() -> None:
    play = Refusals()
    play.refuse(QUOTA, "05", uid="u0")
    await play.read()
    assert await play.read(after_s=PATIENCE_S) == ""


async def test_a_pod_that_stays_absent_costs_one_list_in_ten_seconds() -> None:
    play = Refusals()
    await play.read()
    for _ in range(8):
        await play.read(after_s=READ_EVERY_S / 4)
    assert play.lists == 2


async def test_without_the_right_to_read_events_the_reason_is_unknown_and_nothing_fails() -> None:
    play = Refusals()

    def refuse(operation: object) -> None:
        raise ForbiddenError(f"{operation}")

    play.api.before = refuse
    await play.read()
    assert await play.read(after_s=PATIENCE_S) == ""


def test_the_reason_is_in_the_conditions_of_a_member_without_a_pod() -> None:
    play = at_rest()
    del play.pods[3]
    conditions = told(play, replace(play.observe(), creation_failure=f"main-zk-2 cannot be created: {QUOTA}"))
    assert (conditions["Degraded"]["reason"], QUOTA in conditions["Degraded"]["message"]) == ("PodFailing", True)
    assert QUOTA in conditions["Ready"]["message"]


def test_a_claim_that_cannot_be_created_is_named_too() -> None:
    note = "create Claim data-main-zk-0 for Pod main-zk-0 in StatefulSet main-zk failed error: exceeded quota: disks"
    assert creation_failure._text({"note": note}) == "data-main-zk-0 cannot be created: exceeded quota: disks"


@pytest.mark.parametrize("note", ["", "something else"])
def test_a_note_in_other_words_is_passed_on(note: str) -> None:
    assert creation_failure._text({"note": note}) == note
