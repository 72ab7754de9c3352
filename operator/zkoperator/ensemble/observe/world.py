"""What was observed of one cluster at one moment: the only input of the planner beside the validated cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.configuration import Configuration, Server
from zkoperator.ensemble.model.names import RESTARTED
from zkoperator.ensemble.observe.answers import Answer, Mode, Serving, Silent
from zkoperator.kube.port import Manifest


class Running(StrEnum):
    """What the kubelet says of the member's container."""

    YES = "running"
    NO = "not running"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PodView:
    """A member's pod. `trouble` says why it does not come up, as Kubernetes gives it: reason and message.

    `secret` tells which superuser's password it was made with; empty for pods that bear no mark of it. `restart` is the
    restart of this pod that is asked for, `restarted` the text of the cluster's annotation that it was made with.
    """

    name: str
    uid: str
    member: int
    owner_uid: str
    ip: str = ""
    ready: bool = False
    deleting: bool = False
    running: Running = Running.UNKNOWN
    unschedulable: bool = False
    trouble: str = ""
    image: str = ""
    revision: str = ""
    template: str = ""
    secret: str = ""
    restart: str = ""
    restarted: str = ""


@dataclass(frozen=True, slots=True)
class ClaimView:
    """A member's claim. `membership` is the operator's note, `owners` are the uids that it is deleted with."""

    name: str
    uid: str
    resource_version: str
    member: int
    membership: str = ""
    owners: tuple[str, ...] = ()
    deleting: bool = False


@dataclass(frozen=True)
class World:
    """Everything observed. A member without an entry in `answers` has no pod with an address.

    `secret_id` is None when there is no usable Secret of ours, `secret` is one that is there and was looked at, without
    its data, and `refused` says what the API server does not let us read. `recorded` are the members in the ConfigMap.
    `away_s` are the seconds for which a member has not served, and `leaderless_s` those without one leader, as far as
    this operator has looked on.
    """

    children: Mapping[Child, Manifest] = field(default_factory=dict)
    pods: Mapping[int, PodView] = field(default_factory=dict)
    claims: Mapping[int, ClaimView] = field(default_factory=dict)
    answers: Mapping[int, Answer] = field(default_factory=dict)
    recorded: tuple[Server, ...] = ()
    secret_id: str | None = None
    secret: Manifest | None = None
    refused: str = ""
    away_s: Mapping[int, float] = field(default_factory=dict)
    leaderless_s: float = 0.0

    def answer(self, member: int) -> Answer:
        """Return what the member said."""
        return self.answers.get(
            member, Silent("its pod has no address yet" if member in self.pods else "it has no pod")
        )

    def serving(self, member: int) -> Serving | None:
        """Return the member's answer when it serves."""
        answer = self.answer(member)
        return answer if isinstance(answer, Serving) else None

    def troubles(self, members: Iterable[int]) -> str:
        """Return what keeps pods of these members from running, each trouble once with the pods that have it."""
        pods: dict[str, list[str]] = {}
        for pod in (self.pods[member] for member in sorted(members) if member in self.pods):
            if pod.trouble:
                pods.setdefault(pod.trouble, []).append(pod.name)
        return "; ".join(f"{', '.join(names)}: {trouble}" for trouble, names in pods.items())

    @cached_property
    def leaders(self) -> tuple[int, ...]:
        """Members that say they lead. Anything but one means that it is not known who does."""
        return tuple(
            member
            for member, answer in sorted(self.answers.items())
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

    def of_template(self, annotation: str) -> str:
        """Return an annotation of the StatefulSet's pod template, empty when there is none."""
        spec = self.children.get(Child.STATEFUL_SET, {}).get("spec", {})
        annotations = spec.get("template", {}).get("metadata", {}).get("annotations") or {}
        return str(annotations.get(annotation, ""))

    @property
    def restarted(self) -> str:
        """The text with which a restart of the cluster was asked for last, as its pods and their template have it."""
        told = self.of_template(RESTARTED)
        return told or next((pod.restarted for pod in self.pods.values() if pod.restarted), "")

    @property
    def replicas(self) -> int | None:
        """What the StatefulSet asks for now, None without one."""
        stateful_set = self.children.get(Child.STATEFUL_SET)
        return int(stateful_set["spec"].get("replicas", 1)) if stateful_set is not None else None
