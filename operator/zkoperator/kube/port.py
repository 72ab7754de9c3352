"""What the operator needs of the Kubernetes API, as a Protocol on plain dicts shaped like the YAML. Pure.

Callers depend on this alone; `client.py` implements it on HTTP and `tests/support/fakes/kube.py` in memory, and one
contract suite runs against both.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from zkoperator.errors import TransientError

Manifest = dict[str, Any]
"""A Kubernetes object (or a part of one) exactly as its YAML reads."""

FIELD_MANAGER: Final = "zkoperator"
"""The operator in `managedFields`."""
NO_VERSION = "1"
"""A resourceVersion that no object has: server-side apply with it can create an object but not change one."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as the API serves it. `group` is empty for the core group."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its manifests."""
        return f"{self.group}/{self.version}" if self.group else self.version


CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps")
NAMESPACES = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
EVENTS = Resource("events.k8s.io", "v1", "Event", "events")
NODES = Resource("", "v1", "Node", "nodes", namespaced=False)
PERSISTENT_VOLUMES = Resource("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
PODS = Resource("", "v1", "Pod", "pods")
SECRETS = Resource("", "v1", "Secret", "secrets")
SERVICES = Resource("", "v1", "Service", "services")
DEPLOYMENTS = Resource("apps", "v1", "Deployment", "deployments")
STATEFUL_SETS = Resource("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SETS = Resource("apps", "v1", "DaemonSet", "daemonsets")
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "Rollout", "rollouts")
LEASES = Resource("coordination.k8s.io", "v1", "Lease", "leases")
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
ZOOKEEPER_CLUSTERS = Resource("zkoperator.dev", "v1alpha1", "ZooKeeperCluster", "zookeeperclusters")
CERTIFICATES = Resource("cert-manager.io", "v1", "Certificate", "certificates")
JOBS = Resource("batch", "v1", "Job", "jobs")
ZOOKEEPER_BACKUPS = Resource("zkoperator.dev", "v1alpha1", "ZooKeeperBackup", "zookeeperbackups")
ZOOKEEPER_BACKUP_SCHEDULES = Resource(
    "zkoperator.dev", "v1alpha1", "ZooKeeperBackupSchedule", "zookeeperbackupschedules"
)
ZNODES = Resource("zkoperator.dev", "v1alpha1", "ZNode", "znodes")
CONFIG_SYNCS = Resource("zkoperator.dev", "v1alpha1", "ConfigSync", "configsyncs")


class GoneError(TransientError):
    """410: the version from which a watch should start is compacted. List again and watch from there."""


class NoSuchKindError(TransientError):
    """The server does not serve this kind: its CustomResourceDefinition is not installed yet. Worth a slow retry."""


class BudgetSpentError(TransientError):
    """An eviction is refused for now: a PodDisruptionBudget has none left. The message has the server's numbers."""


class ManyBudgetsError(TransientError):
    """An eviction is refused whatever the numbers: more than one PodDisruptionBudget covers the pod."""


@dataclass(frozen=True, slots=True)
class Listing:
    """All pages of one LIST, and the collection's resourceVersion from which a watch may start."""

    items: tuple[Manifest, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch. An ERROR line never arrives here: it is raised as `GoneError` or `TransientError`."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Manifest


def without_managers(manifest: Manifest) -> Manifest:
    """Return the object without `managedFields`, which are as long as the rest of it."""
    return {
        **manifest,
        "metadata": {key: value for key, value in manifest["metadata"].items() if key != "managedFields"},
    }


class KubeApi(Protocol):
    """A client for any kind of object.

    Errors, for every method: `TransientError` (network, 5xx, 429 with its Retry-After, 401 after a refresh of
    credentials), `UnknownOutcomeError` (a write whose answer was lost), `ConflictError` (409, any failed
    precondition), `ForbiddenError` (403), `InvalidError` (400 and 422, with the server's field paths),
    `NoSuchKindError` (404 of a whole kind).
    """

    async def get(self, resource: Resource, namespace: str, name: str) -> Manifest | None:
        """Return the object as it is now, or None when there is none."""

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", fields: str = "") -> Listing:
        """Return every object of the kind, paged inside; an empty `namespace` means all namespaces.

        `labels` and `fields` are selectors as the API server reads them; an empty one selects everything.
        """

    def watch(
        self, resource: Resource, namespace: str = "", *, labels: str = "", resource_version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes after `resource_version` until the server closes the stream. Raises `GoneError` on a 410.

        The connection is held until the generator is closed: iterate inside `contextlib.aclosing`.
        """

    async def create(self, resource: Resource, namespace: str, manifest: Manifest) -> Manifest:
        """Create the object. `ConflictError` when the name is taken."""

    async def apply(
        self, resource: Resource, namespace: str, manifest: Manifest, *, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        """Server-side apply as field manager `zkoperator`, forced; creates when missing.

        `metadata.resourceVersion` and `metadata.uid` in the manifest are preconditions. The version alone does not keep
        the server from creating the object anew when it was deleted meanwhile; the uid does.
        """

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Manifest,
        *,
        resource_version: str | None = None,
        subresource: str = "",
    ) -> Manifest | None:
        """JSON merge patch, conditional when `resource_version` is given. None when the object is gone."""

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_s: int | None = None,
        orphan: bool = False,
    ) -> bool:
        """Delete under the given preconditions. False when there was nothing; `ConflictError` for another uid.

        `orphan`: what the object owns stays, without an owner. Otherwise it follows in the background.
        """

    async def evict(
        self, namespace: str, name: str, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        """Delete a pod by the Eviction API, which takes the disruption from its budget in the same moment.

        False when there was no such pod. `BudgetSpentError` when its budget allows no disruption now,
        `ManyBudgetsError` when it has several; `ConflictError` for another uid or version, after which the budget
        counts the pod as disrupted for up to two minutes.
        """
