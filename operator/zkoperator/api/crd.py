"""The CustomResourceDefinitions, generated from the models.

Kubernetes needs a structural schema, and Pydantic's JSON schema is not one. `structural` rewrites it, and raises on any
keyword that it cannot translate, so that no field gets into a CRD half-translated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.backup import ZooKeeperBackup
from zkoperator.api.backup_schedule import ZooKeeperBackupSchedule
from zkoperator.api.cluster import ZooKeeperCluster
from zkoperator.api.meta import GROUP, VERSION, Model
from zkoperator.api.sync import ConfigSync
from zkoperator.api.znode import ZNode

Schema = dict[str, Any]

_KEPT = frozenset(
    {
        *("type", "description", "enum", "format", "pattern", "required", "anyOf", "nullable"),
        *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
        *("x-kubernetes-validations", "x-kubernetes-int-or-string"),
        *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    }
)
_DROPPED = frozenset({"title", "examples"})
_REWRITTEN = frozenset({"$ref", "default", "properties", "items", "additionalProperties", "propertyNames"})
_NULL = {"type": "null"}
_UNSEEN = {"observedGeneration": -1}
"""The status of an object that no operator has seen: without it, kstatus takes a new object for a current one."""


class SchemaError(ValueError):
    """A model has a shape or a keyword that `structural` cannot translate."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`. `kubectl` shows a column with a priority above 0 only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """The parts of a CustomResourceDefinition that are not in the schema."""

    model: type[Model]
    plural: str
    short: str
    columns: tuple[Column, ...]
    scale: Mapping[str, str] | None = None

    @property
    def name(self) -> str:
        """The kind as in manifests."""
        return self.model.__name__


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

CLUSTER = Kind(
    ZooKeeperCluster,
    "zookeeperclusters",
    "zk",
    (
        Column("Replicas", ".spec.replicas", "integer", "Voters that the spec asks for"),
        Column("Voters", ".status.replicas", "integer", "Voters in the committed configuration", 1),
        Column("Serving", ".status.readyReplicas", "integer", "Voters that are ready"),
        Column("Leader", ".status.leader", description="Pod of the leader"),
        Column("Version", ".status.version", description="Version of ZooKeeper; empty while members differ"),
        Column("Available", _condition("Available", "status"), description="Whether a quorum serves"),
        Column("Ready", _condition("Ready", "status"), description="Whether the newest spec is fully in place"),
        Column("Reason", _condition("Ready", "reason"), description="Why it is ready or not"),
        _AGE,
        Column("Message", _condition("Ready", "message"), description="What is the case, and what to do about it"),
        Column("Endpoint", ".status.endpoint", description="Address of the client Service", priority=1),
        Column("Observers", ".status.readyObservers", "integer", "Observers that are ready", 1),
        Column("External", ".status.externalHosts", description="Addresses for clients from outside", priority=1),
    ),
    scale={
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    },
)

SYNC = Kind(
    ConfigSync,
    "configsyncs",
    "zksync",
    (
        Column("Path", ".spec.zookeeper['path','sources']", description="Root of the subtree, or of several"),
        Column("ConfigMap", ".status.configMap", description="The ConfigMap"),
        Column("Direction", ".spec.direction", description="Which side follows which"),
        Column("Ready", _condition("Ready", "status"), description="Whether every selected key is equal on both sides"),
        Column("Reason", _condition("Ready", "reason"), description="Why it is ready or not"),
        Column("Keys", ".status.keys", "integer", "Keys that are equal on both sides"),
        Column("Zxid", ".status.zxid", description="The state of the subtree that the ConfigMap or Secret has"),
        _AGE,
        Column("Message", _condition("Ready", "message"), description="What is the case, and what to do about it"),
        Column("Conflicts", ".status.conflictCount", "integer", "Keys that wait for a decision", 1),
        Column("Secret", ".status.secret", description="The Secret in place of a ConfigMap", priority=1),
    ),
)

BACKUP = Kind(
    ZooKeeperBackup,
    "zookeeperbackups",
    "zkb",
    (
        Column("Cluster", ".spec.clusterRef.name", description="The ZooKeeperCluster"),
        Column("State", _condition("Complete", "reason"), description="Whether the data is stored, or why not yet"),
        Column("Verified", _condition("Verified", "status"), description="Whether the stored data was found sound"),
        Column("Zxid", ".status.zxid", description="The moment that the copy shows"),
        Column("Znodes", ".status.znodes", "integer", "Znodes in the copy"),
        Column("Size", ".status.storedBytes", "integer", "Bytes of the stored object"),
        _AGE,
        Column("Message", _condition("Complete", "message"), description="What is the case, and what to do about it"),
        Column("Location", ".status.location", description="Where the data is in the storage", priority=1),
    ),
)

SCHEDULE = Kind(
    ZooKeeperBackupSchedule,
    "zookeeperbackupschedules",
    "zkbs",
    (
        Column("Cluster", ".spec.clusterRef.name", description="The ZooKeeperCluster"),
        Column("Schedule", ".spec.schedule", description="When backups are taken"),
        Column("Healthy", _condition("Healthy", "status"), description="Whether backups are taken as it says"),
        Column("Reason", _condition("Healthy", "reason"), description="Why it is healthy or not"),
        Column("Backups", ".status.backups", "integer", "Complete backups that are there"),
        Column("Last success", ".status.lastSuccessTime", "date", "Since when the newest complete backup is there"),
        Column("Last backup", ".status.lastBackup", description="The newest ZooKeeperBackup"),
        Column("Next", ".status.nextScheduleTime", description="When the next backup is due"),
        _AGE,
        Column("Message", _condition("Healthy", "message"), description="What is the case, and what to do about it"),
        Column("Time zone", ".spec.timeZone", description="The time zone of the schedule", priority=1),
    ),
)

ZNODE = Kind(
    ZNode,
    "znodes",
    "zn",
    (
        Column("Cluster", ".spec.clusterRef.name", description="The ZooKeeperCluster"),
        Column("Path", ".status.path", description="Absolute path of the znode"),
        Column("Ready", _condition("Ready", "status"), description="Whether znode, ACL and quota are as the spec asks"),
        Column("Reason", _condition("Ready", "reason"), description="Why it is ready or not"),
        Column("Znodes", ".status.usage.count", "integer", "Znodes in the subtree"),
        Column("Bytes", ".status.usage.bytes", "integer", "Size of their data"),
        Column("Secret", ".status.binding.name", description="The Secret for the application"),
        _AGE,
        Column("Message", _condition("Ready", "message"), description="What is the case, and what to do about it"),
        Column("Open", ".status.worldWritable", "integer", "Znodes below it that everybody may change", 1),
        Column("Connection", ".status.connectionString", description="For applications: address and path", priority=1),
    ),
)

KINDS = (CLUSTER, SYNC, BACKUP, SCHEDULE, ZNODE)


def definition(kind: Kind) -> Schema:
    """Return the CustomResourceDefinition as a manifest."""
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "shortNames": [kind.short],
        "categories": ["all"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/name": "zkoperator"}},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [_version(kind)]},
    }


def _version(kind: Kind) -> Schema:
    schema = root_schema(kind.model)
    check_structural(schema)
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}, **({"scale": dict(kind.scale)} if kind.scale is not None else {})},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": schema},
    }


def _column(column: Column) -> Schema:
    entry: Schema = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        entry["description"] = column.description
    if column.priority:
        entry["priority"] = column.priority
    return entry


def root_schema(model: type[Model]) -> Schema:
    """Return the structural schema of a whole object. The API server defines `metadata`, so it has no fields here."""
    raw = model.model_json_schema(by_alias=True)
    schema = structural({key: value for key, value in raw.items() if key != "$defs"}, raw.get("$defs", {}))
    properties = schema["properties"]
    _drop_defaults(properties["status"])
    properties["status"]["default"] = dict(_UNSEEN)
    envelope = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    parts = {"spec": properties["spec"], "status": properties["status"]}
    return {**schema, "required": ["spec"], "properties": {**envelope, **parts}}


def _drop_defaults(schema: Schema) -> None:
    """Remove the defaults from a status: the API server must not add fields to one that the operator wrote."""
    schema.pop("default", None)
    for child in (*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])):
        _drop_defaults(child)


def structural(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Schema:
    """Return the node as a structural schema: references inlined, nulls removed, only known keywords.

    Raises:
        SchemaError: a keyword or a shape has no known translation.
    """
    merged, inner_defs = _resolved(node, defs)
    unknown = set(merged) - _KEPT - _DROPPED - _REWRITTEN
    if unknown:
        raise SchemaError(f"no translation for {sorted(unknown)} in {merged.get('title', merged)}")
    out: Schema = {key: merged[key] for key in merged if key in _KEPT}
    _add_children(out, merged, inner_defs)
    if "default" in merged and not _is_empty_list(merged["default"]):
        out["default"] = _default(merged["default"], out)
    return out


def _is_empty_list(value: Any) -> bool:
    return value in ([], None)


def _resolved(node: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[Schema, Mapping[str, Any]]:
    """Return the node with its reference resolved and without its null option, and the definitions for its children.

    The second part lacks the definition of the node itself, because a structural schema cannot be recursive.
    """
    own = dict(node)
    if "anyOf" in own and _NULL in own["anyOf"]:
        others = [option for option in own.pop("anyOf") if option != _NULL]
        if len(others) != 1:
            raise SchemaError(f"a union cannot be expressed: {node}")
        own = {**others[0], **own}
    if "$ref" not in own:
        return own, defs
    name = own.pop("$ref").removeprefix("#/$defs/")
    if name not in defs:
        raise SchemaError(f"{name} contains itself")
    target, inner = _resolved(defs[name], {key: value for key, value in defs.items() if key != name})
    return {**target, **own}, inner


def _add_children(out: Schema, merged: Schema, defs: Mapping[str, Any]) -> None:
    if "properties" in merged:
        out["properties"] = {key: structural(child, defs) for key, child in merged["properties"].items()}
    if "items" in merged:
        out["items"] = structural(merged["items"], defs)
    extra = merged.get("additionalProperties", False)
    if isinstance(extra, Mapping):
        out["additionalProperties"] = structural(extra, defs)
    elif extra:
        raise SchemaError(f"an object of any form: {merged}")


def _default(value: Any, schema: Schema) -> Any:
    """Return the default without the values that the defaults of inner fields have already."""
    properties = schema.get("properties")
    if not isinstance(value, dict) or properties is None:
        return value
    return {
        key: inner
        for key, item in value.items()
        if (inner := _default(item, properties[key])) != properties[key].get("default") and not _is_empty(inner)
    }


def _is_empty(value: Any) -> bool:
    return value is None or value == [] or value == {}


_BOUNDING = ("enum", "format", "maxLength")


def check_structural(schema: Schema, path: str = "") -> None:
    """Raise unless each node of the schema has a type, and each text, list and map has a bound.

    Without bounds the API server refuses CEL rules as too costly.

    Raises:
        SchemaError: a node has no type or no bound; the message names its path.
    """
    if "x-kubernetes-int-or-string" in schema:
        return
    kind = schema.get("type")
    if kind is None:
        raise SchemaError(f"{path}: no type")
    envelope = path in {".apiVersion", ".kind", ".metadata"}
    if not envelope and not _is_bounded(schema):
        raise SchemaError(f"{path}: no bound on a {kind}")
    for name, child in schema.get("properties", {}).items():
        check_structural(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            check_structural(schema[keyword], f"{path}.{keyword}")


def _is_bounded(schema: Schema) -> bool:
    match schema["type"]:
        case "string":
            return any(keyword in schema for keyword in _BOUNDING)
        case "array":
            return "maxItems" in schema
        case "object" if "additionalProperties" in schema:
            return "maxProperties" in schema
        case _:
            return True
