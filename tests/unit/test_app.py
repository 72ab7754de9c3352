"""A replica that does not take part in the election any more ends; the kubelet starts it again."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube, Operation
from zkoperator import app
from zkoperator.app import EXIT_CLEAN, EXIT_LEASE_LOST, _Replica
from zkoperator.kube.lease import NotLeaderError
from zkoperator.kube.port import LEASES, Manifest, Resource
from zkoperator.settings import Settings


class DefectError(Exception):
    """What no code expects."""


class Idle:
    """Something that acts, and only ends by being cancelled."""

    started = asyncio.Event()
    before_write: Callable[[], object]

    def __init__(self, *_: Any, before_write: Callable[[], object]) -> None:
        Idle.started = asyncio.Event()
        Idle.before_write = before_write

    async def run(self) -> None:
        Idle.started.set()
        await asyncio.Event().wait()


def _kube(fails: asyncio.Event) -> Any:
    """An API server whose answers about the Lease break the elector from some moment on."""
    kube = FakeKube()

    def before(operation: Operation) -> None:
        if fails.is_set() and operation.resource is LEASES:
            raise DefectError

    kube.before = before
    return kube


async def test_a_standby_whose_election_has_died_ends() -> None:
    fails = asyncio.Event()
    fails.set()
    transport: Any = None
    with pytest.raises(DefectError):
        await asyncio.wait_for(_Replica(Settings())._stand_by(transport, _kube(fails)), 30)


async def test_a_holder_whose_election_has_died_stops_acting_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "ActiveReplica", Idle)
    fails = asyncio.Event()
    transport: Any = None
    replica = asyncio.create_task(_Replica(Settings())._stand_by(transport, _kube(fails)))
    while not Idle.started.is_set():
        await asyncio.sleep(0.01)
    Idle.before_write()
    fails.set()
    done, _ = await asyncio.wait({replica}, timeout=30)
    assert done
    with pytest.raises(NotLeaderError):
        Idle.before_write()
    assert isinstance(replica.exception(), DefectError) or replica.result() == EXIT_LEASE_LOST


async def test_a_standby_is_ready_only_after_it_has_seen_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeKube()
    kube.put(LEASES, _held("zkoperator-system", "zkoperator"))
    look, reached, answered = kube.get, asyncio.Event(), asyncio.Event()

    async def slow(resource: Resource, namespace: str, name: str) -> Manifest | None:
        reached.set()
        await answered.wait()
        return await look(resource, namespace, name)

    monkeypatch.setattr(kube, "get", slow)
    renewals: Any = kube
    transport: Any = None
    replica = _Replica(Settings())
    running = asyncio.create_task(replica._stand_by(transport, renewals))
    await asyncio.wait_for(reached.wait(), 30)
    assert replica._unready() == "the API server has not answered for the lease yet"
    answered.set()
    async with asyncio.timeout(30):
        while replica._unready() is not None:
            await asyncio.sleep(0.01)
    replica._stop.set()
    assert await asyncio.wait_for(running, 30) == EXIT_CLEAN


def _held(namespace: str, name: str) -> Manifest:
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"holderIdentity": "another", "leaseDurationSeconds": 10},
    }
