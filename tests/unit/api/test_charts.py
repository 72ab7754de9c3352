"""What the values of well-known charts ask for is accepted, translated, or refused with its reason."""

from typing import Any

import pytest

from tests.support.models.ensemble_simulation import raw_cluster
from zkoperator.api.jvm import _UNKNOWN as UNKNOWN_FLAG
from zkoperator.api.zoocfg import ALLOWED, UNKNOWN
from zkoperator.ensemble.build.zoocfg import zoo_cfg
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, validate
from zkoperator.errors import InvalidError

ACCEPTED: dict[str, dict[str, Any]] = {
    "pravega": {
        "initLimit": 10,
        "tickTime": 2000,
        "syncLimit": 2,
        "globalOutstandingLimit": 1000,
        "preAllocSize": 65536,
        "snapCount": 10000,
        "commitLogCount": 500,
        "snapSizeLimitInKb": 4194304,
        "maxCnxns": 0,
        "maxClientCnxns": 60,
        "minSessionTimeout": 4000,
        "maxSessionTimeout": 40000,
        "autopurge.snapRetainCount": 3,
        "autopurge.purgeInterval": 1,
    },
    "Bitnami": {
        "tickTime": 2000,
        "initLimit": 10,
        "syncLimit": 5,
        "preAllocSize": 65536,
        "snapCount": 100000,
        "maxClientCnxns": 60,
        "maxSessionTimeout": 40000,
        "autopurge.snapRetainCount": 10,
        "autopurge.purgeInterval": 1,
        "4lw.commands.whitelist": "srvr, mntr, ruok",
    },
    "Pulsar": {
        "tickTime": 2000,
        "initLimit": 10,
        "syncLimit": 5,
        "autopurge.snapRetainCount": 3,
        "autopurge.purgeInterval": 1,
        "maxClientCnxns": 60,
        "forceSync": "yes",
    },
    "ClickHouse": {
        "tickTime": 2000,
        "initLimit": 30000,
        "syncLimit": 10,
        "maxClientCnxns": 2000,
        "maxTimeToWaitForEpoch": 2000,
        "maxSessionTimeout": 60000000,
        "autopurge.snapRetainCount": 10,
        "autopurge.purgeInterval": 1,
        "preAllocSize": 131072,
        "snapCount": 3000000,
        "leaderServes": "yes",
    },
    "Solr": {
        "tickTime": 2000,
        "initLimit": 10,
        "syncLimit": 5,
        "4lw.commands.whitelist": "mntr,conf,ruok",
        "autopurge.snapRetainCount": 3,
        "autopurge.purgeInterval": 1,
    },
}

REFUSED: dict[str, tuple[Any, str]] = {
    # pravega
    "quorumListenOnAllIPs": (False, "files and ports belong to the pod"),
    "autoPurgeSnapRetainCount": (3, "write autopurge.snapRetainCount"),
    "autoPurgePurgeInterval": (1, "autopurge.purgeInterval"),
    "skipACL": ("yes", "access control stays enforced"),
    # Bitnami
    "heapSize": (1024, "write spec.jvm"),
    "jvmFlags": ("-Xmx1g", "write spec.jvm"),
    "logLevel": ("ERROR", "spec.logLevel"),
    "listenOnAllIPs": (True, "no key of zoo.cfg"),
    "fourlwCommandsWhitelist": ("srvr, mntr", "4lw.commands.whitelist"),
    "dataLogDir": ("/bitnami/zookeeper/dataLog", "spec.storage"),
    "snapshot.trust.empty": ("true", "vote with an empty disk"),
    # Pulsar
    "dataDir": ("data/zookeeper", "spec.storage"),
    "clientPort": (2181, "files and ports"),
    "admin.enableServer": ("true", "AdminServer stays on loopback"),
    "admin.serverPort": (9990, "AdminServer stays on loopback"),
    "metricsProvider.httpPort": (8000, "metrics are on port 7000"),
    "serverCnxnFactory": ("org.apache.zookeeper.server.NettyServerCnxnFactory", "TLS"),
    "requireClientAuthScheme": ("sasl", "there is no SASL"),
    "portUnification": ("false", "TLS"),
    # ClickHouse
    "standaloneEnabled": ("false", "membership is the operator's job"),
    "dynamicConfigFile": ("/etc/zookeeper/zoo.cfg.dynamic", "membership is the operator's job"),
    # Solr
    "jute.maxbuffer": (0x9FFFFF, "-Djute.maxbuffer"),
}

ACCEPTED_FLAGS = (
    *("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=10", "-Djute.maxbuffer=10485760", "-XX:+ParallelRefProcEnabled"),
    *("-XX:+UnlockExperimentalVMOptions", "-XX:+DoEscapeAnalysis", "-XX:+DisableExplicitGC"),
    *("-XX:+PerfDisableSharedMem", "-XX:ParallelGCThreads=32", "-XX:ConcGCThreads=32", "-XX:G1NewSizePercent=50"),
    *("-XX:-ResizePLAB", "-XX:+ExitOnOutOfMemoryError", "-XX:+HeapDumpOnOutOfMemoryError", "-XX:HeapDumpPath=/data"),
    *("-XX:HeapDumpPath=/data/heap.hprof", "-XX:+UseContainerSupport", "-server", "-verbose:gc", "-Xss256k"),
)
REFUSED_FLAGS = (
    ("-Xmx128m", "spec.jvm.heapPercent"),
    ("-Xms64m", "spec.jvm.heapPercent"),
    ("-Dcom.sun.management.jmxremote", "metrics are on port 7000"),
    ("-Dzookeeper.forceSync=no", "spec.config"),
    ("-Dzookeeper.4lw.commands.whitelist=*", "spec.config"),
    ("-XX:+UseConcMarkSweepGC", "-XX:+UseG1GC"),
    ("-XX:+CMSParallelRemarkEnabled", "-XX:+UseG1GC"),
    ("-XX:CMSInitiatingOccupancyFraction=70", "-XX:+UseG1GC"),
    ("-XX:+AggressiveOpts", "-XX:+UseG1GC"),
    ("-XX:+PrintGCDateStamps", "-Xlog:gc"),
    ("-Xloggc:/logs/gc.log", "-Xlog:gc"),
    ("-Xlog:gc:file=/var/log/gc.log", "-Xlog"),
    ("-XX:HeapDumpPath=/data/data/version-2/log.1", "/data/name.hprof"),
    ("-XX:HeapDumpPath=/tmp", "/data/name.hprof"),
    ("-XX:HeapDumpPath=/data/../etc/x.hprof", "/data/name.hprof"),
)


def config(**spec: Any) -> dict[str, str]:
    cluster = validate(raw_cluster(**spec), Defaults("zookeeper:3.9.5"))
    assert isinstance(cluster, ValidatedCluster)
    return dict(line.split("=", 1) for line in zoo_cfg(cluster).splitlines())


def refused(**spec: Any) -> str:
    with pytest.raises(InvalidError) as caught:
        validate(raw_cluster(**spec), Defaults("zookeeper:3.9.5"))
    return str(caught.value)


@pytest.mark.parametrize("chart", ACCEPTED)
def test_the_values_of_a_chart_are_accepted_as_its_yaml_has_them(chart: str) -> None:
    written = config(config=ACCEPTED[chart])
    for key, value in ACCEPTED[chart].items():
        match key:
            case "4lw.commands.whitelist":
                assert {word.strip() for word in value.split(",")} <= set(written[key].split(", "))
            case "maxTimeToWaitForEpoch":
                assert written["leader.maxTimeToWaitForEpoch"] == str(value)
                assert key not in written
            case _:
                assert written[key] == str(value)


@pytest.mark.parametrize("key", REFUSED)
def test_what_is_not_accepted_is_refused_with_its_reason(key: str) -> None:
    value, why = REFUSED[key]
    told = refused(config={key: value})
    assert why in told
    assert UNKNOWN not in told


@pytest.mark.parametrize("flag", ACCEPTED_FLAGS)
def test_a_harmless_flag_is_accepted(flag: str) -> None:
    assert config(jvm={"flags": [flag]})


@pytest.mark.parametrize(("flag", "why"), REFUSED_FLAGS)
def test_a_flag_that_is_not_accepted_is_refused_with_its_reason(flag: str, why: str) -> None:
    told = refused(jvm={"flags": [flag]})
    assert why in told
    assert UNKNOWN_FLAG not in told


def test_numbers_and_booleans_are_what_their_texts_are() -> None:
    bare = config(config={"tickTime": 2000, "audit.enable": True, "txnLogSizeLimitInKb": -1})
    assert bare == config(config={"tickTime": "2000", "audit.enable": "true", "txnLogSizeLimitInKb": "-1"})
    assert (bare["tickTime"], bare["audit.enable"]) == ("2000", "true")


@pytest.mark.parametrize("value", [2000.0, 2000.5, 2**64, [2000], {"a": 1}, "", "x" * 257])
def test_a_value_of_another_kind_is_refused_with_its_field(value: Any) -> None:
    told = refused(config={"tickTime": value})
    assert "spec.config.tickTime: write a whole number" in told


@pytest.mark.parametrize("words", ["*", "wchc", "srvr mntr", "mntr,", "", "mntr,crst", "dump"])
def test_a_command_that_changes_or_walks_the_server_is_refused(words: str) -> None:
    assert "spec.config" in refused(config={"4lw.commands.whitelist": words})


def test_the_commands_of_the_operator_are_answered_whatever_was_asked_for() -> None:
    assert config()["4lw.commands.whitelist"] == "srvr, mntr, conf, hash, ruok, isro"
    asked = config(config={"4lw.commands.whitelist": "stat, ruok"})["4lw.commands.whitelist"]
    assert asked == "srvr, mntr, conf, hash, ruok, isro, stat"


def test_every_key_that_may_be_set_says_what_it_takes() -> None:
    assert all(kind.bounds and kind.advice.startswith("write ") for kind in ALLOWED.values())
