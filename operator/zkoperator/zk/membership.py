"""The dynamic configuration of an ensemble as text: its version and its server lines. Pure."""

import re
from dataclasses import dataclass

_LINE = re.compile(
    r"server\.(?P<id>\d+)=(?P<host>\[[^\]]+\]|[^:\[\]]+):(?P<quorum>\d+):(?P<election>\d+)"
    r"(?::(?P<role>participant|observer))?"
    r"(?:;(?:(?P<client_host>\[[^\]]+\]|[^:\[\]]+):)?(?P<client>\d+))?"
)


@dataclass(frozen=True, slots=True)
class ServerLine:
    """One member: `server.<id>=<host>:<quorum_port>:<election_port>:<role>;<client_host>:<client_port>`.

    `client_port` is None for a line without a client part, `client_host` where only the port is given.
    """

    id: int
    host: str
    quorum_port: int
    election_port: int
    role: str
    client_host: str | None
    client_port: int | None

    @property
    def is_voter(self) -> bool:
        """Whether the member counts for the quorum."""
        return self.role == "participant"


@dataclass(frozen=True, slots=True)
class DynamicConfig:
    """A configuration as read from `/zookeeper/config` or from `conf`.

    `version` is None when the text has none; `unreadable` holds server lines of a form that is not understood, so that
    they never count as absent members.
    """

    version: int | None
    servers: tuple[ServerLine, ...]
    unreadable: tuple[str, ...] = ()


def parse_server_line(line: str) -> ServerLine | None:
    """Read one server line; None when it has another form (several addresses of one member, for example)."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        return None
    client = found["client"]
    return ServerLine(
        id=int(found["id"]),
        host=found["host"].strip("[]"),
        quorum_port=int(found["quorum"]),
        election_port=int(found["election"]),
        role=found["role"] or "participant",
        client_host=found["client_host"].strip("[]") if found["client_host"] else None,
        client_port=int(client) if client else None,
    )


def parse_dynamic_config(text: str) -> DynamicConfig:
    """Read a whole configuration, in the order of its ids; lines that are neither server nor version are ignored."""
    servers: list[ServerLine] = []
    unreadable: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if not line.startswith("server."):
            continue
        server = parse_server_line(line)
        if server is None:
            unreadable.append(line)
        else:
            servers.append(server)
    servers.sort(key=lambda server: server.id)
    return DynamicConfig(config_version(text), tuple(servers), tuple(unreadable))


def config_version(text: str) -> int | None:
    """Return the version that the text states (written in hexadecimal), None when it has none."""
    found = re.search(r"^\s*version\s*=\s*([0-9a-fA-F]{1,16})\s*$", text, re.MULTILINE)
    return int(found[1], 16) if found is not None else None
