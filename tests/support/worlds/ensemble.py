"""The whole reconciler against an API server in memory, with controllers, kubelets and ZooKeeper played by a model.

Everything the operator does passes through its ports, so it can be killed at any write, before or after it took effect.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.fakes.kube import FakeKube, Operation
from tests.support.models.ensemble_simulation import GOOD, raw_cluster
from tests.support.worlds.ensemble_kubernetes import PlayedKubernetes
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, parse_servers
from zkoperator.ensemble.model.names import CHILD_LABELS, CLIENT_PORT, TLS_PORT
from zkoperator.ensemble.observe.answers import Serving, Silent
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.validate import Defaults
from zkoperator.errors import TransientError, UnknownOutcomeError, ZkOperatorError
from zkoperator.kube.port import (
    EVENTS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    ZOOKEEPER_CLUSTERS,
    Manifest,
    Resource,
)
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import WHEN_WOKEN
from zkoperator.runtime.wall_clock import utc_now
from zkoperator.zk.port import BadVersionError, ClientTls, Credential, Node, Stat

KEY = Key("demo", "main")


_STAT = Stat(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class KilledError(Exception):
    """The operator is no more; nothing of it may catch this."""


class Peeking:
    """A store that is never behind: reading it is no request."""

    def __init__(self, api: FakeKube) -> None:
        self._api = api

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        found = self._api.peek(resource, namespace, name)
        return found if found is None or resource is not PODS or _is_followed(found) else None


def _is_followed(pod: Manifest) -> bool:
    """Whether an informer sees the pod."""
    return CHILD_LABELS.items() <= (pod["metadata"].get("labels") or {}).items()


class Lagging:
    """A store that shows what was there so many looks ago, and answers from there until it moves on."""

    def __init__(self, api: FakeKube, behind: int) -> None:
        self._api = api
        self._behind = behind
        self._seen: list[dict[tuple[str, str], Manifest]] = []

    def look(self) -> None:
        kinds = (*dict.fromkeys(child.resource for child in Child), PODS, PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_CLUSTERS)
        self._seen.append({(r.plural, m["metadata"]["name"]): m for r in kinds for m in self._api.every(r)})

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        seen = self._seen[max(0, len(self._seen) - 1 - self._behind)]
        return seen.get((resource.plural, name))


class Ticking:
    """A clock that goes on by a second a turn."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_s(self) -> float:
        return self.seconds

    async def sleep(self, delay_s: float) -> None:
        raise NotImplementedError

    def call_later(self, delay_s: float, call: Callable[[], None]) -> Any:
        raise NotImplementedError


@dataclass
class EnsembleWorld(PlayedKubernetes):
    """A namespace in which one cluster lives."""

    clock: Ticking = field(default_factory=Ticking)
    reconfigurations: int = 0
    writes: int = 0
    kill_at: tuple[int, bool] | None = None
    """Kill at this write (from 0), after it took effect or before."""
    counts_budgets: bool = True
    """Whether the disruption controller keeps up with everybody else."""
    made: list[str] = field(default_factory=list)
    plain_clients: int = 0
    """How many clients are connected to each member without TLS."""
    asked_in_plain: int = 0
    """How often the operator has asked members with a TLS port without TLS."""
    today: datetime = field(default_factory=utc_now)
    """What the clocks on the walls showed when the clock of the operator showed 0."""

    def __post_init__(self) -> None:
        self.api.before = lambda operation: self._write_begins(operation)
        self.api.after = lambda operation: self._write_is_done(operation)
        self.store: Peeking | Lagging = Peeking(self.api)
        self.api.put(
            ZOOKEEPER_CLUSTERS, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperCluster", **self.raw}
        )
        self.start_operator()

    def start_operator(self) -> None:
        self.operator = self.operator_with(self.api, self)

    def operator_with(self, api: Any, members: Any) -> EnsembleReconciler:
        """Return an operator of this world that reaches Kubernetes and the members in this way."""
        return EnsembleReconciler(api, self.store, members, members, Defaults(GOOD), self.clock, wall=self.wall)

    def wall(self) -> datetime:
        return self.today + timedelta(seconds=self.clock.seconds)

    # Faults

    def _write_begins(self, operation: Operation) -> None:
        if operation.is_write:
            self._count(after=False)

    def _write_is_done(self, operation: Operation) -> None:
        if operation.is_write:
            self._count(after=True)
            if operation.resource is not EVENTS and operation.verb in ("create", "delete", "evict"):
                self.made.append(f"{operation.verb} {operation.resource.plural}/{operation.name}")

    def _count(self, *, after: bool) -> None:
        if self.kill_at == (self.writes, after):
            self.kill_at = None
            self.writes += after
            raise KilledError
        self.writes += after

    # The play

    def move(self) -> None:
        """Let everybody but the operator act once."""
        self.clock.seconds += 1.0
        self.api.now = self.wall().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.api.collect_garbage()
        self._see_kubernetes()
        self._controllers()
        self._storage()
        self._kubelet()
        self._elect()
        self._write()
        self._tell_kubernetes()
        if self.counts_budgets:
            self.api.count_budgets()
        if isinstance(self.store, Lagging):
            self.store.look()

    async def turn(self) -> bool:
        """Let everybody act once; returns whether the operator found nothing to do."""
        self.move()
        before = self.writes
        try:
            again = await self.operator.reconcile(KEY)
        except KilledError:
            self.start_operator()
            return False
        except ZkOperatorError:
            return False
        return self.writes == before and again != WHEN_WOKEN and again.after_s > 1.0

    async def rest(self, turns: int = 150) -> None:
        """Play until the operator has nothing to do and everybody serves."""
        quiet = 0
        for _ in range(turns):
            quiet = quiet + 1 if await self.turn() and self.healthy else 0
            if quiet == 3:
                return
        status = (self.cluster() or {}).get("status", {})
        raise AssertionError(f"not at rest: {json.dumps(status.get('conditions'), indent=1)}, {self.committed}")

    def cluster(self) -> Manifest | None:
        return self.api.peek(ZOOKEEPER_CLUSTERS, *KEY)

    def condition(self, kind: str) -> Manifest:
        found: Manifest = self.cluster() or {}
        return next(c for c in found["status"]["conditions"] if c["type"] == kind)

    def condition_or_none(self, kind: str, reason: str) -> Manifest | None:
        """The condition, if there is one of this kind with this reason."""
        found = ((self.cluster() or {}).get("status") or {}).get("conditions") or ()
        return next((c for c in found if (c["type"], c["reason"]) == (kind, reason)), None)

    def ask_for(self, **spec: Any) -> None:
        self.raw["spec"].update(spec)
        self.api.edit(ZOOKEEPER_CLUSTERS, *KEY, {"spec": spec})

    # ZooKeeper: a probe and a connector in one

    async def ask(self, host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        member = int(host.rpartition(".")[2])
        reached = self._alive(host) and self._listens(member, port, tls)
        answer = self._answer(member) if reached else Silent("no such host")
        if isinstance(answer, Silent):
            raise TransientError(f"{word} to {host}: refused")
        if not isinstance(answer, Serving):
            return "This ZooKeeper instance is not currently serving requests\n"
        if word == "stat":
            self.asked_in_plain += 1
            lines = (f" /10.1.0.{n}:4000[1](queued=0,recved=1,sent=1)\n" for n in range(self.plain_clients + 1))
            return f"Clients:\n{''.join(lines)} /127.0.0.1:4000[1](queued=0,recved=1,sent=0)\n"
        if word == "srvr":
            return f"Zookeeper version: {answer.version}-x\nZxid: {answer.zxid:#x}\nMode: {answer.mode.value}\n"
        if word == "mntr":
            counts = {"synced_followers": answer.synced, "synced_non_voting_followers": answer.synced_non_voting}
            return "".join(f"zk_{key}\t{value}\n" for key, value in counts.items() if value is not None) or "zk_a\t1\n"
        return f"serverId={host.rpartition('.')[2]}\n{self._config_text()}"

    async def open(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Any:
        found = [host.rpartition(":") for host in hosts]
        members = [host for host, _, port in found if self._listens(int(host.rpartition(".")[2]), int(port), tls)]
        return WorldSession(self, members, credential)

    def _listens(self, member: int, port: int, tls: ClientTls | None) -> bool:
        """Whether the member is there, and listens at this port for this."""
        if member not in self.pods:
            return False
        return self.pods[member].tls.client if port == TLS_PORT else port == CLIENT_PORT and tls is None

    def _alive(self, host: str) -> bool:
        return int(host.rpartition(".")[2]) in self.pods

    def _config_text(self) -> str:
        assert self.committed is not None
        return "\n".join((*self.committed.lines, f"version={self.committed.version:x}"))


class WorldSession:
    """What a reconfiguration needs of a session."""

    def __init__(self, world: EnsembleWorld, hosts: list[str], credential: Credential | None) -> None:
        self._world = world
        self._hosts = hosts
        self._credential = credential

    async def sync(self, path: str) -> None:
        self._world._elect()
        if not any(self._world._serves(int(host.rpartition(".")[2])) for host in self._hosts):
            raise TransientError("not connected")

    async def get(self, path: str) -> Node:
        return Node(self._world._config_text().encode(), _STAT, self._world.acknowledged)

    async def reconfig(
        self, *, joining: Sequence[str] = (), leaving: Sequence[int] = (), from_config: int
    ) -> tuple[str, int]:
        world = self._world
        assert self._credential is not None, "only the superuser may"
        assert world.committed is not None
        world._count(after=False)
        if from_config != world.committed.version:
            raise BadVersionError("another version")
        left_leader = world.leader in leaving
        self._change(world.committed, parse_servers("\n".join(joining)), leaving)
        world.reconfigurations += 1
        world._count(after=True)
        if left_leader:
            raise UnknownOutcomeError("the leader left")
        return world._config_text(), world.committed.version

    def _change(self, before: Configuration, joining: Sequence[Any], leaving: Sequence[int]) -> None:
        world = self._world
        servers = {server.id: server for server in before.servers if server.id not in leaving}
        servers |= {server.id: server for server in joining}
        voters = {server.id for server in servers.values() if server.voting}
        serving = sum(world._serves(member) for member in voters)
        # New ports of the same voters are a write like any other, for which a majority is enough.
        needed = len(voters) // 2 + 1 if voters == before.voters else len(voters)
        assert serving >= needed, "a voter of the new configuration does not serve"
        world._commit(tuple(servers.values()))
        for member, pod in world.pods.items():
            if pod.synced:
                world.disks[member].configuration = world.committed
        if world.leader not in voters:
            world.leader = None

    async def close(self) -> None:
        return None


def ensemble_world(replicas: int = 3, **spec: Any) -> EnsembleWorld:
    raw = raw_cluster(replicas, **spec)
    return EnsembleWorld({"metadata": {"name": "main", "namespace": "demo"}, "spec": raw["spec"]})
