"""What was observed of one cluster in one pass: the input of the planner beside the validated cluster. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from zkoperator.controller.conditions import clip_each
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, Server
from zkoperator.ensemble.model.names import RESTARTED, is_observer
from zkoperator.ensemble.model.tls import NO_CERTIFICATES, Certificates
from zkoperator.ensemble.observe.answers import Answer, Mode, Serving, Silent
from zkoperator.ensemble.observe.backups import Backups
from zkoperator.ensemble.observe.binding_view import UNREAD, BindingView
from zkoperator.ensemble.observe.claim_view import ClaimView
from zkoperator.ensemble.observe.divergence import Divergence
from zkoperator.ensemble.observe.expansions import Expansion
from zkoperator.ensemble.observe.node_view import MemberNode
from zkoperator.ensemble.observe.pod_view import PodView
from zkoperator.ensemble.observe.restore_view import RestoreView
from zkoperator.kube.port import Manifest


@dataclass(frozen=True)
class Observed:
    """What one pass has observed of a cluster, by member id where it is about members.

    A member without an entry in `answers` has no pod with an address. `recorded` are the members in the ConfigMap.
    `observer_pods` and `observer_answers` are those of observers, which count for nothing that is about voters.
    `secret_id` identifies the superuser's password, None while there is no usable Secret; `secret` is the Secret
    without its data, None when it does not exist or was not read; `refused` says which read the API server forbids,
    empty when none. `creation_failure` says why a pod of the StatefulSet cannot be created, empty while that is not
    known. `divergence` says which members hold other data than the leader, None when no such member is known.
    `downtime_s` are the seconds for which members have not served, `leaderless_s` those without exactly one leader,
    both since this process observes. `egress_policies` are policies of others that deny members all egress that nobody
    allows, None before they are read. `certificates` are those that a member would start with now, `binding` is the
    Secret for service bindings, `backups` are what schedules say of its backups, None while they are not
    known. `restore` is what is seen of a restore, None when none is asked for or under way.
    `expansions` are claims that change, or were refused to. `nodes` are those of members that have not served for a
    while. `refused_children` are optional children that could not be written or deleted a moment ago, and why.
    """

    children: Mapping[Child, Manifest] = field(default_factory=dict)
    pods: Mapping[int, PodView] = field(default_factory=dict)
    claims: Mapping[int, ClaimView] = field(default_factory=dict)
    answers: Mapping[int, Answer] = field(default_factory=dict)
    observer_pods: Mapping[int, PodView] = field(default_factory=dict)
    observer_answers: Mapping[int, Answer] = field(default_factory=dict)
    recorded: tuple[Server, ...] = ()
    secret_id: str | None = None
    secret: Manifest | None = None
    refused: str = ""
    creation_failure: str = ""
    divergence: Divergence | None = None
    downtime_s: Mapping[int, float] = field(default_factory=dict)
    leaderless_s: float = 0.0
    egress_policies: tuple[str, ...] | None = None
    certificates: Certificates = NO_CERTIFICATES
    binding: BindingView = UNREAD
    backups: Backups | None = None
    restore: RestoreView | None = None
    expansions: Mapping[int, Expansion] = field(default_factory=dict)
    nodes: Mapping[int, MemberNode] = field(default_factory=dict)
    refused_children: Mapping[Child, str] = field(default_factory=dict)

    def answer(self, member: int) -> Answer:
        """Return the answer of the member; `Silent` when it was not asked."""
        answers = self.observer_answers if is_observer(member) else self.answers
        if member in answers:
            return answers[member]
        absent = f"it has no pod: {self.creation_failure}" if self.creation_failure else "it has no pod"
        return Silent("its pod has no address yet" if self.pod(member) is not None else absent)

    def pod(self, member: int) -> PodView | None:
        """Return the pod of the voter or observer, None when it has none."""
        return (self.observer_pods if is_observer(member) else self.pods).get(member)

    @property
    def all_pods(self) -> dict[int, PodView]:
        """The pods of voters and observers."""
        return {**self.pods, **self.observer_pods}

    def serving(self, member: int) -> Serving | None:
        """Return the member's answer when it serves."""
        answer = self.answer(member)
        return answer if isinstance(answer, Serving) else None

    def troubles(self, members: Iterable[int], limit: int | None = None) -> str:
        """Return why pods of these members do not exist or run: each reason once, after the names of the pods.

        Args:
            members: whose pods.
            limit: characters that there is room for; the longest reasons are cut first. None: any number.
        """
        pods: dict[str, list[str]] = {}
        wanted = sorted(members)
        for pod in map(self.pod, wanted):
            if pod is not None and pod.trouble:
                pods.setdefault(pod.trouble, []).append(pod.name)
        texts = [f"{', '.join(names)}: {trouble}" for trouble, names in pods.items()]
        if self.creation_failure and any(self.pod(member) is None for member in wanted):
            texts.append(self.creation_failure)
        return "; ".join(texts if limit is None else clip_each(texts, limit - 2 * len(texts)))

    @cached_property
    def leaders(self) -> tuple[int, ...]:
        """Members that answer as leaders. The leader is known only when there is exactly one.

        An observer leads only after somebody has given it a vote by hand.
        """
        answers = {**self.answers, **self.observer_answers}
        return tuple(
            member
            for member, answer in sorted(answers.items())
            if isinstance(answer, Serving) and answer.mode is Mode.LEADER
        )

    @property
    def leader(self) -> int | None:
        """The one leader, None when there is none or more than one."""
        return self.leaders[0] if len(self.leaders) == 1 else None

    @cached_property
    def committed(self) -> Configuration | None:
        """The committed configuration as the one leader has it; None while that is unknown."""
        leading = self.serving(self.leader) if self.leader is not None else None
        return leading.configuration if leading is not None else None

    @cached_property
    def voters(self) -> frozenset[int]:
        """The committed voters, or the recorded members while the configuration is unknown."""
        if self.committed is not None:
            return self.committed.voters
        return frozenset(server.id for server in self.recorded if server.voting)

    @property
    def observers(self) -> frozenset[int]:
        """The observers in the committed configuration, or in the ConfigMap while it is unknown."""
        servers = self.committed.servers if self.committed is not None else self.recorded
        return frozenset(server.id for server in servers if not server.voting and is_observer(server.id))

    def template_annotation(self, annotation: str, child: Child = Child.STATEFUL_SET) -> str:
        """Return an annotation of the pod template of a StatefulSet, empty when there is none."""
        spec = self.children.get(child, {}).get("spec", {})
        annotations = spec.get("template", {}).get("metadata", {}).get("annotations") or {}
        return str(annotations.get(annotation, ""))

    @property
    def restarted(self) -> str:
        """The cluster's restart annotation when the pod template, or the pods, were made; empty when there was none."""
        return self.template_annotation(RESTARTED) or next(
            (pod.restarted for pod in self.pods.values() if pod.restarted), ""
        )

    @property
    def replicas(self) -> int | None:
        """Replicas in the spec of the StatefulSet, None when there is no StatefulSet."""
        return self.replicas_of(Child.STATEFUL_SET)

    def replicas_of(self, child: Child) -> int | None:
        """Return the replicas in the spec of this StatefulSet, None when it does not exist."""
        stateful_set = self.children.get(child)
        return int(stateful_set["spec"].get("replicas", 1)) if stateful_set is not None else None
