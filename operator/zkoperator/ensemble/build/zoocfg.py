"""The static part of zoo.cfg: no server lines, no clientPort, no dynamicConfigFile; those are the member's own."""

from collections.abc import Mapping

from zkoperator.ensemble.model.names import METRICS_PORT
from zkoperator.ensemble.validate import ValidatedCluster

DATA_DIR = "/data/data"

_DEFAULTS = {
    "tickTime": "2000",
    "initLimit": "10",
    "syncLimit": "5",
    # A member that came back with a new address is dialled at its old one first, in the next election at the latest.
    "cnxTimeout": "500",
    # Votes that were lost while names did not resolve yet are sent again soon; the default waits up to a minute.
    "fastleader.maxNotificationInterval": "2000",
    "autopurge.snapRetainCount": "3",
    "autopurge.purgeInterval": "1",
}

_FIXED = {
    "dataDir": DATA_DIR,
    "reconfigEnabled": "true",
    "standaloneEnabled": "false",
    # Peers must find a member whose name does not resolve yet, and a member must wait for its own name.
    "quorumListenOnAllIPs": "true",
    "electionPortBindRetry": "0",
    "4lw.commands.whitelist": "srvr, mntr, conf, hash",
    "admin.serverAddress": "127.0.0.1",
    "metricsProvider.className": "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    "metricsProvider.httpPort": str(METRICS_PORT),
    "metricsProvider.exportJvmInfo": "true",
}


def non_default(config: Mapping[str, str]) -> dict[str, str]:
    """Return what differs from the defaults."""
    return {key: value for key, value in config.items() if _DEFAULTS.get(key) != value}


def zoo_cfg(cluster: ValidatedCluster) -> str:
    """Return the file, keys in order. What the user set is from the allow-list, checked for line breaks before."""
    entries = {**_DEFAULTS, **cluster.spec.config, **_FIXED}
    return "".join(f"{key}={value}\n" for key, value in sorted(entries.items()))
