"""A world whose ensemble loses its quorum and begins again: volumes remember of which incarnation their data is."""

from dataclasses import dataclass, field

from tests.support.models.ensemble_members import Disk, SimPod
from tests.support.models.ensemble_simulation import NAMES, raw_cluster
from tests.support.worlds.ensemble import KEY, EnsembleWorld
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, Server
from zkoperator.ensemble.model.names import OBSERVER_BASE, RECOVER, is_observer
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS, Manifest

FOR_EVER = 1_000_000


@dataclass
class RecoveryWorld(EnsembleWorld):
    """A namespace in which one cluster lives, and in which pods may not end although they should."""

    begun: dict[int, int] = field(default_factory=dict)
    """The epoch of the incarnation of each member's volume."""
    lingering: set[int] = field(default_factory=set)
    """Members whose pods are told to end, and run on: their nodes cannot be reached."""
    epochs: list[int] = field(default_factory=list)
    """The epochs that seeds began with."""

    # What a test does

    async def lose(self, *members: int) -> None:
        """Let these members be gone until all are stopped, new pods of theirs included, and everybody see it."""
        self.stuck = frozenset(members)
        for member in members:
            self.crash(member, FOR_EVER)
        for _ in range(3):
            await self.turn()

    def approve(self, text: str) -> None:
        self.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"metadata": {"annotations": {RECOVER: text}}})

    def come_back(self) -> None:
        """Let those who are gone serve again by themselves."""
        self.stuck = frozenset()
        for pod in self.pods.values():
            pod.down_for = 0

    async def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            await self.turn()

    @property
    def was_killed(self) -> bool:
        return self.kill_at is None

    @property
    def incarnation(self) -> Manifest:
        found: Manifest = ((self.cluster() or {}).get("status") or {}).get("incarnation") or {}
        return found

    # Kubernetes

    def _controllers(self) -> None:
        live = self.children.get(Child.STATEFUL_SET)
        if live is not None:
            first = live["spec"].get("ordinals", {}).get("start", 0) + 1
            wanted = range(first, first + live["spec"]["replicas"])
            for member in [member for member in self.pods if member not in wanted and not is_observer(member)]:
                self._end(member)
            if Child.CONFIG_MAP in self.children:
                self._claim_pods(live)
                for member in [member for member in wanted if member not in self.pods]:
                    self._make_pod(member, live)
        if (observers := self.children.get(Child.OBSERVERS)) is not None:
            last = OBSERVER_BASE + observers["spec"]["replicas"]
            for member in [member for member in self.pods if member > max(last, OBSERVER_BASE)]:
                self._end(member)
            if last > OBSERVER_BASE:
                self._control(observers, OBSERVER_BASE)

    def _end(self, member: int) -> None:
        if member in self.lingering:
            self.pods[member].deleting = True
            self.api.edit(PODS, "demo", NAMES.pod(member), {"metadata": {"deletionTimestamp": "now"}})
            return
        self.api.remove(PODS, "demo", NAMES.pod(member))
        self.stuck -= {member}
        self._stop(member)
        del self.pods[member]

    # The start procedure, and ZooKeeper

    def _start(self, pod: SimPod) -> None:
        env = {entry["name"]: entry.get("value") for entry in pod.template["spec"]["containers"][0]["env"]}
        asked = int(env.get("ZK_INCARNATION") or 0)
        if self.begun.get(pod.member, 0) < asked:
            self._begin(pod.member, asked, env)
        super()._start(pod)

    def _begin(self, member: int, incarnation: int, env: dict[str, str | None]) -> None:
        if env.get("ZK_SEED") != NAMES.pod(member):
            self.disks[member] = Disk()
        else:
            past = [other for other in self.pods if other != member and self.begun.get(other, 0) < incarnation]
            assert not past, f"members of the past run on: {past}"
            assert not self.disks[member].empty, "the seed has no data"
            self.epochs.append(incarnation)
            self.acknowledged = self.disks[member].last
            version = (self.committed.version if self.committed is not None else 0) + 2**40
            self.committed = Configuration(version, (self._line(member),))
            self.disks[member].configuration = self.committed
            self.leader = None
        self.begun[member] = incarnation

    def _line(self, member: int) -> Server:
        assert self.committed is not None
        line = self.committed.find(member)
        assert line is not None
        return line

    def _elect(self) -> None:
        super()._elect()
        if self.leader is not None:
            of_leader = self.begun.get(self.leader, 0)
            mixed = [m for m, pod in self.pods.items() if pod.synced and self.begun.get(m, 0) != of_leader]
            assert not mixed, f"members of several incarnations serve together: {mixed}"


def recovery_world(replicas: int = 3, **spec: object) -> RecoveryWorld:
    raw = raw_cluster(replicas, **spec)
    return RecoveryWorld({"metadata": {"name": "main", "namespace": "demo"}, "spec": raw["spec"]})
