"""Observes one cluster: reads its children from the API and asks every member at the address of its pod. I/O."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Protocol

from zkoperator.api.cluster import MAX_REPLICAS
from zkoperator.backup.observe.image import ImageFinder
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.build.secret import digest
from zkoperator.ensemble.build.tls import has_tls
from zkoperator.ensemble.model.configuration import Server, parse_servers
from zkoperator.ensemble.model.names import CLIENT_PORT, Names
from zkoperator.ensemble.model.tls import NO_TLS, Certificates
from zkoperator.ensemble.observe.access import client_tls, port_of
from zkoperator.ensemble.observe.answers import Answer, Serving, Silent, is_as_before, read_answer
from zkoperator.ensemble.observe.backups import backups_of
from zkoperator.ensemble.observe.binding import BindingReader, BindingState
from zkoperator.ensemble.observe.certificates import CertificateReader, CertificateState
from zkoperator.ensemble.observe.child_refusals import ChildRefusals
from zkoperator.ensemble.observe.claim_view import ClaimView, claim_view
from zkoperator.ensemble.observe.creation_failure import AbsenceState, CreationFailureReader
from zkoperator.ensemble.observe.divergence import Divergence, MismatchGrowth, groups_of
from zkoperator.ensemble.observe.downtime import Downtime
from zkoperator.ensemble.observe.egress import EgressReader, EgressState
from zkoperator.ensemble.observe.expansions import ExpansionWatch
from zkoperator.ensemble.observe.nodes import NodeReader, NodesState
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.observe.observer_pods import observers_of, read_observer_pods, voters_of
from zkoperator.ensemble.observe.ownership import ownership_of, password_of
from zkoperator.ensemble.observe.pod_view import PodView, pod_view
from zkoperator.ensemble.observe.restore import RestoreReader
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.errors import ForbiddenError, TransientError
from zkoperator.kube.port import (
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    KubeApi,
    Manifest,
    Resource,
)
from zkoperator.runtime.wall_clock import utc_now
from zkoperator.zk.port import MemberProbe

MAX_PODS = MAX_REPLICAS + 3
"""Highest id of a voter whose pod and claim are read by name."""

TERMINATING_PROBE_S = 0.3
"""Seconds to wait for the answer of a terminating pod, which may never come."""

PLAINTEXT_PROBE_S = 1.0
"""Seconds to wait for an answer at the plaintext port, which may be closed; nothing is decided by it."""

FULL_LOOK_S = 30.0
"""Seconds after which members at rest are asked for everything again, and not only for their last transaction."""

SECRET_MAX_AGE_S = 60.0
"""Seconds for which a Secret that was read is not read again."""


_Ask = Callable[[PodView, str], Awaitable[str]]
Schedules = Callable[[str], Iterable[Manifest] | None]
"""Returns the ZooKeeperBackupSchedules of a namespace, None while they are not known."""


def unknown_schedules(_: str) -> None:
    """Know no schedules, as a single command does."""


class Store(Protocol):
    """A source of objects: the snapshots of informers, or the API itself."""

    async def fetch(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object, or None. The object is shared and must not be modified."""


@dataclass(frozen=True, slots=True)
class KnownSecret:
    """The Secret of the cluster with this uid, read at this monotonic time; a later cluster of the name has another.

    `identity` is its name, labels and owners.
    """

    uid: str
    read_s: float
    secret_id: str
    identity: Manifest


@dataclass(frozen=True, slots=True)
class FullLook:
    """What the members answered when they were asked for everything, and when that was (monotonic)."""

    at_s: float
    answers: Mapping[int, Answer]


@dataclass(slots=True)
class ObserverState:
    """What the observer remembers of one cluster between observations."""

    secret: KnownSecret | None = None
    """The Secret when it was last read and could be used."""
    downtime: Downtime = field(default_factory=Downtime)
    """Since when members have not served."""
    mismatches: MismatchGrowth = field(default_factory=MismatchGrowth)
    """How many digest mismatches each member has counted."""
    egress: EgressState = field(default_factory=EgressState)
    """Which policies of others deny egress."""
    certificates: CertificateState = field(default_factory=CertificateState)
    """The certificates of members, and what they come from."""
    binding: BindingState = field(default_factory=BindingState)
    """The Secret for service bindings."""
    absence: AbsenceState = field(default_factory=AbsenceState)
    """Since when a pod has been absent, and why."""
    observer_absence: AbsenceState = field(default_factory=AbsenceState)
    """The same of observers."""
    look: FullLook | None = None
    """The last full look at the members."""
    expansions: ExpansionWatch = field(default_factory=ExpansionWatch)
    """Since when claims grow, and which were refused to."""
    nodes: NodesState = field(default_factory=NodesState)
    """The nodes of members that do not serve."""
    refusals: ChildRefusals = field(default_factory=ChildRefusals)
    """Which optional children were refused."""


class Observer:
    """Observes clusters.

    Args:
        api: the Kubernetes API, for the Secret.
        store: the source of children, pods and claims.
        probe: sends four-letter words to members.
        now_s: monotonic time.
        wall: the time by which certificates begin and end.
        schedules: knows the schedules of backups.
        images: finds the image for Jobs.
        reads_nodes: whether the nodes of members that do not serve may be read.
    """

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        probe: MemberProbe,
        now_s: Callable[[], float],
        wall: Callable[[], datetime] = utc_now,
        schedules: Schedules = unknown_schedules,
        images: ImageFinder | None = None,
        *,
        reads_nodes: bool = False,
    ) -> None:
        self._schedules = schedules
        self._api = api
        self._store = store
        self._probe = probe
        self._now_s = now_s
        self._egress = EgressReader(api, now_s)
        self._nodes = NodeReader(api, now_s, may_read=reads_nodes)
        self._certificates = CertificateReader(api, now_s, wall)
        self._binding = BindingReader(api, now_s)
        self._creation_failures = CreationFailureReader(api, now_s)
        self._restores = RestoreReader(api, images or ImageFinder(api, "", "", ""), wall)

    async def observe(self, cluster: ValidatedCluster, state: ObserverState) -> Observed:
        """Return the observation. A member that does not answer is `Silent`; a failure of the API raises.

        Args:
            cluster: the cluster.
            state: of this cluster, from the last observation.
        """
        names = cluster.names
        seen = await self._objects(cluster, state)
        ask = partial(self._ask_member, names, seen.certificates)
        counted = cluster.plaintext_open
        answers = await self._ask_all(names, seen.pods, ask, counted=counted)
        state.look = FullLook(self._now_s(), answers)
        return await self._observed(cluster, seen, answers, state)

    async def glance(self, cluster: ValidatedCluster, state: ObserverState) -> Observed | None:
        """Observe by one word a member. Return None when a member says something new, or when a full look is due.

        The result only shows that nothing has changed: the counts of a leader are those of the last full look.
        """
        look, seen = state.look, await self._objects(cluster, state)
        asked = {member: pod for member, pod in seen.pods.items() if pod.ip}
        if look is None or self._now_s() - look.at_s >= FULL_LOOK_S or asked.keys() != look.answers.keys():
            return None
        ask = partial(self._ask_member, cluster.names, seen.certificates)
        said = await asyncio.gather(*(_say(pod, "srvr", ask) for pod in asked.values()))
        if not all(is_as_before(look.answers[member], srvr) for member, srvr in zip(asked, said, strict=True)):
            return None
        return await self._observed(cluster, seen, look.answers, state)

    async def _observed(
        self, cluster: ValidatedCluster, seen: "_Objects", answers: Mapping[int, Answer], state: ObserverState
    ) -> Observed:
        children, pods = seen.children, seen.pods
        superuser = await self._superuser(cluster, state)
        ask = partial(self._ask_member, cluster.names, seen.certificates)
        observed = Observed(
            children,
            voters_of(pods),
            seen.claims,
            voters_of(answers),
            observers_of(pods),
            observers_of(answers),
            _recorded(children),
            secret_id=superuser.secret_id,
            secret=superuser.secret,
            refused=superuser.refused,
            certificates=seen.certificates,
            binding=await self._binding.read(cluster, state.binding),
            expansions=state.expansions.read(seen.claims, self._now_s()),
            divergence=await self._divergence(pods, answers, state, ask),
            creation_failure=await self._creation_failure(children, pods, state),
            restore=await self._restores.read(cluster),
            refused_children=state.refusals.read(cluster.meta.generation, self._now_s()),
        )
        timed = state.downtime.timed(observed, self._now_s())
        policies = await self._egress.read(cluster.names, children, timed.leaderless_s, state.egress)
        schedules = self._schedules(cluster.meta.namespace)
        backups = backups_of(cluster.meta.name, schedules) if schedules is not None else None
        nodes = await self._nodes.read(timed, state.nodes)
        return replace(timed, egress_policies=policies, backups=backups, nodes=nodes)

    async def _creation_failure(
        self, children: Mapping[Child, Manifest], pods: Mapping[int, PodView], state: ObserverState
    ) -> str:
        """Return why a pod cannot be created, that of a voter before that of an observer."""
        read = self._creation_failures.read
        found = await read(children.get(Child.STATEFUL_SET), len(voters_of(pods)), state.absence)
        of_observers = await read(children.get(Child.OBSERVERS), len(observers_of(pods)), state.observer_absence)
        return found or of_observers

    async def _objects(self, cluster: ValidatedCluster, state: ObserverState) -> "_Objects":
        names = cluster.names
        children, pods, claims = await asyncio.gather(self._children(names), self._pods(names), self._claims(names))
        least = MAX_PODS if cluster.recovery is not None else 0
        pods |= await self._unfollowed_pods(names, children, pods, least)
        pods |= await read_observer_pods(cluster, children.get(Child.OBSERVERS), self._store.fetch, self._api.get)
        in_use = _has_tls(children, pods)
        certificates = await self._certificates.read(cluster, state.certificates, in_use=in_use)
        return _Objects(children, pods, claims, certificates)

    async def _children(self, names: Names) -> dict[Child, Manifest]:
        found = {
            child: await self._store.fetch(child.resource, names.namespace, child.name_of(names)) for child in Child
        }
        return {child: manifest for child, manifest in found.items() if manifest is not None}

    async def _pods(self, names: Names) -> dict[int, PodView]:
        members = range(1, MAX_PODS + 1)
        found = {m: await self._store.fetch(PODS, names.namespace, names.pod(m)) for m in members}
        return {m: pod_view(m, manifest) for m, manifest in found.items() if manifest is not None}

    async def _unfollowed_pods(
        self, names: Names, children: Mapping[Child, Manifest], pods: Mapping[int, PodView], least: int
    ) -> dict[int, PodView]:
        """Look for pods that the store lacks: one that has lost its labels runs on, and may vote.

        It looks for as many pods as the StatefulSet has, and for at least `least`.
        """
        live = children.get(Child.STATEFUL_SET)
        replicas = int(live["spec"].get("replicas", 1)) if live is not None else 0
        absent = [member for member in range(1, min(max(replicas, least), MAX_PODS) + 1) if member not in pods]
        found = await asyncio.gather(*(self._api.get(PODS, names.namespace, names.pod(m)) for m in absent))
        return {m: pod_view(m, manifest) for m, manifest in zip(absent, found, strict=True) if manifest is not None}

    async def _claims(self, names: Names) -> dict[int, ClaimView]:
        members = range(1, MAX_PODS + 1)
        resource = PERSISTENT_VOLUME_CLAIMS
        found = {m: await self._store.fetch(resource, names.namespace, names.claim(m)) for m in members}
        return {m: claim_view(m, manifest) for m, manifest in found.items() if manifest is not None}

    async def _ask_member(self, names: Names, certificates: Certificates, pod: PodView, word: str) -> str:
        tls = client_tls(names, certificates, [pod])
        return await self._probe.ask(pod.ip, port_of(pod), word, tls)

    async def _ask_all(
        self, names: Names, pods: Mapping[int, PodView], ask: _Ask, *, counted: bool
    ) -> dict[int, Answer]:
        asked = [member for member, pod in pods.items() if pod.ip]
        answers = await asyncio.gather(*(self._ask(names, pods[member], ask, counted=counted) for member in asked))
        return dict(zip(asked, answers, strict=True))

    async def _ask(self, names: Names, pod: PodView, ask: _Ask, *, counted: bool) -> Answer:
        try:
            async with asyncio.timeout(TERMINATING_PROBE_S if pod.deleting else None):
                srvr, mntr, conf, stat = await asyncio.gather(
                    *(ask(pod, word) for word in ("srvr", "mntr", "conf")),
                    self._plaintext_clients(pod, counted=counted),
                )
        except (TransientError, TimeoutError) as error:
            return Silent(_silence(pod, error))
        answer = read_answer(pod.member, srvr, mntr, conf, stat)
        return Silent("another ensemble answers at its address") if _is_foreign(names, pod, answer) else answer

    async def _plaintext_clients(self, pod: PodView, *, counted: bool) -> str:
        """Return what a member with both ports says of the connections to its plaintext port, "" if nothing."""
        if not counted or not pod.tls.client:
            return ""
        try:
            async with asyncio.timeout(PLAINTEXT_PROBE_S):
                return await self._probe.ask(pod.ip, CLIENT_PORT, "stat")
        except (TransientError, TimeoutError):
            return ""

    async def _divergence(
        self, pods: Mapping[int, PodView], answers: Mapping[int, Answer], state: ObserverState, ask: _Ask
    ) -> Divergence | None:
        """Ask for digests only where counts have grown: their answers are long."""
        members = state.mismatches.growing(answers, self._now_s())
        if not members:
            return None
        serving = [member for member, answer in sorted(answers.items()) if isinstance(answer, Serving)]
        hashes = await asyncio.gather(*(_say(pods[member], "hash", ask) for member in serving))
        return Divergence(members, groups_of(dict(zip(serving, hashes, strict=True))))

    async def _superuser(self, cluster: ValidatedCluster, state: ObserverState) -> "_Superuser":
        names, uid, now_s = cluster.names, cluster.meta.uid, self._now_s()
        known = state.secret
        if known is not None and known.uid == uid and now_s - known.read_s < SECRET_MAX_AGE_S:
            return _Superuser(known.secret_id, known.identity)
        try:
            manifest = await self._api.get(SECRETS, names.namespace, names.secret)
        except ForbiddenError as error:
            return _Superuser(refused=str(error))
        if manifest is None:
            return _Superuser()
        password = password_of(cluster, manifest)
        if password is None:
            return _Superuser(secret=ownership_of(manifest))
        secret_id = sha256(digest(password).encode()).hexdigest()[:16]
        state.secret = KnownSecret(uid, now_s, secret_id, ownership_of(manifest))
        return _Superuser(secret_id, state.secret.identity)


async def _say(pod: PodView, word: str, ask: _Ask) -> str:
    """Return what the member answers to the word, empty when it does not."""
    try:
        return await ask(pod, word)
    except TransientError:
        return ""


def _has_tls(children: Mapping[Child, Manifest], pods: Mapping[int, PodView]) -> bool:
    return any(pod.tls != NO_TLS for pod in pods.values()) or has_tls(children.get(Child.STATEFUL_SET))


def _silence(pod: PodView, error: Exception) -> str:
    """Say why a member gave no answer: a certificate that is refused is something that a person can mend."""
    why = str(error)
    return f"it does not answer: {why}" if pod.tls.client and "certificate" in why.lower() else "it does not answer"


def _is_foreign(names: Names, pod: PodView, answer: Answer) -> bool:
    """Whether no line of the configuration names a host of this cluster, or the address of the pod."""
    if not isinstance(answer, Serving) or answer.configuration is None:
        return False
    servers = answer.configuration.servers
    return not any(
        names.is_host(server.id, server.address) or server.address.startswith(f"{_bracketed(pod.ip)}:")
        for server in servers
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@dataclass(frozen=True, slots=True)
class _Objects:
    """What Kubernetes has of the cluster."""

    children: Mapping[Child, Manifest]
    pods: Mapping[int, PodView]
    claims: Mapping[int, ClaimView]
    certificates: Certificates


@dataclass(frozen=True, slots=True)
class _Superuser:
    """The fields of `Observed` about the Secret."""

    secret_id: str | None = None
    secret: Manifest | None = None
    refused: str = ""


def _recorded(children: Mapping[Child, Manifest]) -> tuple[Server, ...]:
    manifest = children.get(Child.CONFIG_MAP)
    return parse_servers((manifest.get("data") or {}).get("members", "")) if manifest is not None else ()
