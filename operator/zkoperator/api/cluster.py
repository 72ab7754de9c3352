"""ZooKeeperCluster: an ensemble. Its spec and its status."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.external_access import EXTERNAL_RULES, ExternalAccess
from zkoperator.api.founding import Beginning
from zkoperator.api.grant import Grant
from zkoperator.api.incarnation import Incarnation
from zkoperator.api.jvm import FLAG_RULES
from zkoperator.api.member_volume import MemberVolume, VolumeReplacement
from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.observers import Observers
from zkoperator.api.pod import Pod
from zkoperator.api.resources import PullPolicy, Resources
from zkoperator.api.rules import Rule, Rules, immutable
from zkoperator.api.scheduling import Annotations, Labels
from zkoperator.api.service import ClientService
from zkoperator.api.tls import Authentication, Tls, TlsStatus
from zkoperator.api.types import ConfigValue, ImageReference, ObjectName, StorageSize
from zkoperator.api.zoocfg import CONFIG_RULES

MAX_REPLICAS = 9
MAX_NAME_LENGTH = 49
"""Longest name of a ZooKeeperCluster: Kubernetes labels pods with `<name>-zk` and a hash, at most 63 characters."""


class PullSecret(Model):
    """A Secret with registry credentials."""

    name: ObjectName
    """Name of a Secret in the same namespace."""


class Jvm(Model):
    """Settings of the Java virtual machine of each member."""

    heap_percent: Annotated[int, Field(ge=10, le=80)] = 50
    """Heap size in percent of the memory limit, also of one from a LimitRange. Buffers get at most half of the rest."""
    flags: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...], Field(max_length=32), Rules(*FLAG_RULES)
    ] = ()
    """Further flags. Each must start with an allowed prefix: garbage collection, memory limits, or the log of both."""


class StorageType(StrEnum):
    """Where members keep their data."""

    PERSISTENT = "Persistent"
    EPHEMERAL = "Ephemeral"


class RetentionPolicy(StrEnum):
    """What happens to a volume claim that no member needs any more."""

    RETAIN = "Retain"
    DELETE = "Delete"


class Retention(Model):
    """What happens to volume claims that no member needs any more. The fields have the names of a StatefulSet's."""

    when_scaled: RetentionPolicy = RetentionPolicy.RETAIN
    """What happens to the claim of a member that was removed because `replicas` became smaller."""
    when_deleted: RetentionPolicy = RetentionPolicy.RETAIN
    """What happens to all claims when the ZooKeeperCluster is deleted."""


class Storage(Model):
    """The volume of each member. It holds the transaction log, the snapshot files and the member's configuration."""

    rules: ClassVar = (
        Rule(
            "write the name of a class: without one, new volumes would be of a class that nobody has named",
            field="storageClassName",
            cel="!has(oldSelf.storageClassName) || has(self.storageClassName)",
        ),
        Rule(
            "write the name of a class: without one, new volumes would be of a class that nobody has named",
            field="volumeAttributesClassName",
            cel="!has(oldSelf.volumeAttributesClassName) || has(self.volumeAttributesClassName)",
        ),
    )

    type: Annotated[
        StorageType,
        Rules(immutable("members would start without their data; create a new ZooKeeperCluster and move the data")),
    ] = StorageType.PERSISTENT
    """`Persistent`: each member has a volume claim. `Ephemeral`: the data is lost with the pod; for tests only."""
    size: StorageSize = "10Gi"
    """Size of each volume. It may grow while the ensemble serves, where the storage class lets volumes grow."""
    storage_class_name: Annotated[str, Field(max_length=253)] | None = None
    """StorageClass of the claims. The default is the default class of the Kubernetes cluster. When it is changed, one
    member after another gets a new volume of the new class, which it fills from the others; that takes three voters."""
    volume_attributes_class_name: Annotated[str, Field(max_length=253)] | None = None
    """VolumeAttributesClass of the claims: what a volume has beside its size, such as IOPS. It may be changed while the
    ensemble serves, where the storage can. It needs Kubernetes 1.34."""
    retention: Retention = Retention()
    """What happens to volume claims that no member needs any more."""


class LogLevel(StrEnum):
    """Lowest severity of the log lines that members write to standard output."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"


class SingleMember(StrEnum):
    """What a drain may do to an ensemble of one member."""

    HOLD = "Hold"
    ALLOW = "Allow"


class Disruption(Model):
    """What an eviction, such as a drain of a node, may do to the members."""

    single_member: SingleMember = SingleMember.HOLD
    """For an ensemble with `replicas: 1`. `Hold`: the PodDisruptionBudget refuses each eviction, so a drain of the node
    waits until somebody deletes the pod. `Allow`: the PodDisruptionBudget permits each eviction. No member then serves
    clients until the pod is back, and with Ephemeral storage all data is lost."""


def _lets_the_operator_in(spec: "ZooKeeperClusterSpec") -> bool:
    client = spec.tls.client if spec.tls is not None else None
    asks = client is not None and client.authentication is not Authentication.NONE
    return "enforce.auth.enabled" not in spec.config or (asks and "enforce.auth.schemes" in spec.config)


class ZooKeeperClusterSpec(Model):
    """The desired state of the ensemble."""

    rules: ClassVar = (
        Rule(
            "write enforce.auth.schemes: x509 beside it, and spec.tls.client.authentication: Optional or Required: "
            "without a certificate the operator itself would be shut out",
            field="config",
            cel="!has(self.config) || !('enforce.auth.enabled' in self.config)"
            " || ('enforce.auth.schemes' in self.config && has(self.tls)"
            " && has(self.tls.client) && self.tls.client.authentication != 'None')",
            holds=_lets_the_operator_in,
        ),
        Rule(
            "cannot be changed: it says how the ensemble began. To restore a backup into this one, annotate it with "
            "zkoperator.dev/restore=<backup>@<incarnation>",
            field="bootstrap",
            cel="has(self.bootstrap) == has(oldSelf.bootstrap)"
            " && (!has(self.bootstrap) || self.bootstrap == oldSelf.bootstrap)",
        ),
        Rule(
            "leave it out, or write storage.type: Persistent: a backup is put on a volume before any member starts",
            field="bootstrap",
            cel="!has(self.bootstrap) || !has(self.storage) || !has(self.storage.type)"
            " || self.storage.type != 'Ephemeral'",
            holds=lambda spec: spec.bootstrap is None or spec.storage.type is not StorageType.EPHEMERAL,
        ),
        *EXTERNAL_RULES,
    )

    replicas: Annotated[int, Field(ge=1, le=MAX_REPLICAS)] = 3
    """Number of voters. Use an odd number: an even number survives no more failures than the odd number below it."""
    image: ImageReference | None = None
    """Image with what the official ZooKeeper image has. The default is the operator's `--default-image`."""
    image_pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    """When the kubelet pulls the image."""
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
    """Entries of zoo.cfg with allowed keys. Write numbers with or without quotes, and true and false in quotes."""
    log_level: LogLevel = LogLevel.INFO
    """Lowest severity of the log lines that members write to standard output."""
    jvm: Jvm = Jvm()
    """Settings of the Java virtual machine of each member."""
    resources: Resources = Resources()
    """Compute resources of each member. The heap size follows from `limits.memory`."""
    storage: Storage = Storage()
    """The volume of each member."""
    bootstrap: Beginning | None = None
    """How a new ensemble begins. The default: empty."""
    pod: Pod = Pod()
    """Labels, scheduling, containers, volumes and rights of the members' pods."""
    service: ClientService = ClientService()
    """The Service for clients."""
    tls: Tls | None = None
    """TLS for clients and between members. It can be turned on and off while the ensemble serves."""
    observers: Observers | None = None
    """Members without a vote, for reads. They can be added, scaled and taken away while the ensemble serves."""
    external_access: ExternalAccess | None = None
    """Services for clients outside the Kubernetes cluster. They come and go while the ensemble serves."""
    common_labels: Labels = Field(default_factory=dict)
    """Labels for every object that the operator creates, except pods (see `spec.pod.labels`) and volume claims."""
    common_annotations: Annotations = Field(default_factory=dict)
    """Annotations for every object that the operator creates, except pods (see `spec.pod.annotations`) and claims."""
    disruption: Disruption = Disruption()
    """What an eviction may do to the members. Of three or more, one at a time may be evicted; of two, none may be."""
    grants: Annotated[
        tuple[Grant, ...],
        Field(
            max_length=64,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """Permits ConfigSyncs of other namespaces to use subtrees of the ensemble. Those of its own namespace need none."""
    paused: bool = False
    """True: the operator observes and reports, but changes nothing."""


class MemberRole(StrEnum):
    """What a member does in the ensemble, as the member reports it."""

    LEADER = "leader"
    FOLLOWER = "follower"
    OBSERVER = "observer"
    JOINING = "joining"
    LEAVING = "leaving"
    UNKNOWN = "unknown"


_Word = Annotated[str, Field(max_length=253)]


class Member(Model):
    """The state of one member."""

    name: _Word
    """Name of the member's pod."""
    id: Annotated[int, Field(ge=1, le=255)]
    """The member's id (`myid`): the ordinal of its pod plus 1, for observers plus 101."""
    role: MemberRole = MemberRole.UNKNOWN
    """What the member does in the ensemble; `unknown` while it does not answer."""
    ready: bool = False
    """Whether the member's pod is ready."""
    version: _Word = ""
    """Version of ZooKeeper, as the member reports it."""
    zxid: _Word = ""
    """zxid of the last transaction that the member had when it served last, hexadecimal. It can be 10 s older."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """What is wrong with the member; empty when nothing is."""
    volume: MemberVolume | None = None
    """The member's volume; absent with Ephemeral storage, and while there is no claim."""


class Bootstrap(Model):
    """The bootstrap record: permits the founding. It is written before any member may start with an empty disk."""

    members: Annotated[int, Field(ge=1, le=MAX_REPLICAS)]
    """Number of the first members. Each of them knows all the others from its first start."""
    complete: bool = False
    """True once a quorum has served. From then on no member may found an ensemble, even when its disk is empty."""
    ensemble: Annotated[str, Field(max_length=128)] | None = None
    """uid of the object that founded the ensemble: its volumes are marked with it. `unknown` if nothing says which."""


class Binding(Model):
    """Where a service binding finds how to reach the ensemble, as the Service Binding specification has it."""

    name: Annotated[str, Field(max_length=253)]
    """Name of the Secret: type, provider, host, port and uri of the client Service, and no credential."""


class LastBackup(Model):
    """The newest backups that schedules have made of the ensemble."""

    last_success_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When the newest complete one was stored."""
    last_verified_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When the newest verified one was checked."""
    zxid: _Word | None = None
    """The moment that the newest complete one shows. Hexadecimal."""


class ZooKeeperClusterStatus(Model):
    """The state of the ensemble, as the operator observed it."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status describes; -1 before the operator has seen the object."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, named by its Lease: `namespace/name`."""
    replicas: Annotated[int, Field(ge=0)] = 0
    """Number of voters in the committed configuration."""
    ready_replicas: Annotated[int, Field(ge=0)] = 0
    """Number of voters whose pods are ready; voters that join or leave are among them."""
    observers: Annotated[int, Field(ge=0)] | None = None
    """Number of observers in the committed configuration; absent while there never were any."""
    ready_observers: Annotated[int, Field(ge=0)] | None = None
    """Number of observers whose pods are ready."""
    selector: Annotated[str, Field(max_length=1024)] = ""
    """Label selector of the members' pods, for the scale subresource."""
    leader: _Word = ""
    """Name of the leader's pod; empty while there is no leader."""
    version: _Word = ""
    """Version of ZooKeeper; empty while members have different versions."""
    config_version: _Word = ""
    """Version of the committed configuration, hexadecimal."""
    endpoint: Annotated[str, Field(max_length=512)] = ""
    """Address of the client Service, `host:port`."""
    hosts: Annotated[str, Field(max_length=4096)] = ""
    """Connect string with the address of each voter."""
    external_hosts: Annotated[str, Field(max_length=4096)] | None = None
    """Connect string for clients outside the Kubernetes cluster: of those without TLS while they are let in, else of
    those with TLS. Empty until an address is known; absent without `spec.externalAccess`."""
    tls: TlsStatus | None = None
    """TLS of the ensemble; absent without TLS."""
    binding: Binding | None = None
    """The Secret for service bindings; absent until it is there."""
    bootstrap: Bootstrap | None = None
    """The bootstrap record, which permits the founding; absent before that."""
    incarnation: Incarnation | None = None
    """The last recovery from a lost quorum, or the last restore of a backup; absent while there was none."""
    volume_replacement: VolumeReplacement | None = None
    """The last replacement of a volume that a person has approved; absent while there was none."""
    backup: LastBackup | None = None
    """The newest backups that ZooKeeperBackupSchedules have made of the ensemble; absent while there is none."""
    members: Annotated[
        tuple[Member, ...],
        Field(
            max_length=32,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """The state of each member."""
    conditions: Conditions = ()
    """Ready, Available, Progressing and Degraded; Reconciling and Stalled repeat Ready for other tools."""


_NOT_SMALLER = (
    "quantity(self.spec.storage.size).compareTo(quantity(oldSelf.spec.storage.size)) >= 0"
    " || (has(self.status) && has(self.status.members) && self.status.members.exists(m, has(m.volume))"
    " && self.status.members.all(m, !has(m.volume) || !has(m.volume.capacity)"
    " || quantity(m.volume.capacity).compareTo(quantity(self.spec.storage.size)) <= 0))"
)
"""A size that no volume has reached may be taken back: the storage may have refused it."""


class ZooKeeperCluster(Model):
    """A ZooKeeper ensemble. The operator creates, scales, upgrades and repairs it without loss of quorum or data."""

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
        Rule(
            "may only grow: volumes do not shrink. Write at least the size that they have "
            "(status.members[].volume.capacity), or create a new ZooKeeperCluster and move the data",
            field="spec.storage.size",
            cel=_NOT_SMALLER,
        ),
    )

    metadata: ObjectMeta
    spec: ZooKeeperClusterSpec
    """The desired state of the ensemble."""
    status: ZooKeeperClusterStatus = ZooKeeperClusterStatus()
    """The state of the ensemble, as the operator observed it."""
