"""The static part of zoo.cfg; each member adds server lines, clientPort and dynamicConfigFile itself."""

from collections.abc import Mapping

from zkoperator.api.zoocfg import ALWAYS_ALLOWED_COMMANDS, RENAMED
from zkoperator.ensemble.model.names import METRICS_PORT, OBSERVER_MASTER_PORT
from zkoperator.ensemble.validate import ValidatedCluster

DATA_DIR = "/data/data"
_COMMANDS = "4lw.commands.whitelist"

_DEFAULTS = {
    "tickTime": "2000",
    "initLimit": "10",
    "syncLimit": "5",
    # Peers first connect to the old address of a restarted member, which must fail fast.
    "cnxTimeout": "500",
    # Votes that were lost before names resolved are sent again within seconds instead of up to a minute.
    "fastleader.maxNotificationInterval": "2000",
    "autopurge.snapRetainCount": "3",
    "autopurge.purgeInterval": "1",
}

_FIXED = {
    "dataDir": DATA_DIR,
    "reconfigEnabled": "true",
    "standaloneEnabled": "false",
    # A member must listen before its own name resolves, and retry to bind until it does.
    "quorumListenOnAllIPs": "true",
    "electionPortBindRetry": "0",
    "admin.serverAddress": "127.0.0.1",
    "metricsProvider.className": "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    "metricsProvider.httpPort": str(METRICS_PORT),
    "metricsProvider.exportJvmInfo": "true",
}


def non_default(config: Mapping[str, str]) -> dict[str, str]:
    """Return the entries that differ from the defaults."""
    return {key: value for key, value in config.items() if _DEFAULTS.get(key) != value}


def _commands(asked: str, *, counts_clients: bool) -> str:
    """Return the four-letter words that a member answers: the words that are always allowed, and those in the spec.

    `stat` lists the clients of a port, and so tells the operator how many are still without TLS.
    """
    words = (word.strip() for word in asked.split(","))
    needed = ("stat",) if counts_clients else ()
    return ", ".join(dict.fromkeys((*ALWAYS_ALLOWED_COMMANDS, *needed, *filter(None, words))))


def has_master_port(cluster: ValidatedCluster) -> bool:
    """Whether followers serve observers, beside the leader."""
    return cluster.spec.observers is not None and cluster.spec.observers.master_port


def zoo_cfg(cluster: ValidatedCluster) -> str:
    """Return the file with sorted keys. Validation has checked the entries of the user."""
    asked = {RENAMED.get(key, key): value for key, value in cluster.spec.config.items()}
    commands = _commands(asked.get(_COMMANDS, ""), counts_clients=cluster.tls.client)
    entries = {**_DEFAULTS, **asked, **_FIXED, _COMMANDS: commands}
    if has_master_port(cluster):
        entries["observerMasterPort"] = str(OBSERVER_MASTER_PORT)
    return "".join(f"{key}={value}\n" for key, value in sorted(entries.items()))
