"""One ensemble for a contract test, in memory or real, with a root of the test's own."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from testbed.zookeepers import Ensemble
from tests.support.fakes.zk import FakeZkServer
from zkoperator.zk import session
from zkoperator.zk.port import Create, Credential, Zk

ALICE = Credential("alice", "wonder")
_roots = itertools.count(1)


@dataclass
class World:
    """What a contract test acts on; every session that it opens is closed after the test."""

    open: Callable[[Credential | None], Zk]
    superuser: Credential
    root: str
    zk: Zk


@asynccontextmanager
async def world_of(ensemble: Ensemble | None) -> AsyncIterator[World]:
    """Give a world on the servers, or on the in-memory ensemble when there are none."""
    opened: list[Zk] = []
    connect, superuser = _in_memory() if ensemble is None else _on_servers(ensemble)

    def open_session(credential: Credential | None) -> Zk:
        opened.append(connect(credential))
        return opened[-1]

    zk = open_session(None)
    root = f"/contract-{next(_roots)}"
    await zk.create(Create(root, b""))
    yield World(open_session, superuser, root, zk)
    for each in opened:
        await each.close()


def _in_memory() -> tuple[Callable[[Credential | None], Zk], Credential]:
    server = FakeZkServer()
    return server.session, Credential("super", server.super_password)


def _on_servers(ensemble: Ensemble) -> tuple[Callable[[Credential | None], Zk], Credential]:
    hosts = ensemble.hosts.split(",")
    return lambda credential: session.connect(hosts, credential=credential), Credential("super", ensemble.password)
