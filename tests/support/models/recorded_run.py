"""Both histories of one plot, read from the servers: what `checkers` judges after a run."""

import asyncio
from collections.abc import Iterable

from tests.support.faults.proxies.journal import Write
from tests.support.machines.api_client import Recorder
from tests.support.models.checkers import Run
from tests.support.models.histories import config_map_history, zookeeper_history
from tests.support.models.zk_log import read_log
from tests.support.worlds.site import Plot


async def recorded(
    plot: Plot, recorder: Recorder, keys: Iterable[str], losers: frozenset[tuple[str, bytes]] = frozenset()
) -> Run:
    """The run of the ConfigSync `shop` so far.

    Args:
        plot: Where it happened.
        recorder: What has followed the plot's ConfigMaps from the beginning.
        keys: The keys that are selected.
        losers: (key, value) pairs that a conflict has named.
    """
    site = plot.site
    writes = [write for write in site.journal.writes if _is_target(write)]
    log = await asyncio.to_thread(read_log, site.data_directory)
    return Run(
        zookeeper=zookeeper_history(log, plot.root, site.zk_proxy.sessions, lambda path: path or "__root"),
        config_map=config_map_history(
            recorder.of("shop"),
            [write.revision for write in writes],
            [write.deleted for write in writes if write.deleted],
        ),
        keys=frozenset(keys),
        losers=losers,
    )


def _is_target(write: Write) -> bool:
    return write.target.startswith("configmaps/")
