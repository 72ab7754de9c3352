"""Plain ZooKeeper servers as processes on loopback addresses: what contract tests and benchmarks run against.

Every server has an address of its own in 127.0.0.0/8. Clients connect from 127.0.0.1, so the port of a server that is
down can never be taken by somebody's outgoing connection before it is started again.
"""

import base64
import dataclasses
import hashlib
import random
import re
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import jars
from testbed.errors import TestbedError
from testbed.processes import Server, free_ports, require, wait_for

SUPER_USER = "super"
SUPER_PASSWORD = "testbed-super"

_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PROPERTIES = {
    "tickTime": "500",
    "initLimit": "40",
    "syncLimit": "20",
    "minSessionTimeout": "500",
    "maxSessionTimeout": "60000",
    "standaloneEnabled": "false",
    "reconfigEnabled": "true",
    "extendedTypesEnabled": "true",
    "4lw.commands.whitelist": "*",
    "admin.enableServer": "false",
    "maxClientCnxns": "0",
    # Page cache survives a killed process, so nothing acknowledged is lost without the wait for the disk.
    "forceSync": "no",
    "preAllocSize": "1024",
}
_LOGBACK = """<configuration>
  <appender name="CONSOLE" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %p %logger{0} %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="CONSOLE"/></root>
</configuration>
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Member:
    """One line of an ensemble's configuration."""

    myid: int
    address: str
    client_port: int
    peer_port: int
    election_port: int

    @classmethod
    def allocate(cls, myid: int) -> "Member":
        """Return a member on a loopback address of its own, with ports that are free there."""
        address = f"127.{random.randint(16, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        return cls(myid, address, *free_ports(address, 3))

    @property
    def hosts(self) -> str:
        """The address for clients, `address:port`."""
        return f"{self.address}:{self.client_port}"

    def line(self, role: str = "participant") -> str:
        """Return the member as reconfig and the dynamic configuration file want it."""
        peers = f"{self.address}:{self.peer_port}:{self.election_port}"
        return f"server.{self.myid}={peers}:{role};{self.hosts}"


class ZooKeeperServer:
    """One server process with its own directory. Its files stay when it is stopped or killed, so it can come back."""

    def __init__(
        self,
        directory: Path,
        member: Member,
        lines: Sequence[str],
        *,
        version: str = jars.VERSIONS[-1],
        properties: Mapping[str, str] | None = None,
        jvm: Sequence[str] = (),
    ) -> None:
        """Write the configuration; nothing is started yet.

        Args:
            directory: Where everything of this server lives; made if it is not there.
            member: This server.
            lines: The whole dynamic configuration that it starts from, itself included.
            version: A release of ZooKeeper.
            properties: Keys of zoo.cfg, on top of the testbed's.
            jvm: Flags after the testbed's, so that they win.
        """
        self.directory = directory
        self.member = member
        self.version = version
        self._properties = dict(properties or {})
        self._jvm = tuple(jvm)
        self._write_configuration(lines)
        self._server = Server(self._argv(), directory / "server.log")

    @property
    def hosts(self) -> str:
        """The address for clients, `address:port`."""
        return self.member.hosts

    @property
    def log(self) -> Path:
        """The file that the server logs to, over all its starts."""
        return self._server.log

    @property
    def running(self) -> bool:
        """Whether the process exists."""
        return self._server.running

    @property
    def pid(self) -> int:
        """The id of the running process."""
        return self._server.pid

    def launch(self, version: str | None = None) -> None:
        """Start the process without waiting for it to serve, with another release if one is given."""
        if version is not None:
            self.version = version
            self._server = Server(self._argv(), self.log)
        self._server.start()

    def start(self, limit_s: float = 300) -> None:
        """Start the process and wait until it serves in a quorum."""
        self.launch()
        self.wait_serving(limit_s)

    def wait_serving(self, limit_s: float = 300) -> None:
        """Wait until this server is a leader, follower or observer."""
        wait_for(f"ZooKeeper {self.hosts}", lambda: bool(self.mode()), limit_s=limit_s, servers=[self._server])

    def stop(self) -> None:
        """End it by SIGTERM; its files stay."""
        self._server.stop()

    def kill(self) -> None:
        """End it by SIGKILL; its files stay."""
        self._server.kill()

    def freeze(self) -> None:
        """Stop it (SIGSTOP): connections stay open and nobody answers."""
        self._server.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._server.thaw()

    def wipe(self) -> None:
        """Lose everything of a server that is down except its configuration as it was first written."""
        if self.running:
            raise TestbedError(f"ZooKeeper {self.hosts} runs: stop or kill it before its disk is wiped")
        shutil.rmtree(self.directory / "data")
        for file in (self.directory / "conf").glob("zoo.cfg*"):
            file.unlink()
        self._write_configuration(self._first_lines)

    def four_letter(self, word: str, limit_s: float = 5) -> str:
        """Return the answer to a four-letter word, or nothing when the server does not answer in time."""
        answer = b""
        try:
            with socket.create_connection((self.member.address, self.member.client_port), limit_s) as line:
                line.sendall(word.encode())
                while part := line.recv(65536):
                    answer += part
        except OSError:
            return ""
        return answer.decode(errors="replace")

    def mode(self) -> str:
        """Return leader, follower, observer or standalone, or nothing while it does not serve."""
        found = re.search(r"^Mode: (\w+)$", self.four_letter("srvr", limit_s=2), re.MULTILINE)
        return found[1] if found else ""

    def _write_configuration(self, lines: Sequence[str]) -> None:
        self._first_lines = tuple(lines)
        conf, data = self.directory / "conf", self.directory / "data"
        for made in (conf, data):
            made.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(f"{self.member.myid}\n")
        (conf / "logback.xml").write_text(_LOGBACK)
        (conf / "zoo.cfg.dynamic").write_text("".join(f"{line}\n" for line in lines))
        properties = {
            **_PROPERTIES,
            "DigestAuthenticationProvider.superDigest": super_digest(),
            "dataDir": str(data),
            **self._properties,
            "dynamicConfigFile": str(conf / "zoo.cfg.dynamic"),
        }
        (conf / "zoo.cfg").write_text("".join(f"{key}={value}\n" for key, value in properties.items()))

    def _argv(self) -> list[str | Path]:
        require("java", "install a Java 17 runtime (Debian: apt-get install openjdk-17-jre-headless)")
        conf = self.directory / "conf"
        classes = f"{jars.release(self.version)}/*:{conf}"
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        return ["java", *_JVM, *self._jvm, "-cp", classes, main, conf / "zoo.cfg"]


class Ensemble:
    """Servers that form one ensemble; as a context manager it ends them and removes their files."""

    def __init__(
        self,
        size: int = 1,
        *,
        version: str = jars.VERSIONS[-1],
        properties: Mapping[str, str] | None = None,
        jvm: Sequence[str] = (),
    ) -> None:
        """Prepare servers with the ids 1 to size; `start` starts them."""
        self._directory = Path(tempfile.mkdtemp(prefix="zkoperator-zookeeper-"))
        self._version, self._properties, self._jvm = version, properties, jvm
        members = [Member.allocate(myid) for myid in range(1, size + 1)]
        lines = [member.line() for member in members]
        self.servers = [self._server(member, lines) for member in members]

    @property
    def hosts(self) -> str:
        """The connect string: all servers, also those that are down."""
        return ",".join(server.hosts for server in self.servers)

    @property
    def password(self) -> str:
        """The password of the digest user `super`."""
        return SUPER_PASSWORD

    def start(self, limit_s: float = 300) -> Self:
        """Start all servers and wait until each serves."""
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait_serving(limit_s)
        return self

    def leader(self) -> ZooKeeperServer:
        """Return the server that says it leads."""
        for server in self.servers:
            if server.running and server.mode() == "leader":
                return server
        raise TestbedError("no server of the ensemble leads")

    def followers(self) -> list[ZooKeeperServer]:
        """Return the servers that say they follow."""
        return [server for server in self.servers if server.running and server.mode() == "follower"]

    def joiner(self) -> ZooKeeperServer:
        """Add a server, not started, whose file is the first configuration and itself as an observer.

        A reconfig with `server.member.line()` makes it a voter.
        """
        member = Member.allocate(len(self.servers) + 1)
        known = [server.member.line() for server in self.servers]
        server = self._server(member, [*known, member.line("observer")])
        self.servers.append(server)
        return server

    def close(self) -> None:
        """Kill all servers and remove their files."""
        for server in self.servers:
            server.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _server(self, member: Member, lines: Sequence[str]) -> ZooKeeperServer:
        return ZooKeeperServer(
            self._directory / str(member.myid),
            member,
            lines,
            version=self._version,
            properties=self._properties,
            jvm=self._jvm,
        )


def super_digest(password: str = SUPER_PASSWORD) -> str:
    """Return the value of `DigestAuthenticationProvider.superDigest` for the user `super`."""
    digest = hashlib.sha1(f"{SUPER_USER}:{password}".encode(), usedforsecurity=False).digest()
    return f"{SUPER_USER}:{base64.b64encode(digest).decode()}"
