"""The dynamic configuration of an ensemble: who is a member, under which version.

The text is that of the znode `/zookeeper/config`, of the word `conf` and of the members' own files:
`server.1=host:2888:3888:participant;0.0.0.0:2181` lines and `version=<hex>`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from zkoperator.ensemble.model.names import CLIENT_PORT, ELECTION_PORT, LOOPBACK_PORT, QUORUM_PORT, Names, is_observer

_SERVER = re.compile(
    r"^server\.(?P<id>[0-9]+)\s*=\s*(?P<address>[^;\s]+?)(?P<role>:participant|:observer)?(;(?P<client>\S+))?$"
)
_VERSION = re.compile(r"^version=(?P<version>[0-9a-fA-F]+)$")


OPEN = f"0.0.0.0:{CLIENT_PORT}"
"""The client part of a line while clients may connect without TLS."""
CLOSED = f"127.0.0.1:{LOOPBACK_PORT}"
"""The client part of a line when clients must use TLS. Probes inside the pod still connect without it."""


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """One `server.N` line. `address` is host and both ports, `client` the part after the semicolon."""

    id: int
    address: str
    voting: bool = True
    client: str = OPEN

    @property
    def line(self) -> str:
        """The line as a reconfiguration and the files take it."""
        role = "participant" if self.voting else "observer"
        return f"server.{self.id}={self.address}:{role};{self.client}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """A committed configuration. `version` is the zxid of the reconfiguration that committed it."""

    version: int
    servers: tuple[Server, ...]

    @property
    def voters(self) -> frozenset[int]:
        """Ids of the participants."""
        return frozenset(server.id for server in self.servers if server.voting)

    @property
    def quorum(self) -> int:
        """How many voters make a majority."""
        return len(self.voters) // 2 + 1

    def find(self, member: int) -> Server | None:
        """Return the member's line."""
        return next((server for server in self.servers if server.id == member), None)

    @property
    def lines(self) -> tuple[str, ...]:
        """The server lines, by id."""
        return tuple(server.line for server in sorted(self.servers))


@lru_cache(maxsize=1024)
def parse_configuration(text: str) -> Configuration | None:
    """Return the configuration in the text, None when there is none: no server, or no version."""
    servers = parse_servers(text)
    versions = [int(found["version"], 16) for line in text.splitlines() if (found := _VERSION.match(line.strip()))]
    return Configuration(versions[-1], servers) if servers and versions else None


def parse_servers(text: str) -> tuple[Server, ...]:
    """Return the server lines in the text, by id."""
    lines = map(str.strip, text.splitlines())
    return tuple(sorted(_server(found) for line in lines if (found := _SERVER.match(line))))


def _server(found: re.Match[str]) -> Server:
    client = found["client"] or ""
    if client.isdigit():
        client = f"0.0.0.0:{client}"
    return Server(int(found["id"]), found["address"], found["role"] != ":observer", client)


def server_of(names: Names, member: int, client: str = OPEN) -> Server:
    """Return the line of this member, with the operator's ports and this part for clients."""
    address = f"{names.host(member)}:{QUORUM_PORT}:{ELECTION_PORT}"
    return Server(member, address, voting=not is_observer(member), client=client)
