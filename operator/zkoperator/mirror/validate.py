"""A raw ConfigSync becomes one frozen value, or all of its errors. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zkoperator.api.grant import GrantAccess
from zkoperator.api.parse import parse
from zkoperator.api.sync import (
    AdoptionPolicy,
    ConfigSync,
    ConfigSyncSpec,
    ConfigSyncStatus,
    DeletionPolicy,
    Direction,
    Mode,
    OnDelete,
)
from zkoperator.api.sync_format import FormatType
from zkoperator.api.sync_keys import Ephemerals
from zkoperator.api.sync_source import GrantedClusterRef, ZnodeAcl
from zkoperator.api.tls import ZooKeeperTls
from zkoperator.api.workloads import Workload
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, Resource
from zkoperator.mirror.model.decoration import Decoration
from zkoperator.mirror.model.ends.config_map import CONFIG_MAP_END
from zkoperator.mirror.model.ends.end import End
from zkoperator.mirror.model.ends.secret import SecretEnd
from zkoperator.mirror.model.file_format import FileFormat
from zkoperator.mirror.model.merge_base import Side
from zkoperator.mirror.model.names import APPROVE_ANNOTATION, FINALIZER, RESOLVE_ANNOTATION
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.model.parts import Part, Parts
from zkoperator.mirror.model.rules import DeletionLimits, Rules
from zkoperator.mirror.model.selection import Selection
from zkoperator.mirror.model.template import FileTemplates, file_templates, selection_of_files
from zkoperator.runtime.keys import Key


@dataclass(frozen=True, slots=True)
class SourceTls:
    """The Secrets with the authorities of an ensemble outside, and with the certificate of the ConfigSync."""

    authorities: str | None
    certificate: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a ConfigSync asks of the owner of a ZooKeeperCluster in another namespace."""

    namespace: str
    access: GrantAccess


@dataclass(frozen=True, slots=True)
class Source:
    """Where the subtree is: a ZooKeeperCluster or hosts outside; and its credentials, if any.

    `parts`: several subtrees, whose `root` is then `/`. `asked`: None for a cluster of the ConfigSync's own namespace.
    """

    root: str
    cluster: str | None
    hosts: tuple[str, ...]
    secret: str | None
    tls: SourceTls | None = None
    parts: Parts = ()
    asked: Asked | None = None

    @property
    def roots(self) -> tuple[str, ...]:
        """Absolute paths of the roots that are followed."""
        return tuple(f"/{part.path}" for part in self.parts) or (self.root,)

    @property
    def path(self) -> str:
        """What a base remembers of the roots: all of them, one a line."""
        return "\n".join(self.roots)

    @property
    def ensemble(self) -> str:
        """A digest of the ensemble's name in the spec, safe to publish. Two names may mean the same ensemble."""
        where = f"{self.asked.namespace}/" if self.asked is not None else ""
        is_outside = self.cluster is None
        named = f"hosts {','.join(sorted(self.hosts))}" if is_outside else f"cluster {where}{self.cluster}"
        return hashlib.sha256(named.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Target:
    """The object whose keys are kept equal with the znodes: its kind, and its name in the ConfigSync's namespace."""

    end: End
    name: str

    @property
    def kind(self) -> str:
        """The kind as messages name it."""
        return self.end.resource.kind

    def __str__(self) -> str:
        """Return the object as messages name it."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class ValidatedSync:
    """A ConfigSync with a valid spec. `rules` have no adoption policy: the planner adds it at a first synchronisation.

    `resolve` and `approved` are annotations with a user's decisions; `status` is the one last written. `format` is None
    where each znode is a key of the target. With `template`, `selection` is that of the files.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    target: Target
    source: Source
    rules: Rules
    adoption: AdoptionPolicy
    acl: ZnodeAcl
    decoration: Decoration
    limits: DeletionLimits
    selection: Selection
    ephemerals: bool
    rollout: tuple[Workload, ...]
    mode: Mode
    on_delete: OnDelete
    resolve: Mapping[str, Side]
    approved: str
    deleting: bool
    has_finalizer: bool
    status: ConfigSyncStatus
    format: FileFormat | None = None
    template: FileTemplates | None = None

    @property
    def cluster(self) -> Key | None:
        """The ZooKeeperCluster that is named, None for hosts outside."""
        source = self.source
        if source.cluster is None:
            return None
        return Key(source.asked.namespace if source.asked is not None else self.namespace, source.cluster)

    @property
    def pushes(self) -> bool:
        """Whether znodes follow the ConfigMap."""
        return self.rules.pushes

    @property
    def writes_znodes(self) -> bool:
        """Whether znodes are written: by pushes, or at the end, whatever the direction is."""
        return self.pushes or (self.deleting and self.on_delete is OnDelete.DELETE_ZNODES)

    @property
    def synced_before(self) -> bool:
        """Whether the status has a zxid of an earlier synchronisation."""
        return self.status.zxid != ""


def validate(raw: Mapping[str, Any]) -> ValidatedSync:
    """Return the typed ConfigSync; of one that is being deleted, only the fields that its end needs are checked.

    Raises:
        InvalidError: with every error, paths as in the manifest.
    """
    parsed = parse(ConfigSync, raw)
    if isinstance(parsed, tuple) and is_deleting(raw):
        parsed = parse(ConfigSync, _needed_at_the_end(raw))
    if isinstance(parsed, tuple):
        raise InvalidError(parsed)
    annotations = parsed.metadata.annotations
    resolve, errors = _resolutions(annotations.get(RESOLVE_ANNOTATION, ""))
    if errors and not is_deleting(raw):
        raise InvalidError(errors)
    return _validated(parsed, raw, resolve)


def _needed_at_the_end(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the fields that its end needs: in a terminating namespace nobody may correct the others."""
    spec = raw.get("spec")
    if not isinstance(spec, Mapping):
        return dict(raw)
    needed = {name: spec[name] for name in _END_FIELDS if name in spec}
    if isinstance(keys := needed.get("keys"), Mapping):
        needed["keys"] = {name: value for name, value in keys.items() if name != "ephemerals"}
    if spec.get("direction") == Direction.ZOOKEEPER_TO_CONFIG_MAP:
        needed["direction"] = spec["direction"]
    return {"metadata": raw["metadata"], "spec": needed}


_END_FIELDS = ("zookeeper", "configMap", "secret", "keys", "onDelete")


def target_of(raw: Mapping[str, Any]) -> tuple[Resource, str] | None:
    """Return kind and name of the target of a raw ConfigSync, None when its spec cannot be read."""
    try:
        spec = raw["spec"]
        is_secret = spec.get("secret") is not None
        named = (spec["secret"] if is_secret else spec.get("configMap") or {}).get("name")
        return SECRETS if is_secret else CONFIG_MAPS, str(named or raw["metadata"]["name"])
    except (KeyError, TypeError, AttributeError):
        return None


def is_deleting(raw: Mapping[str, Any]) -> bool:
    """Whether the object waits for its finalizers."""
    return raw["metadata"].get("deletionTimestamp") is not None


def finalizers_of(raw: Mapping[str, Any]) -> list[str]:
    """Return all finalizers of a raw object."""
    return list(raw["metadata"].get("finalizers") or [])


def _validated(parsed: ConfigSync, raw: Mapping[str, Any], resolve: Mapping[str, Side]) -> ValidatedSync:
    spec, meta = parsed.spec, parsed.metadata
    zookeeper = spec.zookeeper
    root, parts = zookeeper.path or "/", tuple(Part(item.path[1:], item.prefix) for item in zookeeper.sources)
    selection = Selection(root, spec.keys.include, spec.keys.exclude, _naming(spec, parts))
    template = _template(spec, selection)
    return ValidatedSync(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        generation=meta.generation,
        target=_target(parsed),
        source=Source(
            root=root,
            cluster=zookeeper.cluster_ref.name if zookeeper.cluster_ref is not None else None,
            hosts=tuple(zookeeper.hosts.split(",")) if zookeeper.hosts is not None else (),
            secret=zookeeper.credentials_secret,
            parts=parts,
            tls=_tls(zookeeper.tls) if zookeeper.tls is not None else None,
            asked=_asked(zookeeper.cluster_ref, meta.namespace, writes=_writes(spec)),
        ),
        rules=Rules(spec.direction, spec.conflict_policy, retain=spec.deletion_policy is DeletionPolicy.RETAIN),
        adoption=spec.adoption_policy,
        acl=zookeeper.acl,
        decoration=_decoration(spec),
        limits=DeletionLimits(spec.deletion_guard.max_keys, spec.deletion_guard.max_percent),
        selection=selection if template is None else selection_of_files(template.files),
        ephemerals=spec.keys.ephemerals is Ephemerals.INCLUDE,
        rollout=spec.rollout,
        mode=spec.mode,
        on_delete=spec.on_delete,
        resolve=resolve,
        approved=meta.annotations.get(APPROVE_ANNOTATION, "").strip(),
        deleting=is_deleting(raw),
        has_finalizer=FINALIZER in finalizers_of(raw),
        status=parsed.status,
        format=_format(spec),
        template=template,
    )


def _target(parsed: ConfigSync) -> Target:
    asked = parsed.spec.secret
    return Target(CONFIG_MAP_END if asked is None else SecretEnd(asked.type or ""), parsed.target_name)


def _decoration(spec: ConfigSyncSpec) -> Decoration:
    side = spec.secret or spec.config_map
    return Decoration(side.labels, side.annotations)


def _writes(spec: ConfigSyncSpec) -> bool:
    """Return whether znodes may be written, now or at the end."""
    return spec.direction is not Direction.ZOOKEEPER_TO_CONFIG_MAP or spec.on_delete is OnDelete.DELETE_ZNODES


def _asked(cluster: GrantedClusterRef | None, own: str, *, writes: bool) -> Asked | None:
    if cluster is None or cluster.namespace in (None, own):
        return None
    return Asked(str(cluster.namespace), GrantAccess.READ_WRITE if writes else GrantAccess.READ_ONLY)


def _format(spec: ConfigSyncSpec) -> FileFormat | None:
    given = spec.format
    if given.type is FormatType.KEYS or given.key is None:
        return None
    prefixes = tuple(source.prefix for source in spec.zookeeper.sources if source.prefix)
    return FileFormat(given.type, given.key, str(spec.keys.separator), prefixes)


def _template(spec: ConfigSyncSpec, selection: Selection) -> FileTemplates | None:
    if spec.template is None:
        return None
    return file_templates(spec.template.data, selection, ephemerals=spec.keys.ephemerals is Ephemerals.INCLUDE)


def _tls(asked: ZooKeeperTls) -> SourceTls:
    return SourceTls(asked.ca_secret_name, asked.certificate_secret_name)


def _naming(spec: ConfigSyncSpec, parts: Parts) -> Naming:
    """A prefix that ends in a letter or digit is a whole name."""
    separator, prefix = str(spec.keys.separator), spec.keys.strip_prefix
    prefix += "/" if prefix and prefix[-1].isalnum() else ""
    shortens = spec.direction is Direction.ZOOKEEPER_TO_CONFIG_MAP
    return Naming(separator, prefix.replace("/", separator), shortens, parts)


def _resolutions(text: str) -> tuple[dict[str, Side], tuple[FieldError, ...]]:
    """Read `<key>=zookeeper,<key>=configmap`."""
    found: dict[str, Side] = {}
    errors: list[FieldError] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, _, side = entry.rpartition("=")
        if key.strip() and side.strip() in list(Side):
            found[key.strip()] = Side(side.strip())
        else:
            errors.append(FieldError(_RESOLVE_FIELD, f"{entry!r}: write <key>=zookeeper or <key>=configmap"))
    return found, tuple(errors)


_RESOLVE_FIELD = f"metadata.annotations[{RESOLVE_ANNOTATION}]"
