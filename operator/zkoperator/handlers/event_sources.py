"""What wakes the loops for custom resources: kopf at each event, and a slow list that does not depend on kopf."""

import asyncio
from collections.abc import Callable, Mapping

from zkoperator.handlers.registration import Wake
from zkoperator.handlers.supervisor import Supervisor
from zkoperator.handlers.watchdog import Watchdog
from zkoperator.kube.credentials import CredentialSource
from zkoperator.kube.port import KubeApi, Resource
from zkoperator.kube.slow_list import SlowList
from zkoperator.runtime.clock import MONOTONIC, Clock
from zkoperator.runtime.keys import Key


class EventSources:
    """Wakes every key of some kinds: at the start, at each event, and about once a minute.

    Args:
        api: lists the kinds.
        source: of kopf's credentials.
        namespaces: to serve; empty: all.
        wakes: for each kind, what is called on the event loop of `run` with its keys, those of deleted ones included.
        every_s: seconds between lists, give or take a tenth.
        missed_after_s: kopf is replaced if it has not delivered a change so long after the slow list found it.
        clock: monotonic time.
    """

    def __init__(
        self,
        api: KubeApi,
        source: CredentialSource,
        namespaces: tuple[str, ...] = (),
        *,
        wakes: Mapping[Resource, Wake],
        every_s: float = 60.0,
        missed_after_s: float = 5.0,
        clock: Clock = MONOTONIC,
    ) -> None:
        sources = {
            resource: self._sources_of(api, resource, namespaces, wake, every_s, missed_after_s, clock)
            for resource, wake in wakes.items()
        }
        self._slow_lists = tuple(slow_list for slow_list, _ in sources.values())
        told = {resource: on_event for resource, (_, on_event) in sources.items()}
        self.supervisor = Supervisor(source, namespaces, wakes=told, clock=clock)

    def _sources_of(
        self,
        api: KubeApi,
        resource: Resource,
        namespaces: tuple[str, ...],
        wake: Wake,
        every_s: float,
        missed_after_s: float,
        clock: Clock,
    ) -> tuple[SlowList, Wake]:
        """Return the slow list of one kind, and what kopf calls for its events."""
        watchdog = Watchdog(
            self._replace_kopf, age_s=self._age_s, horizon_s=1.2 * every_s, missed_after_s=missed_after_s, clock=clock
        )

        def on_change(key: Key, version: str) -> None:
            watchdog.change_found(key)
            wake(key, version)

        slow_list = SlowList(api, resource, namespaces, wake=on_change, every_s=every_s, clock=clock)

        def on_event(key: Key, version: str) -> None:
            watchdog.event_seen(key)
            slow_list.add_known(key)
            wake(key, version)

        return slow_list, on_event

    def _replace_kopf(self) -> None:
        self.supervisor.replace()

    def _age_s(self) -> float:
        return self.supervisor.age_s()

    @property
    def problem(self) -> str | None:
        """Why custom resources cannot be listed, as a text for users; None while they can."""
        return next((slow_list.problem for slow_list in self._slow_lists if slow_list.problem is not None), None)

    def loops(self) -> dict[str, Callable[[], float]]:
        """Return by name for how many seconds each loop of the event sources has not moved although it should have."""
        lists = {f"the slow list of {slow_list.plural}": slow_list.stalled_s for slow_list in self._slow_lists}
        return {**lists, "kopf": self.supervisor.stalled_s}

    async def wait_listed(self) -> None:
        """Return when every kind has been listed once."""
        for slow_list in self._slow_lists:
            await slow_list.wait_listed()

    async def run(self) -> None:
        """Wake until cancelled."""
        async with asyncio.TaskGroup() as group:
            for slow_list in self._slow_lists:
                group.create_task(slow_list.run())
            group.create_task(self._run_kopf())

    async def _run_kopf(self) -> None:
        # kopf does not scan for new CRDs here, so it only watches kinds that are installed when it starts.
        await self.wait_listed()
        await self.supervisor.run()
