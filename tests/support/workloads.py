"""Workloads for the crash driver: what a user does, and what a user waits for."""

from dataclasses import dataclass

from tests.support.site import Plot
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Pull:
    """Znodes are set, created and deleted; the ConfigMap follows each time."""

    name: str = "pull"
    within_s: float = 50

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red", size="1")
        await plot.sync()

    async def drive(self, plot: Plot) -> None:
        await self._equal(plot, {"color": "red", "size": "1"})
        await plot.put(color="green", weight="7")
        await self._equal(plot, {"color": "green", "size": "1", "weight": "7"})
        await plot.put(size=None)
        await self._equal(plot, {"color": "green", "weight": "7"})

    async def _equal(self, plot: Plot, expected: dict[str, str]) -> None:
        async def equal() -> bool:
            data = await plot.data()
            data.pop("__root", None)
            assert data == expected, data
            return True

        await eventually(equal, within_s=self.within_s)
