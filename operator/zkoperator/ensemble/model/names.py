"""Names, labels and annotations of the children of a ZooKeeperCluster. They are part of the public contract. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

CLIENT_PORT = 2181
TLS_PORT = 2281
LOOPBACK_PORT = 2180
"""Plaintext port inside the pod once plaintext is refused. A server cannot move its listener to another address of the
same port while it runs, so the number differs from that of the open port."""
QUORUM_PORT = 2888
ELECTION_PORT = 3888
METRICS_PORT = 7000
OBSERVER_MASTER_PORT = 2191
"""Where followers serve observers, if the spec asks for it."""

OBSERVER_BASE = 100
"""Ids of observers begin above it, those of voters end below."""

MANAGER = "zkoperator"
SUPERUSER = "super"
CHILD_LABELS = {"app.kubernetes.io/name": "zookeeper", "app.kubernetes.io/managed-by": MANAGER}
"""Labels that the children of all clusters have; informers follow the objects that have them."""
CONTAINER = "zookeeper"
"""The container of the member; admission may add others to the pod."""

REVISION = "zkoperator.dev/revision"
"""Annotation of a pod: digest of everything that needs a restart to take effect."""
TEMPLATE = "zkoperator.dev/template"
"""Annotation of a pod: digest of its whole template; a pod that does not serve and has an older one is replaced."""
MADE_WITH = "zkoperator.dev/secret"
"""Annotation of a pod: digest of the superuser's password with which it was created."""
RESTART = "zkoperator.dev/restart"
"""Annotation of the cluster or of one pod: any new text asks for a restart."""
RESTARTED = "zkoperator.dev/restarted"
"""Annotation of a pod: the request for a restart that stood when the pod was created."""
ROLLOUT_RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""Annotation of a pod template: when `kubectl rollout restart` was called last."""
ROLLOUT_BASELINE = "zkoperator.dev/rollout-baseline"
"""Annotation of the StatefulSet: the rollout that stood when it was first seen by an operator that honours rollouts."""
NO_ROLLOUT = "none"
"""Value of the baseline while nobody had asked for a rollout."""
USER_METADATA = "zkoperator.dev/metadata"
"""Annotation of a child: digest of the labels and annotations that the spec asks for, so that their removal is seen."""
TAKE_OVER = "zkoperator.dev/take-over"
"""Annotation of the cluster: the ensemble, as a member names it, whose data a new ensemble may start with."""
RECOVER = "zkoperator.dev/recover"
"""Annotation of the cluster: `<pod>@<zxid>` lets an ensemble without a quorum begin again with the data of that pod."""
REPLACE_VOLUME = "zkoperator.dev/replace-volume"
"""Annotation of the cluster: `<pod>=<claim uid>` gives that member a new volume in place of exactly that one."""
RESTORE = "zkoperator.dev/restore"
"""Annotation of the cluster: `<backup>@<incarnation>` has the ensemble of this incarnation begin again with the data of
that ZooKeeperBackup. On a copy that was taken before a restore: the text for which it was. Label of such a copy and of
the Jobs of a restore: the name of the cluster."""
INCARNATION = "zkoperator.dev/incarnation"
"""Annotation of a pod: the epoch of the incarnation of the ensemble for which it was made; absent in the first one."""
WRITTEN = "zkoperator.dev/written-"
"""Prefix of the annotations of a Secret with certificates that say when each of its files was written."""
TLS = "zkoperator.dev/tls"
"""Annotation of a pod: the TLS that it was made with; absent without TLS."""
CERTIFICATES = "zkoperator.dev/certificates"
"""Annotation of a pod: begin and end of the certificate that it started with, the one that ends first."""
ENSEMBLE = "zkoperator.dev/ensemble"
"""Annotation of a claim: uid of the ensemble in which its member votes."""
MEMBERSHIP = "zkoperator.dev/membership"
"""Annotation of a claim: `member` once its member was in a committed configuration, `left` once it is not."""


class Component(StrEnum):
    """The two groups of members, as the label `app.kubernetes.io/component` has them. Each has a StatefulSet."""

    SERVER = "server"
    OBSERVER = "observer"


def is_observer(member: int) -> bool:
    """Whether the id is one that the operator gives to observers, which never vote."""
    return member > OBSERVER_BASE


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one cluster's children."""

    namespace: str
    cluster: str
    domain: str = "cluster.local"

    @property
    def stateful_set(self) -> str:
        """The StatefulSet of the voters, and the common part of the names of its pods."""
        return f"{self.cluster}-zk"

    @property
    def observers(self) -> str:
        """The StatefulSet of the observers and their PodDisruptionBudget, and the common part of their pods' names."""
        return f"{self.stateful_set}-observers"

    @property
    def read_service(self) -> str:
        """The Service that leads to observers alone."""
        return f"{self.stateful_set}-read"

    @property
    def read_host(self) -> str:
        """Host name of the Service that leads to observers."""
        return f"{self.read_service}.{self.namespace}.svc.{self.domain}"

    @property
    def external_service(self) -> str:
        """The Service that leads clients from outside to all voters."""
        return f"{self.stateful_set}-external"

    def external_service_of(self, member: int) -> str:
        """Return the Service that leads clients from outside to this voter."""
        return f"{self.external_service}-{member - 1}"

    @property
    def client_service(self) -> str:
        """The Service for clients."""
        return self.stateful_set

    @property
    def disruption_budget(self) -> str:
        """The PodDisruptionBudget."""
        return self.stateful_set

    @property
    def network_policy(self) -> str:
        """The NetworkPolicy."""
        return self.stateful_set

    @property
    def members_service(self) -> str:
        """The headless Service that gives each member its host name."""
        return f"{self.stateful_set}-members"

    @property
    def config_map(self) -> str:
        """The ConfigMap with the configuration and the start procedure."""
        return f"{self.stateful_set}-config"

    @property
    def discovery(self) -> str:
        """The ConfigMap by which applications find the ensemble."""
        return f"{self.stateful_set}-discovery"

    @property
    def binding(self) -> str:
        """The Secret by which service bindings find the ensemble."""
        return f"{self.stateful_set}-binding"

    @property
    def secret(self) -> str:
        """The Secret with the superuser's password."""
        return f"{self.stateful_set}-admin"

    @property
    def tls_secret(self) -> str:
        """The Secret with the members' certificates, the only one of them that pods mount."""
        return f"{self.stateful_set}-tls"

    @property
    def ca_secret(self) -> str:
        """The Secret with the keys of the cluster's own certificate authority, which no pod mounts."""
        return f"{self.stateful_set}-ca"

    @property
    def ca_bundle(self) -> str:
        """The ConfigMap with the authorities by which clients verify members."""
        return f"{self.stateful_set}-ca"

    def certificate(self, purpose: str) -> str:
        """Return the Certificate of cert-manager for this purpose."""
        return f"{self.stateful_set}-{purpose}"

    def certificate_secret(self, purpose: str) -> str:
        """Return the Secret that cert-manager writes for it."""
        return f"{self.stateful_set}-{purpose}-tls"

    @property
    def members_domain(self) -> str:
        """DNS domain of the members' host names."""
        return f"{self.members_service}.{self.namespace}.svc.{self.domain}"

    @property
    def service_host(self) -> str:
        """Host name of the client Service."""
        return f"{self.client_service}.{self.namespace}.svc.{self.domain}"

    @property
    def endpoint(self) -> str:
        """Address for clients without TLS."""
        return f"{self.service_host}:{CLIENT_PORT}"

    def pod(self, member: int) -> str:
        """Return the pod of the member with this id."""
        if is_observer(member):
            return f"{self.observers}-{member - OBSERVER_BASE - 1}"
        return f"{self.stateful_set}-{member - 1}"

    def claim(self, member: int) -> str:
        """Return the claim of the member with this id."""
        return f"data-{self.pod(member)}"

    def host(self, member: int) -> str:
        """Return the host name of the member with this id."""
        return f"{self.pod(member)}.{self.members_domain}"

    def is_host(self, member: int, address: str) -> bool:
        """Whether the address is that of the member's host, in any cluster domain."""
        return address.startswith(f"{self.pod(member)}.{self.members_service}.{self.namespace}.svc.")

    def is_endpoint(self, address: str) -> bool:
        """Whether the address is that of the cluster's client Service, in any cluster domain."""
        return address.startswith(f"{self.client_service}.{self.namespace}.svc.")

    def member_of_claim(self, claim: str) -> int | None:
        """Return the id of the member whose claim this is, None when no member of this cluster has such a claim."""
        found = _CLAIM.fullmatch(claim)
        return int(found["ordinal"]) + 1 if found is not None and found["cluster"] == self.cluster else None

    def member_of(self, pod: str) -> int | None:
        """Return the id of the member that has this pod, None when no member of this cluster has such a pod."""
        found = _POD.fullmatch(pod)
        if found is None or found["cluster"] != self.cluster:
            return None
        return int(found["ordinal"]) + 1 + (OBSERVER_BASE if found["observer"] else 0)

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select all members, observers too, and nothing else."""
        return {**CHILD_LABELS, "app.kubernetes.io/instance": self.cluster}

    @property
    def labels(self) -> dict[str, str]:
        """Labels of voters, and of every child that is not for observers alone."""
        return self.labels_of(Component.SERVER)

    def labels_of(self, component: Component) -> dict[str, str]:
        """Return the labels of these members and of what is for them alone."""
        return {**self.selector, "app.kubernetes.io/component": component.value}


def selector_text(labels: dict[str, str]) -> str:
    """Return labels as a selector of the API: `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


_POD = re.compile(r"(?P<cluster>.+)-zk(?P<observer>-observers)?-(?P<ordinal>0|[1-9][0-9]*)")
_CLAIM = re.compile(r"data-(?P<cluster>.+)-zk-(?P<ordinal>0|[1-9][0-9]*)")


def cluster_of_pod(name: str) -> str | None:
    """Return the cluster of a pod by its name, None when no cluster gives a pod such a name."""
    found = _POD.fullmatch(name)
    return found["cluster"] if found is not None else None


def cluster_of_claim(name: str) -> str | None:
    """Return the cluster of a claim by its name, None when no cluster gives a claim such a name."""
    found = _CLAIM.fullmatch(name)
    return found["cluster"] if found is not None else None
