"""The members of an ensemble, simulated: who founds it, who leads, and which writes are on which disks.

They keep what must never break: every acknowledged write is on a quorum of the committed voters, an elected leader has
all of them, and no member ever founds a second ensemble.
"""

from dataclasses import dataclass, field

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, Server, parse_servers
from zkoperator.ensemble.model.names import TLS
from zkoperator.ensemble.model.tls import TlsState, parse_tls_state
from zkoperator.kube.port import Manifest


@dataclass
class Disk:
    """A member's volume: the configuration that it knows, and the last write that it has."""

    configuration: Configuration | None = None
    last: int = 0

    @property
    def empty(self) -> bool:
        return self.configuration is None


@dataclass
class SimPod:
    member: int
    uid: str
    template: Manifest
    founder: bool
    running: bool = False
    deleting: bool = False
    synced: bool = False
    down_for: int = 0

    @property
    def tls(self) -> TlsState:
        return parse_tls_state(self.template["metadata"]["annotations"].get(TLS, ""))

    @property
    def image(self) -> str:
        return str(self.template["spec"]["containers"][0]["image"])


@dataclass(kw_only=True)
class Members:
    """The members that have pods, with the configuration that they have committed."""

    children: dict[Child, Manifest] = field(default_factory=dict)
    """The objects that the operator has made; founders read the ConfigMap."""
    pods: dict[int, SimPod] = field(default_factory=dict)
    disks: dict[int, Disk] = field(default_factory=dict)
    committed: Configuration | None = None
    leader: int | None = None
    acknowledged: int = 0
    founded: int = 0

    def _elect(self) -> None:
        if self.committed is None:
            self._found()
        if self.committed is None:
            return
        able = [m for m in self.committed.voters if self._may_vote(m)]
        if len(able) < self.committed.quorum:
            self.leader = None
        elif self.leader not in able:
            self.leader = max(able, key=lambda member: (self.disks[member].last, member))
            assert self.disks[self.leader].last >= self.acknowledged, "the new leader lacks an acknowledged write"
        if self.leader is None:
            for pod in self.pods.values():
                pod.synced = False
            return
        for member, pod in self.pods.items():
            # A member that is in no configuration follows as well, without a vote.
            pod.synced = pod.running
            if pod.running:
                self.disks[member] = Disk(self.committed, self.disks[self.leader].last)

    def _found(self) -> None:
        config = self.children.get(Child.CONFIG_MAP, {})
        servers = parse_servers(config.get("data", {}).get("members", ""))
        founders = [m for m, pod in self.pods.items() if pod.running and pod.founder and self.disks[m].empty]
        if servers and len(founders) > len(servers) // 2:
            self.founded += 1
            self._commit(servers)
            for member in founders:
                self.disks[member] = Disk(self.committed, 0)

    def _may_vote(self, member: int) -> bool:
        pod = self.pods.get(member)
        if pod is None or not pod.running:
            return False
        founding_again = self.disks[member].empty and pod.founder and not pod.synced and self.committed is None
        assert not founding_again
        return not self.disks[member].empty

    def _write(self) -> None:
        if self.leader is None or self.committed is None:
            return
        followers = [m for m in self.committed.voters if self._serves(m)]
        if len(followers) >= self.committed.quorum:
            self.acknowledged += 1
            for member, pod in self.pods.items():
                if pod.synced:
                    self.disks[member].last = self.acknowledged

    def _serves(self, member: int) -> bool:
        pod = self.pods.get(member)
        return pod is not None and pod.running and pod.synced and self.leader is not None

    def _stop(self, member: int) -> None:
        if member in self.pods:
            self.pods[member].running = self.pods[member].synced = False
        if self.leader == member:
            self.leader = None

    def _commit(self, servers: tuple[Server, ...]) -> None:
        version = self.committed.version + 256 if self.committed is not None else 256
        self.committed = Configuration(version, tuple(sorted(servers)))
