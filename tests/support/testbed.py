"""Fixtures that give tests real servers; `tests/conftest.py` makes them known to every test."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from testbed.zookeepers import Ensemble

EnsembleFactory: TypeAlias = Callable[..., Ensemble]


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
