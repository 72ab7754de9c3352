"""Fixtures that give tests real servers; `tests/conftest.py` makes them known to every test."""

import secrets
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble

EnsembleFactory: TypeAlias = Callable[..., Ensemble]
ApiServerFactory: TypeAlias = Callable[..., ApiServer]


@pytest.fixture(scope="session")
def zookeeper() -> Iterator[Ensemble]:
    """One serving server: `.hosts`, `.password` (of the digest user `super`), `.servers[0]`.

    Shared by all tests of the process: a test works under a root of its own and leaves the server running.
    """
    with Ensemble(1) as ensemble:
        yield ensemble.start()


@pytest.fixture
def ensembles() -> Iterator[EnsembleFactory]:
    """A factory for ensembles of the test's own: `ensembles(3, version="3.9.3", properties={...})`, already serving."""
    made: list[Ensemble] = []

    def make(size: int = 1, *, start: bool = True, **options: object) -> Ensemble:
        ensemble = Ensemble(size, **options)  # type: ignore[arg-type]
        made.append(ensemble)
        return ensemble.start() if start else ensemble

    yield make
    for ensemble in made:
        ensemble.close()


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """One API server with etcd and the controllers: `.kubeconfig`, `.url`, `.ca_file`, `.audit_log`, `.rest()`.

    Shared by all tests of the process: a test works in a namespace of its own (fixture `namespace`) and leaves
    the server running. A test that kills, freezes or compacts takes one of its own from `api_servers`.
    """
    with ApiServer() as server:
        yield server.start()


@pytest.fixture
def api_servers() -> Iterator[ApiServerFactory]:
    """A factory for API servers of the test's own: `api_servers("--watch-cache=false")`, already serving."""
    made: list[ApiServer] = []

    def make(*flags: str, start: bool = True) -> ApiServer:
        server = ApiServer(flags)
        made.append(server)
        return server.start() if start else server

    yield make
    for server in made:
        server.close()


@pytest.fixture
def namespace(api_server: ApiServer) -> Iterator[str]:
    """The name of a new namespace of `api_server`; its deletion is started, not awaited, after the test."""
    name = f"test-{secrets.token_hex(4)}"
    rest = api_server.rest()
    rest("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    rest("DELETE", f"/api/v1/namespaces/{name}")
    rest.close()
