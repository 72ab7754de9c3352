"""What the tests of this directory share: one site on the shared servers, and an operator that follows a subtree."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.faults.crash import unexpected, unexpected_passes
from tests.support.machines.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.site import site as open_site
from tests.support.worlds.workloads import data_is

Following: TypeAlias = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Plot, OperatorProcess]]]


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(api_server, zookeeper, tmp_path) as opened:
        yield opened


def _metrics(operator: OperatorProcess) -> str:
    status, text = operator.fetch("/metrics")
    return text if status == 200 else ""


@pytest.fixture
def following(site: Site) -> Following:
    """An operator that has pulled `color: red`; at the end it must be the same process, without unexpected errors."""
    return functools.partial(follow, site)


@contextlib.asynccontextmanager
async def follow(
    site: Site, settings: dict[str, str] | None = None, **spec: Any
) -> AsyncIterator[tuple[Plot, OperatorProcess]]:
    """What the fixture `following` does, on a site of the test's own."""
    site.journal.start_over()
    async with site.plot() as plot:
        await plot.put(color="red")
        await plot.sync(**spec)
        with site.operator(plot.settings | (settings or {})) as operator:
            await data_is(plot, {"color": "red"}, within_s=90)
            yield plot, operator
            assert operator.exit_code is None, operator.tail()
            assert unexpected(operator.log.read_text()) is None, unexpected(operator.log.read_text())
            metrics = await eventually(lambda: _metrics(operator), within_s=60)
            assert unexpected_passes(metrics) == 0
