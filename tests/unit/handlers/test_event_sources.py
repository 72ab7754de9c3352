"""What kopf tells arrives with its version, so that an echo can be told from news."""

import asyncio
from typing import Any

import kopf
import pytest

from tests.support.fakes.kube import FakeKube
from tests.support.waiting import eventually
from zkoperator.handlers.event_sources import EventSources
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS
from zkoperator.runtime.keys import Key

EVENTS = [(None, "5"), ("MODIFIED", "6"), ("DELETED", "7")]


async def _tell(registry: kopf.OperatorRegistry, **_: Any) -> None:
    """A kopf that has the same three things to say of each kind."""
    for handler in registry._watching.get_all_handlers():
        for kind, version in EVENTS:
            fn: Any = handler.fn
            await fn(namespace="demo", name="a", meta={"resourceVersion": version}, type=kind, body={}, labels={})
    await asyncio.Event().wait()


async def test_events_of_each_kind_bring_their_version_and_those_of_the_deleted_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kopf, "operator", _tell)
    clusters, syncs = list[tuple[Key, str]](), list[tuple[Key, str]]()
    sources = EventSources(
        FakeKube(),
        CredentialSource(None),
        wakes={
            ZOOKEEPER_CLUSTERS: lambda *told: clusters.append(told),
            CONFIG_SYNCS: lambda *told: syncs.append(told),
        },
    )
    running = asyncio.create_task(sources.run())
    try:
        await eventually(lambda: len(clusters) >= 3 and len(syncs) >= 3)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert clusters == syncs == [(Key("demo", "a"), version) for version in ("5", "6", "")]
