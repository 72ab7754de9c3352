"""Answers of members to the four-letter words `srvr`, `mntr`, `conf` and `stat`. Pure."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from zkoperator.ensemble.model.configuration import Configuration, parse_configuration

_SRVR = re.compile(r"^(?P<key>[A-Z][A-Za-z ]*): ?(?P<value>.*)$", re.MULTILINE)
_VERSION = re.compile(r"^[0-9]+\.[0-9]+\.[0-9]+")
_ID = re.compile(r"^serverId=(?P<id>[0-9]+)\s*$", re.MULTILINE)
_CLIENTS = "Clients:"
_CONNECTION = re.compile(r"^ *[^ /]*/(?P<address>\S+):[0-9]+\[[0-9a-f]+\]\(", re.MULTILINE)
_LOOPBACK = ("127.", "0:0:0:0:0:0:0:1", "[0:0:0:0:0:0:0:1]")
_IDLE = "not currently serving"


class Mode(StrEnum):
    """The role that a serving member reports. A joiner reports that it is a follower."""

    LEADER = "leader"
    FOLLOWER = "follower"
    OBSERVER = "observer"
    STANDALONE = "standalone"


@dataclass(frozen=True, slots=True)
class Serving:
    """The member serves as part of a quorum.

    `configuration` is the one that it acts on. `synced` is a leader's count of followers in sync, `synced_non_voting`
    the part of it that does not vote. `digest_mismatches` counts transactions whose result differs from the leader's.
    `znodes` and `data_bytes` (data and paths) are what it holds, `plaintext_connections` counts the connections without
    TLS that other hosts have now. Each is None when the member does not report it.
    What grows with each write decides nothing, so answers that differ only in that are equal.
    """

    mode: Mode
    zxid: int = field(compare=False)
    version: str
    configuration: Configuration | None
    synced: int | None = None
    synced_non_voting: int | None = None
    digest_mismatches: int | None = None
    znodes: int | None = field(default=None, compare=False)
    data_bytes: int | None = field(default=None, compare=False)
    plaintext_connections: int | None = field(default=None, compare=False)

    @property
    def synced_voters(self) -> int | None:
        """Voting followers in sync with this leader."""
        if self.synced is None or self.synced_non_voting is None:
            return None
        return self.synced - self.synced_non_voting


@dataclass(frozen=True, slots=True)
class NotServing:
    """The member answers that it does not serve, because it has no quorum."""


@dataclass(frozen=True, slots=True)
class Silent:
    """The member gave no complete answer, so its state is unknown."""

    why: str


Answer = Serving | NotServing | Silent


def read_answer(member: int, srvr: str, mntr: str, conf: str, stat: str = "") -> Answer:
    """Return the answer from the texts, which are asked for separately and may contradict one another.

    `stat` is the answer at the plaintext port, empty if the member was not asked there. It lists the connections of
    that port (StatCommand of ZooKeeper), including that of the question. Addresses are reused: the answer of a server
    of another ensemble at the member's address is discarded.
    """
    if _IDLE in srvr:
        return NotServing()
    if _IDLE in conf:
        return Silent("it began or ceased to serve while it was asked")
    found = _ID.search(conf)
    if found is None:
        return Silent("its answer to conf cannot be read")
    if int(found["id"]) != member:
        return Silent("another server answers at its address")
    fields = _fields(srvr)
    numbers = _numbers(mntr)
    version = _VERSION.match(fields.get("Zookeeper version", ""))
    try:
        return Serving(
            mode=Mode(fields["Mode"]),
            zxid=int(fields["Zxid"], 16),
            version=version.group() if version is not None else "",
            configuration=parse_configuration(conf),
            synced=numbers.get("zk_synced_followers"),
            synced_non_voting=numbers.get("zk_synced_non_voting_followers"),
            digest_mismatches=numbers.get("zk_digest_mismatches_count"),
            znodes=numbers.get("zk_znode_count"),
            data_bytes=numbers.get("zk_approximate_data_size"),
            plaintext_connections=_connections(stat),
        )
    except (KeyError, ValueError):
        return Silent("its answer to srvr cannot be read")


def is_as_before(answer: Answer, srvr: str) -> bool:
    """Return whether `srvr` says that a member which served has the same role and the same last transaction.

    A reconfiguration is a transaction, and a leader that is elected begins with a zxid of its own, so the configuration
    is as it was, too.
    """
    fields = _fields(srvr)
    said = (fields.get("Mode"), fields.get("Zxid"))
    return isinstance(answer, Serving) and (answer.mode.value, f"{answer.zxid:#x}") == said


def _fields(srvr: str) -> dict[str, str]:
    return {found["key"]: found["value"].strip() for found in _SRVR.finditer(srvr)}


def _connections(stat: str) -> int | None:
    """Return how many connections are listed, without those from inside the pod and the one that asked."""
    if _CLIENTS not in stat:
        return None
    addresses = [found["address"] for found in _CONNECTION.finditer(stat)]
    return max(0, sum(not address.startswith(_LOOPBACK) for address in addresses) - 1)


def _numbers(mntr: str) -> dict[str, int]:
    pairs = (line.split("\t", 1) for line in mntr.splitlines() if "\t" in line)
    return {key: int(float(value)) for key, value in pairs if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value.strip())}
