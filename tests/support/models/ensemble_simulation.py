"""A model of an ensemble on Kubernetes, in which the real planner is let loose: one tick is one pass of everybody.

What must never break is asserted where it could: by the members in `ensemble_members.py`, and by each step here.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, assert_never

from tests.support.models.ensemble_members import Disk, Members, SimPod
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import CLOSED, OPEN, Server, parse_servers
from zkoperator.ensemble.model.names import (
    CONTAINER,
    MADE_WITH,
    OBSERVER_BASE,
    REVISION,
    TEMPLATE,
    Component,
    Names,
    is_observer,
)
from zkoperator.ensemble.model.tls import Certificates, Leaf
from zkoperator.ensemble.observe.answers import Answer, Mode, NotServing, Serving, Silent
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.pod_view import pod_view
from zkoperator.ensemble.plan.plan import Plan, make_plan
from zkoperator.ensemble.plan.steps import (
    ApplyChild,
    CertificateStep,
    CreateSecret,
    DeleteClaim,
    LabelPod,
    NoteOnClaim,
    Reconfigure,
    RecordBootstrap,
    RecoveryStep,
    RemoveChild,
    RemovePods,
    RestartPod,
    Step,
    VolumeStep,
    WriteBinding,
)
from zkoperator.ensemble.validate import Defaults, ValidatedCluster, validate
from zkoperator.kube.port import Manifest

GOOD, BETTER, BAD = "zookeeper:3.9.5", "zookeeper:3.9.6", "zookeeper:nothing"
NAMES = Names("demo", "main")
UID = "uid-of-main"


LEAF = Leaf("CN=demo/main", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


_UIDS = {Child.STATEFUL_SET: "set", Child.OBSERVERS: "observers-set"}


def _set_of(member: int) -> Child:
    """The StatefulSet that has the pod of the member."""
    return Child.OBSERVERS if is_observer(member) else Child.STATEFUL_SET


def raw_cluster(replicas: int = 3, **spec: Any) -> Manifest:
    return {
        "apiVersion": "zkoperator.dev/v1alpha1",
        "kind": "ZooKeeperCluster",
        "metadata": {"name": "main", "namespace": "demo", "uid": UID, "resourceVersion": "1", "generation": 1},
        "spec": {"replicas": replicas, "image": GOOD, **spec},
        "status": {},
    }


def valid(raw: Manifest) -> ValidatedCluster:
    return validate(raw, Defaults(GOOD))


@dataclass
class Simulation(Members):
    raw: Manifest
    claims: dict[int, ClaimView] = field(default_factory=dict)
    secret: bool = False
    password: str = "s"
    dark: frozenset[int] = frozenset()
    stuck: frozenset[int] = frozenset()
    certificates: Certificates = field(default_factory=lambda: Certificates(client=LEAF, quorum=LEAF))
    plan: Plan | None = None
    restarts: list[int] = field(default_factory=list)
    _uids: Iterable[int] = field(default_factory=lambda: itertools.count(1))

    # What the outside does

    def edit(self, **spec: Any) -> None:
        self.raw["spec"].update(spec)
        self.raw["metadata"]["generation"] += 1

    def wipe(self, member: int) -> None:
        if member in self.pods:
            self.disks[member] = Disk()
            self._stop(member)

    def delete_pod(self, member: int) -> None:
        if member in self.pods:
            self.pods[member].deleting = True

    def crash(self, member: int, ticks: int = 1) -> None:
        """Stop a member's container, and let it start again after so many ticks."""
        if member in self.pods:
            self._stop(member)
            self.pods[member].down_for = ticks

    def reconfigure_by_hand(self, servers: tuple[Server, ...]) -> None:
        assert self.committed is not None
        self._commit(servers)

    # One tick of everybody

    def tick(self) -> Plan:
        self._stateful_set_controller()
        self._kubelet()
        self._elect()
        self._write()
        cluster = valid(self.raw)
        self.plan = make_plan(cluster, self.observe())
        assert len(self.plan.disruptive) <= 1, self.plan
        for step in self.plan.steps:
            self._execute(step)
        if self.leader is not None and self.committed is not None:
            self.raw["status"]["replicas"] = len(self.committed.voters)
        return self.plan

    def settle(self, ticks: int = 80) -> Plan:
        """Tick until nothing is to be done any more and everybody serves."""
        for _ in range(ticks):
            plan = self.tick()
            if plan.settled and self.healthy:
                return plan
        raise AssertionError(f"not settled after {ticks} ticks: {self.plan}, {self.committed}, {self.pods}")

    @property
    def healthy(self) -> bool:
        wanted = set(range(1, int(self.raw["spec"]["replicas"]) + 1))
        members = {server.id for server in self.committed.servers} if self.committed is not None else set()
        voters = set(self.committed.voters) if self.committed is not None else set()
        everybody = wanted | self.wanted_observers
        return voters == wanted and members == everybody == set(self.pods) and all(map(self._serves, everybody))

    @property
    def wanted_observers(self) -> set[int]:
        asked = self.raw["spec"].get("observers")
        count = int(asked.get("replicas", 1)) if asked is not None else 0
        return set(range(OBSERVER_BASE + 1, OBSERVER_BASE + count + 1))

    def observe(self) -> Observed:
        config = self.children.get(Child.CONFIG_MAP)
        return Observed(
            children=dict(self.children),
            pods={m: pod_view(m, self._pod_manifest(pod)) for m, pod in self.pods.items() if not is_observer(m)},
            claims=dict(self.claims),
            answers={m: self._answer(m) for m in self.pods if not is_observer(m)},
            observer_pods={m: pod_view(m, self._pod_manifest(pod)) for m, pod in self.pods.items() if is_observer(m)},
            observer_answers={m: self._answer(m) for m in self.pods if is_observer(m)},
            recorded=parse_servers(config["data"]["members"]) if config is not None else (),
            secret_id=self.password if self.secret else None,
            certificates=self.certificates,
        )

    # The parts

    def _new_disk(self) -> Disk:
        return Disk()

    @property
    def _ephemeral(self) -> bool:
        return bool(self.raw["spec"].get("storage", {}).get("type") == "Ephemeral")

    def _stateful_set_controller(self) -> None:
        for member in [member for member, pod in self.pods.items() if pod.deleting]:
            del self.pods[member]
        for child, base in ((Child.STATEFUL_SET, 0), (Child.OBSERVERS, OBSERVER_BASE)):
            live = self.children.get(child)
            if live is None or Child.CONFIG_MAP not in self.children:
                continue
            last = base + live["spec"]["replicas"]
            for member in [m for m in self.pods if is_observer(m) == (base > 0)]:
                self.pods[member].deleting |= member > last
            for member in range(base + 1, last + 1):
                if member not in self.pods:
                    self._create_pod(member, live["spec"]["template"])

    def _create_pod(self, member: int, template: Manifest) -> None:
        env = {entry["name"]: entry.get("value") for entry in template["spec"]["containers"][0]["env"]}
        word = self.children[Child.CONFIG_MAP]["data"]["bootstrap"]
        founder = bool(word) and env["ZK_BOOTSTRAP"] == word
        self.pods[member] = SimPod(member, f"pod-{next(iter(self._uids))}", template, founder)
        assert (env.get("ZK_FIRST_ID") == str(OBSERVER_BASE + 1)) == is_observer(member), "it takes another's id"
        assert not (founder and is_observer(member)), "an observer may found an ensemble"
        if self._ephemeral or is_observer(member):
            self.disks[member] = Disk()
        self.disks.setdefault(member, Disk())
        if member not in self.claims and not self._ephemeral and not is_observer(member):
            uid = f"claim-{next(iter(self._uids))}"
            self.claims[member] = ClaimView(NAMES.claim(member), uid, "1", member)

    def _kubelet(self) -> None:
        for pod in self.pods.values():
            if pod.down_for > 0:
                pod.down_for -= 1
            elif not pod.running and pod.image != BAD and not pod.deleting and pod.member not in self.stuck:
                self._start(pod)

    def _start(self, pod: SimPod) -> None:
        others = [other.tls.quorum for m, other in self.pods.items() if other is not pod and not is_observer(m)]
        assert all(abs(other - pod.tls.quorum) <= 1 for other in others), "the others do not understand it"
        assert self.certificates.suffice(pod.tls), "a member starts without its certificate"
        line = self.committed.find(pod.member) if self.committed is not None else None
        self._require_open_port(line)
        pod.running = True

    def _require_open_port(self, line: Server | None) -> None:
        closed = line is not None and line.client == CLOSED
        assert line is None or not closed or self.pods[line.id].tls.client, "no client can reach it"

    def _answer(self, member: int) -> Answer:
        pod = self.pods[member]
        if member in self.dark or not pod.running or self._listens_elsewhere(member):
            return Silent("dark")
        if not self._serves(member):
            return NotServing()
        assert self.committed is not None
        observers = {server.id for server in self.committed.servers if not server.voting}
        # Observers that are in the configuration are in none of the leader's counts of followers.
        following = [m for m in self.pods if self._serves(m) and m != self.leader and m not in observers]
        strangers = [m for m in following if m not in self.committed.voters]
        leads = member == self.leader
        return Serving(
            Mode.LEADER if leads else Mode.OBSERVER if member in observers else Mode.FOLLOWER,
            # A reconfiguration is a transaction, too.
            self.acknowledged + self.committed.version,
            "3.9.5",
            self.committed,
            len(following) if leads else None,
            len(strangers) if leads else None,
        )

    def _listens_elsewhere(self, member: int) -> bool:
        """It has no TLS, and its line names another port than that of plaintext: it votes, and cannot be asked."""
        line = self.committed.find(member) if self.committed is not None else None
        return line is not None and line.client != OPEN and not self.pods[member].tls.client

    def _pod_manifest(self, pod: SimPod) -> Manifest:
        waiting = {"waiting": {"reason": "ImagePullBackOff" if pod.image == BAD else "ContainerCreating"}}
        state = {"running": {}} if pod.running else waiting
        meta: dict[str, Any] = {
            "name": NAMES.pod(pod.member),
            "uid": pod.uid,
            "annotations": pod.template["metadata"]["annotations"],
            "labels": NAMES.labels_of(Component.OBSERVER if is_observer(pod.member) else Component.SERVER),
            "ownerReferences": [{"uid": _UIDS[_set_of(pod.member)], "controller": True}],
        }
        if pod.deleting:
            meta["deletionTimestamp"] = "now"
        ready = {"type": "Ready", "status": "True" if self._serves(pod.member) else "False"}
        container = {"name": CONTAINER, "state": state}
        status = {"podIP": "10.0.0.1", "conditions": [ready], "containerStatuses": [container]}
        spec = {"containers": [{"name": CONTAINER, "image": pod.image}]}
        return {"metadata": meta, "spec": spec, "status": status}

    # What steps do, and what they never may

    def _execute(self, step: Step) -> None:
        assert not isinstance(step, CertificateStep), "nobody delivers certificates to the model"
        assert not isinstance(step, RecoveryStep), "nobody approves a recovery in the model"
        assert not isinstance(step, VolumeStep), "nobody asks for other volumes in the model"
        assert not isinstance(step, WriteBinding), "nobody has read a binding Secret in the model"
        assert not isinstance(step, RemoveChild), "nobody comes from outside in the model"
        match step:
            case RecordBootstrap(members, complete, ensemble):
                self.raw["status"].setdefault("bootstrap", {}).update(members=members, complete=complete)
                if ensemble:
                    self.raw["status"]["bootstrap"]["ensemble"] = ensemble
            case CreateSecret():
                assert not self.secret, "the password was made twice"
                self.secret = True
            case ApplyChild(child, manifest):
                self._apply(child, manifest)
            case NoteOnClaim(claim, membership, owned, ensemble):
                owners = (UID,) if owned else ()
                self.claims[claim.member] = ClaimView(
                    claim.name, claim.uid, "2", claim.member, membership, ensemble, owners
                )
            case DeleteClaim(claim):
                self._delete_claim(claim)
            case Reconfigure():
                self._reconfigure(step)
            case RemovePods(manifest, _, _, removed):
                assert self.committed is not None
                assert not set(removed) & {server.id for server in self.committed.servers}, "a member loses its pod"
                self._apply(_set_of(removed[0]), manifest)
            case LabelPod() | RestartPod():
                assert isinstance(step, RestartPod), "a pod lost its labels"
                self._restart(step)
            case _:
                assert_never(step)

    def _apply(self, child: Child, manifest: Manifest) -> None:
        assert self.raw["status"].get("bootstrap"), "a child was made before the record"
        before = self.children.get(child)
        if child in _UIDS and before is not None and self.committed is not None:
            base = OBSERVER_BASE if child is Child.OBSERVERS else 0
            gone = range(base + manifest["spec"]["replicas"] + 1, base + before["spec"]["replicas"] + 1)
            assert not set(gone) & {server.id for server in self.committed.servers}, "a member loses its pod"
        uid = _UIDS.get(child, f"{child.title}-uid")
        self.children[child] = {**manifest, "metadata": {**manifest["metadata"], "uid": uid, "resourceVersion": "1"}}

    def _delete_claim(self, claim: ClaimView) -> None:
        assert self.committed is not None
        assert claim.member not in {server.id for server in self.committed.servers}, "a member loses its disk"
        assert claim.member not in self.pods, "a disk in use is deleted"
        del self.claims[claim.member]
        self.disks.pop(claim.member, None)

    def _reconfigure(self, step: Reconfigure) -> None:
        assert self.committed is not None, "a reconfiguration from an unknown configuration"
        assert self.leader is not None
        assert step.from_version == self.committed.version
        made_with = self.pods[self.leader].template["metadata"]["annotations"][MADE_WITH]
        assert made_with == self.password, "the leader does not know the superuser"
        servers = {server.id: server for server in self.committed.servers if server.id not in step.leaving}
        servers |= {server.id: server for server in step.joining}
        voters = {server.id for server in servers.values() if server.voting}
        assert voters == step.voters
        serving = sum(self._serves(member) for member in voters)
        # New ports of the same voters are a write like any other, for which a majority is enough.
        needed = len(voters) // 2 + 1 if voters == self.committed.voters else len(voters)
        assert serving >= needed, "a voter of the new configuration does not serve"
        for server in servers.values():
            self._require_open_port(server)
        self._commit(tuple(servers.values()))
        for member, pod in self.pods.items():
            if pod.synced:
                self.disks[member].configuration = self.committed
        if self.leader not in voters:
            self.leader = None

    def _restart(self, step: RestartPod) -> None:
        pod = self.pods[step.member]
        assert pod.uid == step.uid
        assert not pod.deleting
        if is_observer(step.member):
            self._require_other_observer(step)
        voters = self.committed.voters if self.committed is not None else frozenset()
        serving = {member for member in voters if self._serves(member)}
        if step.member in serving:
            observers = {m for m in self.pods if is_observer(m)}
            late = {m for m in observers if self._is_outdated(m)}
            assert not late or not all(map(self._serves, observers)), "a voter goes before an observer"
        if step.member in serving and self.committed is not None and len(voters) > 2:
            assert len(serving) == len(voters), "a voter is restarted while another one is away"
            if step.member == self.leader:
                outdated = {m for m in serving if self._is_outdated(m)}
                assert outdated <= {step.member}, "the leader goes before a follower"
        assert not step.harmless or step.member not in serving, "called harmless, and serves"
        unproven = [m for m in voters if m in self.pods and not self.pods[m].running and self._is_newest(m)]
        assert not unproven or step.member not in voters, "another voter gets what the first has not started with"
        self.restarts.append(step.member)
        pod.deleting = True
        pod.running = pod.synced = False
        if self.leader == step.member:
            self.leader = None

    def _require_other_observer(self, step: RestartPod) -> None:
        others = self.wanted_observers - {step.member}
        if self._serves(step.member) and others:
            assert any(self._serves(other) for other in others), "no observer is left"
        assert not step.harmless or not self._serves(step.member), "called harmless, and serves"

    def _is_newest(self, member: int) -> bool:
        wanted = self.children[_set_of(member)]["spec"]["template"]["metadata"]["annotations"]
        have = self.pods[member].template["metadata"]["annotations"]
        return all(have[key] == wanted[key] for key in (REVISION, TEMPLATE))

    def _is_outdated(self, member: int) -> bool:
        wanted = self.children[_set_of(member)]["spec"]["template"]["metadata"]["annotations"]
        have = self.pods[member].template["metadata"]["annotations"]
        return bool(have[REVISION] != wanted[REVISION] and have[TEMPLATE] != "")
