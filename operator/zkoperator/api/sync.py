"""ConfigSync: keeps a subtree of znodes and a ConfigMap or Secret equal. Its spec and its status."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from zkoperator.api.meta import Conditions, Model, ObjectMeta
from zkoperator.api.rules import Rule, Rules
from zkoperator.api.sync_format import Format
from zkoperator.api.sync_keys import Ephemerals, Keys
from zkoperator.api.sync_source import ZooKeeperSide
from zkoperator.api.sync_target import ConfigMapSide, SecretSide
from zkoperator.api.sync_template import TEMPLATE_RULES, Template
from zkoperator.api.workloads import MAX_WORKLOADS, RolledContent, Workload, WorkloadRollout

MAX_CONFLICTS = 20
"""Most conflicts that the status lists; `conflictCount` counts all of them."""
MAX_COMMON = 98_304
"""Longest `status.common`, in characters."""
MAX_NAME_LENGTH = 63
"""Longest name of a ConfigSync, in characters: the name is the value of a label on the ConfigMap."""


class Direction(StrEnum):
    """Which side follows the other. `TwoWay`: each follows the other."""

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
    """When more keys than this are deleted within 5 minutes, in one edit or in many, the deletions wait for approval.
    Keys that were created again do not count."""
    max_percent: Annotated[int, Field(ge=0, le=100)] = 30
    """When at least 5 keys, and more than this percentage of all keys, are deleted within 5 minutes, the deletions wait
    for approval. The deletion of the last keys always waits. The deletion of ephemeral znodes that ended with their
    session never waits."""


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


def _target_is_one(spec: "ConfigSyncSpec") -> bool:
    return spec.secret is None or spec.config_map == ConfigMapSide()


def _tree_is_pulled(spec: "ConfigSyncSpec") -> bool:
    return spec.zookeeper.path != "/" or spec.direction is Direction.ZOOKEEPER_TO_CONFIG_MAP


def _tree_is_kept(spec: "ConfigSyncSpec") -> bool:
    return spec.zookeeper.path != "/" or spec.on_delete is not OnDelete.DELETE_ZNODES


def _sources_are_pulled(spec: "ConfigSyncSpec") -> bool:
    return not spec.zookeeper.sources or spec.direction is Direction.ZOOKEEPER_TO_CONFIG_MAP


def _sources_are_kept(spec: "ConfigSyncSpec") -> bool:
    return not spec.zookeeper.sources or spec.on_delete is not OnDelete.DELETE_ZNODES


def _ephemerals_are_pulled(spec: "ConfigSyncSpec") -> bool:
    return spec.keys.ephemerals is Ephemerals.EXCLUDE or spec.direction is Direction.ZOOKEEPER_TO_CONFIG_MAP


class ConfigSyncSpec(Model):
    """What to synchronise, and how."""

    rules: ClassVar = (
        Rule(
            "remove it, or remove secret: the keys are kept in a ConfigMap or in a Secret, not in both",
            field="configMap",
            cel="!has(self.secret)"
            " || !(has(self.configMap.name) || has(self.configMap.labels) || has(self.configMap.annotations))",
            holds=_target_is_one,
        ),
        Rule(
            "cannot be added or removed: a ConfigSync keeps its ConfigMap or its Secret; create another ConfigSync",
            field="secret",
            cel="has(self.secret) == has(oldSelf.secret)",
        ),
        Rule(
            "write Exclude, or direction: ZooKeeperToConfigMap: a ConfigMap cannot keep an ephemeral znode alive",
            field="keys.ephemerals",
            cel="self.keys.ephemerals != 'Include' || self.direction == 'ZooKeeperToConfigMap'",
            holds=_ephemerals_are_pulled,
        ),
        Rule(
            "cannot be changed with direction: ConfigMapToZooKeeper: the keys are named by whoever writes the "
            "ConfigMap; change the field back, or create another ConfigSync",
            field="keys.separator",
            cel="self.direction != 'ConfigMapToZooKeeper' || self.keys.separator == oldSelf.keys.separator",
        ),
        Rule(
            "cannot be changed with format Json or Yaml, whose maps it takes apart; create another ConfigSync",
            field="keys.separator",
            cel="!(self.format.type in ['Json', 'Yaml']) || self.keys.separator == oldSelf.keys.separator",
        ),
        Rule(
            "cannot be changed with direction: ConfigMapToZooKeeper: the keys are named by whoever writes the "
            "ConfigMap; change the field back, or create another ConfigSync",
            field="keys.stripPrefix",
            cel="self.direction != 'ConfigMapToZooKeeper' || self.keys.stripPrefix == oldSelf.keys.stripPrefix",
        ),
        Rule(
            "write the path of a subtree such as /apps, or direction: ZooKeeperToConfigMap: the whole tree can only be "
            "pulled",
            field="zookeeper.path",
            cel="!has(self.zookeeper.path) || self.zookeeper.path != '/' || self.direction == 'ZooKeeperToConfigMap'",
            holds=_tree_is_pulled,
        ),
        Rule(
            "write Retain or DeleteConfigMap: with zookeeper.path / the operator deletes no znodes",
            field="onDelete",
            cel="!has(self.zookeeper.path) || self.zookeeper.path != '/' || self.onDelete != 'DeleteZnodes'",
            holds=_tree_is_kept,
        ),
        Rule(
            "write direction: ZooKeeperToConfigMap, or one path: several subtrees can only be pulled, as nothing says "
            "to which of them a new key belongs",
            field="zookeeper.sources",
            cel="!has(self.zookeeper.sources) || self.zookeeper.sources.size() == 0"
            " || self.direction == 'ZooKeeperToConfigMap'",
            holds=_sources_are_pulled,
        ),
        Rule(
            "write Retain or DeleteConfigMap: with zookeeper.sources the operator deletes no znodes",
            field="onDelete",
            cel="!has(self.zookeeper.sources) || self.zookeeper.sources.size() == 0 || self.onDelete != 'DeleteZnodes'",
            holds=_sources_are_kept,
        ),
        Rule(
            "cannot be changed: the ConfigMap holds the content in this form; create another ConfigSync for another",
            field="format",
            cel="self.format == oldSelf.format",
        ),
        *TEMPLATE_RULES,
    )

    zookeeper: ZooKeeperSide
    """The subtree of znodes, or several of them."""
    config_map: ConfigMapSide = ConfigMapSide()
    """The ConfigMap. It is the target unless `secret` is written."""
    secret: SecretSide | None = None
    """A Secret in place of the ConfigMap; `secret: {}` for one with the name of the ConfigSync. The installation must
    grant it. In the names of directions and policies, `ConfigMap` stands for the Secret too."""
    direction: Direction = Direction.TWO_WAY
    """Which side follows the other. `TwoWay`: each follows the other."""
    conflict_policy: ConflictPolicy = ConflictPolicy.HOLD
    """What to do with a key that was edited differently on both sides: wait for a decision, or prefer one side."""
    adoption_policy: AdoptionPolicy = AdoptionPolicy.UNION
    """How to begin with an existing ConfigMap: keep the keys of both sides, prefer one side, or require equal keys."""
    deletion_policy: DeletionPolicy = DeletionPolicy.PROPAGATE
    """`Propagate`: a deletion on one side deletes on the other. `Retain`: the other side keeps the key, detached."""
    deletion_guard: DeletionGuard = DeletionGuard()
    """How many deletions within 5 minutes need an approval."""
    keys: Keys = Keys()
    """Which znodes of the subtree are keys, and how the keys are named."""
    format: Format = Format()
    """Whether each znode is a key of the ConfigMap, or all of them are one file in it."""
    template: Template | None = None
    """Files that are rendered from the znodes. Only with direction `ZooKeeperToConfigMap`."""
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
    """Workloads to restart after the content has changed and has settled, once for each content."""
    mode: Mode = Mode.ACTIVE
    """`DryRun`: the operator writes the plan into the status and changes neither side. `Paused`: it does nothing."""
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
    """When the conflict was first observed."""
    zookeeper: _Word = ""
    """Short hash of the znode's value; empty when the znode is absent."""
    config_map: _Word = ""
    """Short hash of the key's value; empty when the key is absent."""
    manager: _Word = ""
    """Field manager that wrote the key of the ConfigMap last."""


class Pending(Model):
    """A plan that is not carried out, because of a dry run or because it waits for approval."""

    creates: _Count = 0
    """Keys that would be created."""
    updates: _Count = 0
    """Keys that would be changed."""
    deletes: _Count = 0
    """Keys that would be deleted."""
    hash: Annotated[str, Field(max_length=64)] = ""
    """Hash that identifies the plan. The annotation that approves the plan has this value."""


class Deletions(Model):
    """Deleted keys that count for `deletionGuard`: for 5 minutes, and longer while deletions wait for approval."""

    keys: Annotated[tuple[_Word, ...], Field(max_length=64)] = ()
    """The keys that were deleted last."""
    time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When the list last changed: a key was deleted, or was created again."""


class SyncBase(Model):
    """What the status records of the merge base, so that the operator notices when the ConfigMap has lost it."""

    config_map_uid: Annotated[str, Field(alias="configMapUID", max_length=64)] = ""
    """uid of the ConfigMap that had the merge base."""
    digest: Annotated[str, Field(max_length=64)] = ""
    """Hash of the merge base."""
    ledger: bool = False
    """Whether the ledger znode was written."""


class ConfigSyncStatus(Model):
    """The state of the synchronisation, as the operator observed it."""

    observed_generation: Annotated[int, Field(ge=-1)] = -1
    """Generation of the spec that this status describes; -1 before the operator has seen the object."""
    operator: Annotated[str, Field(max_length=512)] | None = None
    """The operator that wrote this status last, named by its Lease: `namespace/name`."""
    config_map: _Word = ""
    """Name of the ConfigMap; empty with `spec.secret`."""
    secret: _Word = ""
    """Name of the Secret; empty without `spec.secret`."""
    zxid: _Word = ""
    """zxid of the state of the subtree that the ConfigMap has, hexadecimal with 0x."""
    keys: _Count = 0
    """Keys that are equal on both sides."""
    bytes: _Count = 0
    """Size of the values of these keys, in bytes."""
    last_sync_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] | None = None
    """When the operator last wrote to either side."""
    conflict_count: _Count = 0
    """Number of conflicts."""
    conflicts: Annotated[
        tuple[Conflict, ...],
        Field(
            max_length=MAX_CONFLICTS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]},
        ),
    ] = ()
    """The first 20 conflicts."""
    pending: Pending | None = None
    """A plan that is not carried out."""
    common: Annotated[str, Field(max_length=MAX_COMMON)] = ""
    """Names of the keys that both sides have in common at `zxid`, compressed. A lost ConfigMap does not affect it."""
    deletions: Deletions | None = None
    """Deleted keys that count for `deletionGuard`, together with the next ones."""
    base: SyncBase | None = None
    """What the status records of the merge base."""
    content: RolledContent | None = None
    """The content that the workloads of `spec.rollout` should run with."""
    rollouts: Annotated[
        tuple[WorkloadRollout, ...],
        Field(
            max_length=MAX_WORKLOADS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
    ] = ()
    """The content that each workload of `spec.rollout` runs with."""
    conditions: Conditions = ()
    """Ready, Connected, Conflicted and DeletionsHeld; RolledOut when `spec.rollout` names workloads; Reconciling and
    Stalled, which repeat Ready for other tools."""


class ConfigSync(Model):
    """Keeps a subtree of znodes and a ConfigMap equal, in one direction or both. Every write checks versions."""

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
            cel="has(self.spec.secret) ||"
            " !(has(self.spec.configMap.name) ? self.spec.configMap.name : self.metadata.name).startsWith('kube-')",
            holds=lambda sync: sync.spec.secret is not None or not sync.target_name.startswith("kube-"),
        ),
        Rule(
            "choose another Secret: those whose names start with kube- belong to Kubernetes",
            field="spec.secret.name",
            cel="!has(self.spec.secret) ||"
            " !(has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name).startsWith('kube-')",
            holds=lambda sync: sync.spec.secret is None or not sync.target_name.startswith("kube-"),
        ),
        Rule(
            "cannot be changed, except with direction: ConfigMapToZooKeeper: the ConfigMap holds the state of this "
            "ConfigSync; create another ConfigSync",
            field="spec.configMap.name",
            cel="self.spec.direction == 'ConfigMapToZooKeeper' ||"
            " (has(self.spec.configMap.name) ? self.spec.configMap.name : self.metadata.name)"
            " == (has(oldSelf.spec.configMap.name) ? oldSelf.spec.configMap.name : self.metadata.name)",
        ),
        Rule(
            "cannot be changed, except with direction: ConfigMapToZooKeeper: the Secret holds the state of this "
            "ConfigSync; create another ConfigSync",
            field="spec.secret.name",
            cel="self.spec.direction == 'ConfigMapToZooKeeper' || !has(self.spec.secret) || !has(oldSelf.spec.secret)"
            " || (has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name)"
            " == (has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : self.metadata.name)",
        ),
    )

    metadata: ObjectMeta
    spec: ConfigSyncSpec
    """What to synchronise, and how."""
    status: ConfigSyncStatus = ConfigSyncStatus()
    """The state of the synchronisation, as the operator observed it."""

    @property
    def target_name(self) -> str:
        """Name of the ConfigMap or Secret."""
        return (self.spec.secret or self.spec.config_map).name or self.metadata.name
