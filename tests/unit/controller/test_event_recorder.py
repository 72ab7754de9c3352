"""The recorder of Events: one Event for each notice, and no failure of a pass."""

import pytest

from tests.support.fakes.kube import FakeKube
from zkoperator.api.meta import ObjectMeta
from zkoperator.controller.event_recorder import EventRecorder
from zkoperator.controller.events import Notice, build_event
from zkoperator.errors import ForbiddenError, TransientError, ZkOperatorError
from zkoperator.kube.port import EVENTS, Manifest, Resource

META = ObjectMeta(name="shop", namespace="demo", uid="uid-1")
NOTICE = Notice("Warning", "Conflict", "a: edited differently on both sides", "Sync")


class Refusing(FakeKube):
    def __init__(self, error: ZkOperatorError) -> None:
        super().__init__()
        self.error = error

    async def create(self, resource: Resource, namespace: str, manifest: Manifest) -> Manifest:
        raise self.error


async def test_an_event_names_the_object_by_its_uid_and_says_what_the_notice_says() -> None:
    kube = FakeKube()
    await EventRecorder(kube).record("ConfigSync", META, NOTICE)
    (event,) = kube.every(EVENTS)
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "Conflict", NOTICE.note)
    assert event["regarding"]["uid"] == "uid-1" and event["regarding"]["kind"] == "ConfigSync"


@pytest.mark.parametrize("error", [ForbiddenError("create events"), TransientError("lost")], ids=repr)
async def test_an_event_that_is_refused_fails_nothing_and_is_counted(error: ZkOperatorError) -> None:
    requests: list[int] = []
    await EventRecorder(Refusing(error), count=lambda: requests.append(1)).record("ConfigSync", META, NOTICE)
    assert requests == [1]


def test_the_name_of_an_event_is_valid_however_long_the_name_of_its_object_is() -> None:
    event = build_event("ConfigSync", META.model_copy(update={"name": "a" * 39 + ".b" * 100}), NOTICE, "now")
    name = event["metadata"]["name"]
    assert len(name) < 63 and ".." not in name


def test_two_events_of_one_moment_have_names_of_their_own() -> None:
    names = {
        build_event("ConfigSync", META.model_copy(update={"uid": uid}), NOTICE, now)["metadata"]["name"]
        for uid in ("uid-1", "uid-2")
        for now in ("now", "later")
    }
    assert len(names) == 4
