"""What the four-letter words say, as typed values. Pure.

The texts are those of ZooKeeper 3.8 and 3.9. What an answer does not contain is None: never zero, never healthy.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from zkoperator.zk.membership import DynamicConfig, parse_dynamic_config

NOT_SERVING = "not currently serving requests"
"""What every word but `ruok` answers while the member is in no quorum."""

_NOT_ALLOWED = "is not executed because it is not in the whitelist"


@dataclass(frozen=True, slots=True)
class Srvr:
    """The answer to `srvr`. `mode` is leader, follower, observer, standalone or read-only; None: it does not serve."""

    mode: str | None
    version: str | None
    zxid: int | None
    connections: int | None
    outstanding: int | None
    node_count: int | None


@dataclass(frozen=True, slots=True)
class Mntr:
    """The answer to `mntr`. The numbers of synced learners are known by the leader alone."""

    server_state: str | None
    version: str | None
    quorum_size: int | None
    synced_followers: int | None
    synced_non_voting_followers: int | None
    synced_observers: int | None
    learners: int | None
    pending_syncs: int | None
    outstanding_requests: int | None
    znode_count: int | None
    approximate_data_bytes: int | None
    ephemerals: int | None
    watches: int | None
    digest_mismatches: int | None
    uptime_ms: int | None


@dataclass(frozen=True, slots=True)
class Conf:
    """The answer to `conf`: what the member runs with, and the configuration that it has committed."""

    server_id: int | None
    client_port: int | None
    data_dir: str | None
    tick_time_ms: int | None
    membership: DynamicConfig
    values: Mapping[str, str]


def is_refused(answer: str) -> bool:
    """Whether the member does not allow the word (`4lw.commands.whitelist`), which says nothing of its health."""
    return _NOT_ALLOWED in answer


def parse_srvr(answer: str) -> Srvr:
    """Read the answer to `srvr`."""
    values = _pairs(answer, ":")
    return Srvr(
        mode=values.get("Mode"),
        version=_version(values.get("Zookeeper version")),
        zxid=_number(values.get("Zxid")),
        connections=_number(values.get("Connections")),
        outstanding=_number(values.get("Outstanding")),
        node_count=_number(values.get("Node count")),
    )


def parse_mntr(answer: str) -> Mntr:
    """Read the answer to `mntr`."""
    values = _pairs(answer, "\t")
    return Mntr(
        server_state=values.get("zk_server_state"),
        version=_version(values.get("zk_version")),
        quorum_size=_number(values.get("zk_quorum_size")),
        synced_followers=_number(values.get("zk_synced_followers")),
        synced_non_voting_followers=_number(values.get("zk_synced_non_voting_followers")),
        synced_observers=_number(values.get("zk_synced_observers")),
        learners=_number(values.get("zk_learners")),
        pending_syncs=_number(values.get("zk_pending_syncs")),
        outstanding_requests=_number(values.get("zk_outstanding_requests")),
        znode_count=_number(values.get("zk_znode_count")),
        approximate_data_bytes=_number(values.get("zk_approximate_data_size")),
        ephemerals=_number(values.get("zk_ephemerals_count")),
        watches=_number(values.get("zk_watch_count")),
        digest_mismatches=_number(values.get("zk_digest_mismatches_count")),
        uptime_ms=_number(values.get("zk_uptime")),
    )


def parse_conf(answer: str) -> Conf:
    """Read the answer to `conf`."""
    values = _pairs(answer, "=")
    return Conf(
        server_id=_number(values.get("serverId")),
        client_port=_number(values.get("clientPort")),
        data_dir=values.get("dataDir"),
        tick_time_ms=_number(values.get("tickTime")),
        membership=parse_dynamic_config(answer),
        values=values,
    )


def _pairs(answer: str, separator: str) -> dict[str, str]:
    split = (line.partition(separator) for line in answer.splitlines() if separator in line)
    return {key.strip(): value.strip() for key, _, value in split}


def _version(text: str | None) -> str | None:
    found = re.match(r"\d+(?:\.\d+)+", text or "")
    return found.group() if found is not None else None


def _number(text: str | None) -> int | None:
    """Read a whole number, hexadecimal with 0x; servers write some counts as `5.0`, and NaN for unknown."""
    found = re.fullmatch(r"(0x[0-9a-fA-F]+)|(-?\d+)(?:\.0+)?", text or "")
    if found is None:
        return None
    return int(found[1], 16) if found[1] else int(found[2])
