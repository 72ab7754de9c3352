"""An operator process that follows a subtree on a site, and must end as the same process without unexpected errors."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

from tests.support.faults.crash import unexpected, unexpected_passes
from tests.support.machines.operator import OperatorProcess
from tests.support.waiting import eventually
from tests.support.worlds.site import Plot, Site
from tests.support.worlds.sync_user import data_is

Following: TypeAlias = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Plot, OperatorProcess]]]


@contextlib.asynccontextmanager
async def follow(
    site: Site, settings: dict[str, str] | None = None, **spec: Any
) -> AsyncIterator[tuple[Plot, OperatorProcess]]:
    """Run an operator that has pulled `color: red`."""
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


def _metrics(operator: OperatorProcess) -> str:
    status, text = operator.fetch("/metrics")
    return text if status == 200 else ""
