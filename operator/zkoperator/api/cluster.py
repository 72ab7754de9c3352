"""ZooKeeperCluster: an ensemble, as asked for and as observed."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.jvm import FLAG_RULES
from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.pod import Annotations, Labels, Pod
from zkoperator.api.rules import Rule, Rules, immutable
from zkoperator.api.types import ConfigValue, ImageReference, ObjectName, Quantity, StorageSize
from zkoperator.api.zoocfg import CONFIG_RULES

MAX_REPLICAS = 9
MAX_NAME_LENGTH = 49
"""Longest name of a ZooKeeperCluster: the controller's hash label on `<name>-zk` has 63 characters at most."""


class PullPolicy(StrEnum):
    """When the image is pulled."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class PullSecret(Model):
    """A Secret with registry credentials."""

    name: ObjectName
    """Name of a Secret in the same namespace."""


class Jvm(Model):
    """The Java virtual machine of each member."""

    heap_percent: Annotated[int, Field(ge=10, le=80)] = 50
    """Heap in percent of the memory limit in effect, be it a LimitRange's; buffers get at most half of the rest."""
    flags: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=32), Rules(*FLAG_RULES)
    ] = ()
    """More flags, from a list of allowed prefixes: garbage collection, memory limits, logging of both."""


_ResourceName = Annotated[str, Field(min_length=1, max_length=317)]


class Resources(Model):
    """Compute resources of each member, as in a container."""

    requests: Annotated[dict[_ResourceName, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """What the scheduler reserves, such as `cpu: 500m` and `memory: 1Gi`."""
    limits: Annotated[dict[_ResourceName, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """What a member may use at most; the heap is computed from `memory`."""


class StorageType(StrEnum):
    """Where members keep their data."""

    PERSISTENT = "Persistent"
    EPHEMERAL = "Ephemeral"


class RetentionPolicy(StrEnum):
    """What happens to a volume that is not needed any more."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Retention(Model):
    """What happens to claims that no member uses any more, in the words of a StatefulSet."""

    when_scaled: RetentionPolicy = RetentionPolicy.RETAIN
    """The claim of a member that was removed by a smaller `replicas`."""
    when_deleted: RetentionPolicy = RetentionPolicy.RETAIN
    """All claims, when the ZooKeeperCluster is deleted."""


class Storage(Model):
    """The volume of each member: transaction log, snapshots and the member's own configuration."""

    rules: ClassVar = (
        Rule(
            "cannot be changed: a StatefulSet keeps its claim template; create a new ZooKeeperCluster with the other "
            "class and move the data",
            field="storageClassName",
            cel="has(self.storageClassName) == has(oldSelf.storageClassName)"
            " && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
        ),
    )

    type: Annotated[
        StorageType,
        Rules(immutable("members would start without their data; create a new ZooKeeperCluster and move the data")),
    ] = StorageType.PERSISTENT
    """`Persistent`: a claim for each member. `Ephemeral`: gone with the pod, for tests only."""
    size: Annotated[
        StorageSize,
        Rules(
            immutable(
                "a StatefulSet keeps its claim template; enlarge the claims themselves (`kubectl edit pvc`) where the "
                "storage class allows it"
            )
        ),
    ] = "10Gi"
    """Size of each volume."""
    storage_class_name: Annotated[str, Field(max_length=253)] | None = None
    """StorageClass of the claims; the cluster's default class when absent."""
    retention: Retention = Retention()
    """What happens to claims that are not needed any more."""


class ServiceType(StrEnum):
    """How the client Service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class ClientService(Model):
    """The Service for clients."""

    type: ServiceType = ServiceType.CLUSTER_IP
    """`NodePort` and `LoadBalancer` are reachable from outside, where ZooKeeper asks nobody for a password."""
    labels: Labels = Field(default_factory=dict)
    """More labels for this Service."""
    annotations: Annotations = Field(default_factory=dict)
    """More annotations for this Service, such as those of a load balancer or of a DNS controller."""


class LogLevel(StrEnum):
    """Least severity of the lines that members write to the standard output."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"


class SingleMember(StrEnum):
    """What a drain may do to an ensemble of one member."""

    HOLD = "Hold"
    ALLOW = "Allow"


class Disruption(Model):
    """What others may do to the members, a drain of their nodes above all."""

    single_member: SingleMember = SingleMember.HOLD
    """With `replicas: 1`, `Hold`: the PodDisruptionBudget refuses each eviction, so that a drain of the member's node
    waits until somebody deletes the pod. `Allow`: it lets each eviction pass. Clients are then served by nobody until
    the pod is back, and with Ephemeral storage all data is lost."""


class ZooKeeperClusterSpec(Model):
    """The ensemble that is wanted."""

    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS)] = 3
    """Voting members. Odd numbers are best: an even one survives no more failures than the odd one below it."""
    image: ImageReference | None = None
    """Image with the contract of the official ZooKeeper image; the operator's `--default-image` when absent."""
    image_pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """When the image is pulled."""
    image_pull_secrets: Annotated[
        tuple[PullSecret, ...],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """Secrets with registry credentials, in the same namespace."""
    config: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=128)],
            ConfigValue,
        ],
        Field(max_length=64),
        Rules(*CONFIG_RULES),
    ] = Field(default_factory=dict)
    """Entries of zoo.cfg, from a list of allowed keys; numbers with or without quotes, true and false in quotes."""
    log_level: LogLevel = LogLevel.INFO
    """Least severity of the lines that members write to the standard output."""
    jvm: Jvm = Jvm()
    """The Java virtual machine of each member."""
    resources: Resources = Resources()
    """Compute resources of each member."""
    storage: Storage = Storage()
    """The volume of each member."""
    pod: Pod = Pod()
    """Placement and labels of the members' pods."""
    service: ClientService = ClientService()
    """The Service for clients."""
    common_labels: Labels = Field(default_factory=dict)
    """Labels for every object that the operator makes; pods have `spec.pod.labels`, claims none."""
    common_annotations: Annotations = Field(default_factory=dict)
    """Annotations for every object that the operator makes; pods have `spec.pod.annotations`, claims none."""
    disruption: Disruption = Disruption()
    """What a drain may do to the members. Three and more let one member at a time go, two let none go."""
    paused: bool = False
    """True: the operator observes and reports, and changes nothing."""


class MemberRole(StrEnum):
    """What a member does in the ensemble, as it says itself."""

    LEADER = "leader"
    FOLLOWER = "follower"
    OBSERVER = "observer"
    JOINING = "joining"
    LEAVING = "leaving"
    UNKNOWN = "unknown"


_Word = Annotated[str, Field(max_length=253)]


class Member(Model):
    """One member as observed."""

    name: _Word
    """Name of its pod."""
    id: Annotated[int, Field(ge=1, le=255)]
    """Its `myid`: the pod's ordinal + 1."""
    role: MemberRole = MemberRole.UNKNOWN
    """What it does in the ensemble; `unknown` while it does not answer."""
    ready: bool = False
    """Whether its pod is ready."""
    version: _Word = ""
    """ZooKeeper's version, as the member reports it."""
    zxid: _Word = ""
    """The last transaction that it has, hexadecimal; up to 10 s old while nothing else changes."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Why it is not as it should be."""


class Bootstrap(Model):
    """The one creation of the ensemble. Recorded before any member may start with an empty disk."""

    members: Annotated[int, Field(ge=1, le=MAX_REPLICAS)]
    """Number of the first members; their list is complete from the first start."""
    complete: bool = False
    """True once a quorum has served: from then on no member may start a new ensemble, whatever its disk says."""
    ensemble: Annotated[str, Field(max_length=128)] | None = None
    """Uid of the ensemble that was taken up, `unknown` where its claims do not say; the object's own when absent."""


class ZooKeeperClusterStatus(Model):
    """The ensemble as observed."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the spec that this status speaks of."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, by its Lease: `namespace/name`."""
    replicas: Annotated[int, Field(ge=0)] = 0
    """Voters in the committed configuration."""
    ready_replicas: Annotated[int, Field(ge=0)] = 0
    """Members whose pods are ready."""
    selector: Annotated[str, Field(max_length=1024)] = ""
    """Label selector of the members' pods, for the scale subresource."""
    leader: _Word = ""
    """Name of the leader's pod; empty while there is none."""
    version: _Word = ""
    """ZooKeeper's version; empty while members differ."""
    config_version: _Word = ""
    """Version of the committed dynamic configuration, hexadecimal."""
    endpoint: Annotated[str, Field(max_length=512)] = ""
    """Address of the client Service, `host:port`."""
    hosts: Annotated[str, Field(max_length=4096)] = ""
    """Connect string with the address of each voter."""
    bootstrap: Bootstrap | None = None
    """The one creation of the ensemble; absent before it was permitted."""
    members: Annotated[
        tuple[Member, ...],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """Each member as observed."""
    conditions: Conditions = ()
    """Ready, Available, Progressing and Degraded."""


class ZooKeeperCluster(Model):
    """A ZooKeeper ensemble that is created, scaled, rolled, upgraded and repaired without losing quorum or data."""

    rules: ClassVar = (
        Rule(
            f"write a shorter name, at most {MAX_NAME_LENGTH} characters: pods and labels are named after it",
            field="metadata.name",
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            holds=lambda cluster: len(cluster.metadata.name) <= MAX_NAME_LENGTH,
        ),
        Rule(
            "write a name of lower-case letters, digits and '-' that starts with a letter: Services are named after it",
            field="metadata.name",
            cel="self.metadata.name.matches(r'^[a-z][-a-z0-9]*$')",
            holds=lambda cluster: re.fullmatch("[a-z][-a-z0-9]*", cluster.metadata.name) is not None,
        ),
    )

    metadata: ObjectMeta
    spec: ZooKeeperClusterSpec
    """The ensemble that is wanted."""
    status: ZooKeeperClusterStatus = ZooKeeperClusterStatus()
    """The ensemble as observed."""
