"""What the children of a ZooKeeperCluster are called. Names, labels and annotations are contract."""

import re
from dataclasses import dataclass

CLIENT_PORT = 2181
QUORUM_PORT = 2888
ELECTION_PORT = 3888
METRICS_PORT = 7000

MANAGER = "zkoperator"
SUPERUSER = "super"
CONTAINER = "zookeeper"
"""The member's own container in its pod, in which others may put more."""

REVISION = "zkoperator.dev/revision"
"""Annotation of a pod: digest of everything that needs a restart to take effect."""
TEMPLATE = "zkoperator.dev/template"
"""Annotation of a pod: digest of its whole template, so that a pod that never came up is replaced by a newer one."""
MADE_WITH = "zkoperator.dev/secret"
"""Annotation of a pod: which superuser's password it was made with, by a digest."""
RESTART = "zkoperator.dev/restart"
"""Annotation of the cluster or of one pod: any new text asks for a restart."""
RESTARTED = "zkoperator.dev/restarted"
"""Annotation of a pod: the text of the restart annotation of the cluster that it was made with."""
MEMBERSHIP = "zkoperator.dev/membership"
"""Annotation of a claim: `member` once its member was in a committed configuration, `left` once it is not."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one cluster's children."""

    namespace: str
    cluster: str
    domain: str = "cluster.local"

    @property
    def stateful_set(self) -> str:
        """The StatefulSet, and the common part of the names of its pods."""
        return f"{self.cluster}-zk"

    @property
    def client_service(self) -> str:
        """The Service for clients."""
        return self.stateful_set

    @property
    def budget(self) -> str:
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
    def secret(self) -> str:
        """The Secret with the superuser's password."""
        return f"{self.stateful_set}-admin"

    @property
    def members_domain(self) -> str:
        """DNS domain of the members' host names."""
        return f"{self.members_service}.{self.namespace}.svc.{self.domain}"

    @property
    def endpoint(self) -> str:
        """Address for clients."""
        return f"{self.client_service}.{self.namespace}.svc.{self.domain}:{CLIENT_PORT}"

    def pod(self, member: int) -> str:
        """Return the pod of the member with this id."""
        return f"{self.stateful_set}-{member - 1}"

    def claim(self, member: int) -> str:
        """Return the claim of the member with this id."""
        return f"data-{self.pod(member)}"

    def host(self, member: int) -> str:
        """Return the host name of the member with this id."""
        return f"{self.pod(member)}.{self.members_domain}"

    def is_host(self, member: int, address: str) -> bool:
        """Tell whether the address leads to the member's host, under whatever domain the operator knew before."""
        return address.startswith(f"{self.pod(member)}.{self.members_service}.{self.namespace}.svc.")

    def member_of_pod(self, pod: str) -> int | None:
        """Return the id of the member that runs in the pod, None for a name that no pod of ours has."""
        return _member(pod, f"{self.stateful_set}-")

    def member_of_claim(self, claim: str) -> int | None:
        """Return the id of the member whose claim this is, None for a name that no claim of ours has."""
        return _member(claim, f"data-{self.stateful_set}-")

    @property
    def selector(self) -> dict[str, str]:
        """Labels that select the members and nothing else."""
        return {
            "app.kubernetes.io/name": "zookeeper",
            "app.kubernetes.io/instance": self.cluster,
            "app.kubernetes.io/managed-by": MANAGER,
        }

    @property
    def labels(self) -> dict[str, str]:
        """Labels of every child."""
        return {**self.selector, "app.kubernetes.io/component": "server"}


def selector_text(labels: dict[str, str]) -> str:
    """Return labels as a selector of the API: `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _member(name: str, prefix: str) -> int | None:
    ordinal = name.removeprefix(prefix)
    plain = name.startswith(prefix) and ordinal.isascii() and ordinal.isdigit() and str(int(ordinal)) == ordinal
    return int(ordinal) + 1 if plain else None


_CHILD = re.compile(r"(?P<cluster>.+)-zk(?:-\d+|-members|-config|-admin)?")


def cluster_of_child(name: str) -> str | None:
    """Return the cluster after which an object that is no claim is named, None when it has no name of ours."""
    found = _CHILD.fullmatch(name)
    return found["cluster"] if found is not None else None


def cluster_of_claim(name: str) -> str | None:
    """Return the cluster after which a claim is named, None when it has no name of ours."""
    return cluster_of_child(name.removeprefix("data-")) if name.startswith("data-") else None
