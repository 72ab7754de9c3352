"""Workloads for the crash driver: what a user does, and what a user waits for."""

from dataclasses import dataclass

from tests.support.site import Plot
from tests.support.waiting import eventually

LAGGING = r"/configsyncs/[^/]+/status/(zxid$|keys$|bytes$|lastSyncTime$|base|conditions.type=Ready./message)"
"""Numbers of the status that are told some seconds later when nothing else is new."""


async def status_settled(plot: Plot, *, within_s: float = 30) -> None:
    """Wait until the status tells of the state that the ConfigMap has."""

    async def told() -> bool:
        sync = await plot.site.kube.get(f"{plot.custom}/configsyncs/shop")
        config_map = await plot.config_map()
        stamp = (config_map or {})["metadata"]["annotations"]["zkoperator.dev/zxid"]
        return int(sync["status"]["zxid"], 16) >= int(stamp, 16)

    await eventually(told, within_s=within_s)


@dataclass(frozen=True)
class Pull:
    """Znodes are set, created and deleted; the ConfigMap follows each time."""

    name: str = "pull"
    within_s: float = 50
    whole_status: bool = False

    async def prepare(self, plot: Plot) -> None:
        await plot.put(color="red", size="1")
        await plot.sync()

    async def drive(self, plot: Plot) -> None:
        await self._equal(plot, {"color": "red", "size": "1"})
        await plot.put(color="green", weight="7")
        await self._equal(plot, {"color": "green", "size": "1", "weight": "7"})
        await plot.put(size=None)
        await self._equal(plot, {"color": "green", "weight": "7"})
        if self.whole_status:
            await status_settled(plot)

    async def _equal(self, plot: Plot, expected: dict[str, str]) -> None:
        async def equal() -> bool:
            data = await plot.data()
            data.pop("__root", None)
            assert data == expected, data
            return True

        await eventually(equal, within_s=self.within_s)
