"""The operator's wall clock is wrong, and jumps; nothing that it decides rests on it."""

from pathlib import Path

from tests.faults.conftest import Following
from tests.support import faketime
from tests.support.crash import quiet
from tests.support.site import Site
from tests.support.workloads import data_is, edit, ready, znodes_are


async def test_an_operator_whose_clock_is_an_hour_wrong_works_all_the_same(
    site: Site, following: Following, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+3600\n")
    async with following(faketime.settings(clock), direction="TwoWay") as (plot, _):
        for number, offset in enumerate(("+3600", "-3600", "+0", "+86400")):
            clock.write_text(f"{offset}\n")
            await plot.put(color=f"green-{number}")
            await data_is(plot, {"color": f"green-{number}"} | ({"size": str(number - 1)} if number else {}))
            await edit(plot, size=str(number))
            await znodes_are(plot, {"color": f"green-{number}", "size": str(number)})
        await ready(plot, "InSync")
        await quiet(site)
        sync = await site.kube.get(f"{plot.custom}/configsyncs/shop")
        assert sync["status"]["lastSyncTime"] > sync["metadata"]["creationTimestamp"], "the clock was not wrong at all"
