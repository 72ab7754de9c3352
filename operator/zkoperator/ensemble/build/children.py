"""The table of a cluster's children.

Each entry of `Child` is one object that every cluster has, or every cluster whose spec asks for it. A new entry
is all that a new one needs: the operator then builds, observes, applies and renders it, and a change of the object
wakes its cluster. Secrets have no entry, because the operator may not list them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from zkoperator.api.external_access import MAX_MEMBERS
from zkoperator.ensemble.build.configmap import config_map
from zkoperator.ensemble.build.discovery import discovery
from zkoperator.ensemble.build.disruption_budget import disruption_budget, observers_budget
from zkoperator.ensemble.build.external_services import external_service
from zkoperator.ensemble.build.networkpolicy import network_policy
from zkoperator.ensemble.build.services import client_service, members_service, read_service
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.model.configuration import Server
from zkoperator.ensemble.model.names import (
    CHILD_LABELS,
    NO_ROLLOUT,
    Names,
    cluster_of_claim,
    cluster_of_pod,
    selector_text,
)
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import (
    CONFIG_MAPS,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    Manifest,
    Resource,
)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the planner decides about the children; the rest of them follows from the spec.

    `servers` are the members for the ConfigMap, `pods` the replicas of the StatefulSet, `bootstrap_token` permits an
    empty member to found the ensemble when it is not empty, `secret_id` changes with the superuser's password,
    `certificates` is the life of the certificate that a pod would start with now, `egress` says whether the
    NetworkPolicy grants members what they dial, `rollout_baseline` which rollout of the StatefulSet is not honoured,
    `first` is the member with the lowest id that has a pod, `tls_served` says whether clients can rely on TLS, and
    `observers` are the replicas of the observers' StatefulSet.
    """

    servers: tuple[Server, ...]
    pods: int
    bootstrap_token: str = ""
    secret_id: str = ""
    certificates: str = ""
    egress: bool = False
    rollout_baseline: str = NO_ROLLOUT
    first: int = 1
    tls_served: bool = False
    observers: int = 0

    @property
    def voters(self) -> tuple[int, ...]:
        """Which of the servers vote."""
        return tuple(server.id for server in self.servers if server.voting)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One kind of child: what messages call it, where it is in the API, its name, and how it is built.

    The name is the name of the cluster and a suffix, so that the cluster follows from it. `is_asked`: whether the
    cluster asks for it. `of_observers`: it is built of the cluster with the spec of observers. `is_optional`: no member
    needs it, so it is deleted when nobody asks for it any more, and holds nothing else up when it is refused.
    """

    title: str
    resource: Resource
    name: Callable[[Names], str]
    build: Callable[[ValidatedCluster, Desired], Manifest]
    is_asked: Callable[[ValidatedCluster, Desired], bool] = lambda *_: True
    of_observers: bool = False
    is_optional: bool = False


def _has_observers(cluster: ValidatedCluster, _: Desired) -> bool:
    return cluster.spec.observers is not None


def _voters(cluster: ValidatedCluster, desired: Desired) -> int:
    """Return how many voters clients from outside know: in a recovery too those that come back after it."""
    return max(cluster.spec.replicas, desired.pods)


def _external(member: int = 0) -> _Entry:
    """Return the Service for clients from outside that leads to this voter, or to all of them."""

    def is_asked(cluster: ValidatedCluster, desired: Desired) -> bool:
        access = cluster.spec.external_access
        return access is not None and access.per_member is (member > 0) and member <= _voters(cluster, desired)

    return _Entry(
        "Service for clients from outside",
        SERVICES,
        lambda names: names.external_service_of(member) if member else names.external_service,
        lambda cluster, desired: external_service(
            cluster, tls_served=desired.tls_served, voters=_voters(cluster, desired), member=member
        ),
        is_asked,
        is_optional=True,
    )


class Child(Enum):
    """The children of a cluster, in the order in which the members need them; what only applications need is last."""

    CONFIG_MAP = _Entry(
        "ConfigMap",
        CONFIG_MAPS,
        lambda names: names.config_map,
        lambda cluster, desired: config_map(cluster, desired.servers, desired.bootstrap_token),
    )
    MEMBERS_SERVICE = _Entry(
        "headless Service",
        SERVICES,
        lambda names: names.members_service,
        lambda cluster, _: members_service(cluster),
    )
    CLIENT_SERVICE = _Entry(
        "Service",
        SERVICES,
        lambda names: names.client_service,
        lambda cluster, _: client_service(cluster),
    )
    DISRUPTION_BUDGET = _Entry(
        "PodDisruptionBudget",
        POD_DISRUPTION_BUDGETS,
        lambda names: names.disruption_budget,
        lambda cluster, desired: disruption_budget(cluster, len(desired.voters)),
    )
    NETWORK_POLICY = _Entry(
        "NetworkPolicy",
        NETWORK_POLICIES,
        lambda names: names.network_policy,
        lambda cluster, desired: network_policy(cluster, egress=desired.egress),
    )
    STATEFUL_SET = _Entry(
        "StatefulSet",
        STATEFUL_SETS,
        lambda names: names.stateful_set,
        lambda cluster, desired: stateful_set(
            cluster,
            desired.pods,
            bootstrap=desired.bootstrap_token,
            secret_id=desired.secret_id,
            rollout_baseline=desired.rollout_baseline,
            certificates=desired.certificates,
            first=desired.first,
        ),
    )
    READ_SERVICE = _Entry(
        "Service of observers",
        SERVICES,
        lambda names: names.read_service,
        lambda cluster, _: read_service(cluster),
        _has_observers,
        of_observers=True,
    )
    OBSERVERS_BUDGET = _Entry(
        "PodDisruptionBudget of observers",
        POD_DISRUPTION_BUDGETS,
        lambda names: names.observers,
        lambda cluster, desired: observers_budget(cluster, desired.observers),
        _has_observers,
        of_observers=True,
    )
    OBSERVERS = _Entry(
        "StatefulSet of observers",
        STATEFUL_SETS,
        lambda names: names.observers,
        lambda cluster, desired: stateful_set(
            cluster,
            desired.observers,
            bootstrap="",
            secret_id=desired.secret_id,
            certificates=desired.certificates,
        ),
        _has_observers,
        of_observers=True,
    )
    DISCOVERY = _Entry(
        "discovery ConfigMap",
        CONFIG_MAPS,
        lambda names: names.discovery,
        lambda cluster, desired: discovery(cluster, desired.voters, tls_served=desired.tls_served),
    )
    EXTERNAL = _external()
    EXTERNAL_1 = _external(1)
    EXTERNAL_2 = _external(2)
    EXTERNAL_3 = _external(3)
    EXTERNAL_4 = _external(4)
    EXTERNAL_5 = _external(5)
    EXTERNAL_6 = _external(6)
    EXTERNAL_7 = _external(7)
    EXTERNAL_8 = _external(8)
    EXTERNAL_9 = _external(9)

    @property
    def title(self) -> str:
        """What messages call this kind of child."""
        return self.value.title

    @property
    def resource(self) -> Resource:
        """Where the child is in the API."""
        return self.value.resource

    def name_of(self, names: Names) -> str:
        """Return the name of this child of a cluster."""
        return self.value.name(names)

    def build(self, cluster: ValidatedCluster, desired: Desired) -> Manifest:
        """Return the manifest of this child."""
        return self.value.build(cluster.of_observers() if self.of_observers else cluster, desired)

    def is_asked(self, cluster: ValidatedCluster, desired: Desired) -> bool:
        """Whether the cluster asks for this child."""
        return self.value.is_asked(cluster, desired)

    @property
    def of_observers(self) -> bool:
        """Whether the child is for observers, and is there only once there was an ensemble to observe."""
        return self.value.of_observers

    @property
    def is_optional(self) -> bool:
        """Whether no member needs the child: it is deleted when the cluster does not ask for it any more."""
        return self.value.is_optional


EXTERNAL_OF: Final = {member: Child[f"EXTERNAL_{member}"] for member in range(1, MAX_MEMBERS + 1)}
"""The Services that lead clients from outside to one voter each."""


FOLLOWED: Final = (*dict.fromkeys(child.resource for child in Child), PODS, PERSISTENT_VOLUME_CLAIMS)
"""Resources whose objects wake their cluster: those of the children, and pods and claims of the StatefulSet."""

SELECTOR: Final = selector_text(CHILD_LABELS)
"""Selects the followed objects of all clusters."""


def cluster_of(resource: Resource, name: str) -> str | None:
    """Return the cluster of a followed object by its name, None for a name that no cluster gives to such an object."""
    if resource is PODS:
        return cluster_of_pod(name)
    if resource is PERSISTENT_VOLUME_CLAIMS:
        return cluster_of_claim(name)
    suffixes = (child.name_of(Names(namespace="", cluster="")) for child in Child if child.resource is resource)
    return next((name.removesuffix(suffix) for suffix in suffixes if name.endswith(suffix)), None) or None
