"""ConfigSync: a znode subtree and a ConfigMap that follow one another, as asked for and as observed."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.rules import Rule, Rules, immutable
from zkoperator.api.sync_fields import NOT_OURS, Glob, Hosts, ShortText, ZnodePath
from zkoperator.api.types import LabelValue, ObjectName, annotation_keys, label_keys
from zkoperator.api.workloads import MAX_WORKLOADS, RolledContent, Workload, WorkloadRollout

MAX_CONFLICTS = 20
"""Conflicts that are listed; `conflictCount` has all."""
MAX_COMMON = 32_768
"""Characters of `status.common`."""
MAX_NAME_LENGTH = 63
"""Longest name of a ConfigSync: it is the value of a label on the ConfigMap."""


class ClusterRef(Model):
    """A ZooKeeperCluster of the same namespace."""

    name: ObjectName
    """Its name."""


class ZnodeAcl(StrEnum):
    """The ACL of znodes that a push creates."""

    PARENT = "Parent"
    """That of the nearest parent that exists."""
    CREATOR = "Creator"
    """Everything for the identity of `credentialsSecret`, nothing for others."""
    CREATOR_ALL_WORLD_READ = "CreatorAllWorldRead"
    """Everything for the identity of `credentialsSecret`, reading for everybody."""
    OPEN = "Open"
    """Everything for everybody."""


class ZooKeeperSide(Model):
    """The subtree of znodes."""

    rules: ClassVar = (
        Rule(
            "write Parent or Open, or name a credentialsSecret: without an identity nobody is the creator",
            field="acl",
            cel="!self.acl.startsWith('Creator') || has(self.credentialsSecret)",
            holds=lambda side: not side.acl.startswith("Creator") or side.credentials_secret is not None,
        ),
        Rule(
            "write exactly one of clusterRef (an ensemble of this namespace) and hosts (any other ensemble)",
            cel="has(self.clusterRef) != has(self.hosts)",
            holds=lambda side: (side.cluster_ref is None) != (side.hosts is None),
        ),
    )

    cluster_ref: ClusterRef | None = None
    """A ZooKeeperCluster of the same namespace."""
    hosts: Hosts | None = None
    """Connect string of any ensemble, where the operator's list of allowed hosts permits it."""
    path: Annotated[
        ZnodePath,
        Rules(
            immutable(
                "the ConfigMap holds the state of this subtree; create another ConfigSync for another path, and delete "
                "this one when it is not needed"
            )
        ),
    ]
    """The root of the subtree, absolute."""
    credentials_secret: ObjectName | None = None
    """Secret of the same namespace with `username` and `password` for digest authentication."""
    acl: ZnodeAcl = ZnodeAcl.PARENT
    """ACL of znodes that a push creates. With `Parent` the identity that pushes has access in any case."""


class ConfigMapSide(Model):
    """The ConfigMap."""

    name: ObjectName | None = None
    """Its name, in the same namespace; the name of the ConfigSync when absent. Created when missing, unless it is the
    source (`ConfigMapToZooKeeper`); that one may change its name with each generation, and be immutable."""
    labels: Annotated[dict[str, LabelValue], Field(max_length=16), Rules(NOT_OURS, label_keys())] = Field(
        default_factory=dict
    )
    """Labels that it has; set again when somebody changes them. Others stay, and so does what is taken off here."""
    annotations: Annotated[dict[str, ShortText], Field(max_length=16), Rules(NOT_OURS, annotation_keys())] = Field(
        default_factory=dict
    )
    """Annotations that it has, in the same way."""


class Direction(StrEnum):
    """Which side follows which."""

    TWO_WAY = "TwoWay"
    ZOOKEEPER_TO_CONFIG_MAP = "ZooKeeperToConfigMap"
    CONFIG_MAP_TO_ZOOKEEPER = "ConfigMapToZooKeeper"


class ConflictPolicy(StrEnum):
    """What happens to a key that was edited differently on both sides."""

    HOLD = "Hold"
    PREFER_ZOOKEEPER = "PreferZooKeeper"
    PREFER_CONFIG_MAP = "PreferConfigMap"


class AdoptionPolicy(StrEnum):
    """What happens to keys that differ at the first synchronisation with an existing ConfigMap."""

    UNION = "Union"
    PREFER_ZOOKEEPER = "PreferZooKeeper"
    PREFER_CONFIG_MAP = "PreferConfigMap"
    REQUIRE_EQUAL = "RequireEqual"


class DeletionPolicy(StrEnum):
    """Whether the deletion of a key on one side deletes it on the other."""

    PROPAGATE = "Propagate"
    RETAIN = "Retain"


class DeletionGuard(Model):
    """How many deletions within 5 minutes need an approval."""

    max_keys: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    """Deletions wait when they are more than this within 5 minutes, in one edit or in many. Keys that came back do not
    count."""
    max_percent: Annotated[int, Field(ge=0, le=100)] = 30
    """Deletions wait when they are at least 5 and a larger share of all keys than this within 5 minutes. Whatever the
    numbers are, the deletion of the last keys waits, and that of ephemeral znodes that ended with their session never
    does."""


class Ephemerals(StrEnum):
    """Whether ephemeral znodes are keys."""

    EXCLUDE = "Exclude"
    INCLUDE = "Include"


class Keys(Model):
    """Which znodes of the subtree are keys."""

    include: Annotated[tuple[Glob, ...], Field(min_length=1, max_length=32)] = ("**",)
    """Patterns on the path below the root; `*` within a name, `**` across names. A key that is no path: as written."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=32)] = ()
    """Patterns that take out what `include` selects."""
    ephemerals: Ephemerals = Ephemerals.EXCLUDE
    """`Include` only with direction ZooKeeperToConfigMap: a live registry of services as a ConfigMap."""


class Mode(StrEnum):
    """What the operator does with a difference."""

    ACTIVE = "Active"
    DRY_RUN = "DryRun"
    PAUSED = "Paused"


class OnDelete(StrEnum):
    """What happens to the data when the ConfigSync is deleted."""

    RETAIN = "Retain"
    DELETE_CONFIG_MAP = "DeleteConfigMap"
    DELETE_ZNODES = "DeleteZnodes"


def _ephemerals_are_pulled(spec: "ConfigSyncSpec") -> bool:
    return spec.keys.ephemerals is Ephemerals.EXCLUDE or spec.direction is Direction.ZOOKEEPER_TO_CONFIG_MAP


class ConfigSyncSpec(Model):
    """The tie that is wanted."""

    rules: ClassVar = (
        Rule(
            "write Exclude, or direction: ZooKeeperToConfigMap: a ConfigMap cannot keep an ephemeral znode alive",
            field="keys.ephemerals",
            cel="self.keys.ephemerals != 'Include' || self.direction == 'ZooKeeperToConfigMap'",
            holds=_ephemerals_are_pulled,
        ),
    )

    zookeeper: ZooKeeperSide
    """The subtree of znodes."""
    config_map: ConfigMapSide = ConfigMapSide()
    """The ConfigMap."""
    direction: Direction = Direction.TWO_WAY
    """Which side follows which."""
    conflict_policy: ConflictPolicy = ConflictPolicy.HOLD
    """A key that was edited differently on both sides: wait for a decision, or prefer one side."""
    adoption_policy: AdoptionPolicy = AdoptionPolicy.UNION
    """The first synchronisation with an existing ConfigMap: keys of both sides, or prefer one, or none may differ."""
    deletion_policy: DeletionPolicy = DeletionPolicy.PROPAGATE
    """`Retain`: the other side keeps a deleted key, detached until it is created again."""
    deletion_guard: DeletionGuard = DeletionGuard()
    """How many deletions at once need an approval."""
    keys: Keys = Keys()
    """Which znodes of the subtree are keys."""
    rollout: Annotated[
        tuple[Workload, ...],
        Field(
            max_length=MAX_WORKLOADS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
        Rules(
            Rule(
                "remove the workload that is listed twice",
                holds=lambda workloads: len({(w.kind, w.name) for w in workloads}) == len(workloads),
            )
        ),
    ] = ()
    """Workloads that are restarted once for each settled content."""
    mode: Mode = Mode.ACTIVE
    """`DryRun`: the plan is in the status, nothing is written. `Paused`: nothing is done."""
    on_delete: OnDelete = OnDelete.RETAIN
    """What happens to the data when the ConfigSync is deleted."""


_Word = Annotated[str, Field(max_length=253)]
_Count = Annotated[int, Field(ge=0)]


class Conflict(Model):
    """A key that was edited differently on both sides. Values are never shown, only their hashes."""

    key: _Word
    """The key of the ConfigMap."""
    path: Annotated[str, Field(max_length=1024)] = ""
    """The path of the znode."""
    since: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When it was first seen."""
    zookeeper: _Word = ""
    """Short hash of the znode's value; empty when the znode is absent."""
    config_map: _Word = ""
    """Short hash of the key's value; empty when the key is absent."""
    manager: _Word = ""
    """Field manager that last wrote the ConfigMap's side."""


class Pending(Model):
    """A plan that is not carried out: a dry run, or one that waits for approval."""

    creates: _Count = 0
    """Keys that would be created."""
    updates: _Count = 0
    """Keys that would be changed."""
    deletes: _Count = 0
    """Keys that would be deleted."""
    hash: Annotated[str, Field(max_length=64)] = ""
    """Identifies the plan: the value of the annotation that approves it."""


class Deletions(Model):
    """Keys that were deleted lately: they count for `deletionGuard` together with the next ones."""

    keys: Annotated[tuple[_Word, ...], Field(max_length=64)] = ()
    """The last of them."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When one was last added or came back."""


class SyncBase(Model):
    """What is known of the last synchronised state beside the ConfigMap, so that its loss is noticed."""

    config_map_uid: Annotated[str, Field(alias="configMapUID", max_length=64)] = ""
    """uid of the ConfigMap that carried it."""
    digest: Annotated[str, Field(max_length=64)] = ""
    """Hash of the base."""
    ledger: bool = False
    """Whether the ledger znode was written."""


class ConfigSyncStatus(Model):
    """The tie as observed."""

    observed_generation: _Count = 0
    """The generation of the spec that this status speaks of."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, by its Lease: `namespace/name`."""
    config_map: _Word = ""
    """Name of the ConfigMap."""
    zxid: _Word = ""
    """The state of the subtree that the ConfigMap has, hexadecimal with 0x."""
    keys: _Count = 0
    """Keys that are equal on both sides."""
    bytes: _Count = 0
    """Bytes of their values."""
    last_sync_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When something was last written."""
    conflict_count: _Count = 0
    """Number of conflicts."""
    conflicts: Annotated[
        tuple[Conflict, ...],
        Field(
            max_length=MAX_CONFLICTS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]},
        ),
    ] = ()
    """The first conflicts."""
    pending: Pending | None = None
    """A plan that is not carried out."""
    common: Annotated[str, Field(max_length=MAX_COMMON)] = ""
    """Names of the keys that both sides have in common at `zxid`, compressed: it outlives the annotations."""
    deletions: Deletions | None = None
    """What was deleted lately."""
    base: SyncBase | None = None
    """What is known of the last synchronised state."""
    content: RolledContent | None = None
    """What the workloads of `spec.rollout` are to run with."""
    rollouts: Annotated[
        tuple[WorkloadRollout, ...],
        Field(
            max_length=MAX_WORKLOADS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
    ] = ()
    """What the workloads of `spec.rollout` run with."""
    conditions: Conditions = ()
    """Ready, Connected, Conflicted and DeletionsHeld; RolledOut where `spec.rollout` names workloads."""


class ConfigSync(Model):
    """A znode subtree and a ConfigMap: a change on either side appears on the other, by version-checked writes."""

    rules: ClassVar = (
        Rule(
            f"write a shorter name, at most {MAX_NAME_LENGTH} characters: it is a label on the ConfigMap",
            field="metadata.name",
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            holds=lambda sync: len(sync.metadata.name) <= MAX_NAME_LENGTH,
        ),
        Rule(
            "choose another ConfigMap: those whose names start with kube- belong to Kubernetes",
            field="spec.configMap.name",
            cel="!(has(self.spec.configMap.name) ? self.spec.configMap.name : self.metadata.name).startsWith('kube-')",
            holds=lambda sync: not sync.config_map_name.startswith("kube-"),
        ),
        Rule(
            "cannot be changed, except with direction: ConfigMapToZooKeeper: the ConfigMap holds the state of this "
            "ConfigSync; create another ConfigSync",
            field="spec.configMap.name",
            cel="self.spec.direction == 'ConfigMapToZooKeeper' ||"
            " (has(self.spec.configMap.name) ? self.spec.configMap.name : self.metadata.name)"
            " == (has(oldSelf.spec.configMap.name) ? oldSelf.spec.configMap.name : self.metadata.name)",
        ),
    )

    metadata: ObjectMeta
    spec: ConfigSyncSpec
    """The tie that is wanted."""
    status: ConfigSyncStatus = ConfigSyncStatus()
    """The tie as observed."""

    @property
    def config_map_name(self) -> str:
        """Name of the ConfigMap."""
        return self.spec.config_map.name or self.metadata.name
