"""What the fake API server knows about kinds: subresources, generations, limits, and the owners of fields."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.fakes.field_ownership import Path, copy, owned_fields
from zkoperator.controller.quantity import parse_quantity
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.port import Manifest, Resource

_WITHOUT_GENERATION = frozenset({"configmaps", "secrets", "services", "leases", "events", "persistentvolumeclaims"})
_WITHOUT_STATUS = frozenset({"configmaps", "secrets", "leases", "events", "networkpolicies"})
_DATA_LIMIT = 1024 * 1024
_ANNOTATION_LIMIT = 256 * 1024
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "resourceVersion", "namespace", "name")


@dataclass(slots=True)
class ApiObject:
    """A stored object with the owners of its fields: (manager, operation, subresource) -> paths."""

    resource: Resource
    manifest: Manifest
    owners: dict[tuple[str, str, str], set[Path]] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.manifest["metadata"].get("namespace", ""), self.manifest["metadata"]["name"]

    @property
    def uid(self) -> str:
        """The server's identity of the object."""
        return str(self.manifest["metadata"]["uid"])

    def is_orphan(self, alive: set[str]) -> bool:
        """Whether it has owners, none of them lives, and it is not being deleted already."""
        metadata = self.manifest["metadata"]
        owners = metadata.get("ownerReferences") or []
        return bool(owners) and not metadata.get("deletionTimestamp") and not any(o["uid"] in alive for o in owners)

    def successor(self, manifest: Manifest) -> "ApiObject":
        """Return the object in its next state, owners as before."""
        return ApiObject(self.resource, manifest, {owner: set(paths) for owner, paths in self.owners.items()})

    def changed_fields(self, before: "ApiObject") -> set[Path]:
        """Return the leaves whose values differ from before, vanished ones left out."""
        old, new = owned_fields(before.manifest), owned_fields(self.manifest)
        return {path for path, value in new.items() if path not in old or old[path] != value}

    def claim(
        self,
        manager: str,
        operation: str,
        paths: set[Path],
        subresource: str = "",
        *,
        keep: bool = False,
        contested: set[Path] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        """Give the paths to a manager: all that it owns, or (`keep`) in addition. Others lose what it changed."""
        mine = (manager, operation, subresource)
        taken = paths if keep else contested
        existing = set(owned_fields(self.manifest))
        for owner in list(self.owners):
            if owner != mine:
                self.owners[owner] = (self.owners[owner] - taken) & existing
        self.owners[mine] = (self.owners.get(mine, set()) & existing) | paths if keep else paths
        self.owners = {owner: owned for owner, owned in self.owners.items() if owned}

    def exclusively_owned(self, manager: str, operation: str, subresource: str) -> set[Path]:
        """Return the paths that nobody else owns."""
        mine = (manager, operation, subresource)
        others: set[Path] = set().union(*(owned for owner, owned in self.owners.items() if owner != mine))
        return self.owners.get(mine, set()) - others

    def same_as(self, other: "ApiObject") -> bool:
        """Whether storing it would change nothing but times."""
        return self.owners == other.owners and _without_fields(self.manifest) == _without_fields(other.manifest)

    def managed_fields(self, render: Callable[[set[Path]], dict[str, Any]]) -> list[Manifest]:
        """Return `metadata.managedFields`."""
        return [
            {
                "manager": manager,
                "operation": operation,
                "apiVersion": self.resource.api_version,
                "fieldsType": "FieldsV1",
                "fieldsV1": render(paths),
                "time": "2026-01-01T00:00:00Z",
            }
            | ({"subresource": subresource} if subresource else {})
            for (manager, operation, subresource), paths in self.owners.items()
        ]


def has_generation(resource: Resource) -> bool:
    """Whether the server counts generations of this kind."""
    return resource.plural not in _WITHOUT_GENERATION


def has_status(resource: Resource) -> bool:
    """Whether status is a subresource of its own."""
    return resource.plural not in _WITHOUT_STATUS


def wants_generation(before: Manifest, after: Manifest) -> bool:
    """Whether the change is one of the desired state."""
    outside = {"metadata", "status"}
    return {k: v for k, v in before.items() if k not in outside} != {k: v for k, v in after.items() if k not in outside}


def admitted_part(resource: Resource, manifest: Manifest, subresource: str) -> Manifest:
    """Return what of a request counts: status and the rest are written through different doors."""
    if subresource == "status":
        return {key: each for key, each in manifest.items() if key in {"apiVersion", "kind", "status"}}
    if has_status(resource):
        return {key: each for key, each in manifest.items() if key != "status"}
    return manifest


def admit(resource: Resource, desired: Manifest, before: Manifest | None, subresource: str) -> Manifest:
    """Return the object as the server would store it, or raise `InvalidError`."""
    stored = copy(admitted_part(resource, desired, subresource))
    stored |= {"apiVersion": resource.api_version, "kind": resource.kind}
    if before is not None:
        if subresource == "status":
            stored = copy(before) | {"status": stored.get("status", {})}
        elif "status" in before and has_status(resource):
            stored["status"] = copy(before["status"])
        for name in _KEPT:
            stored["metadata"].pop(name, None)
            if name in before["metadata"]:
                stored["metadata"][name] = before["metadata"][name]
    else:
        for name in ("resourceVersion", "uid", "generation", "managedFields"):
            stored["metadata"].pop(name, None)
    if resource.plural == "secrets":
        _encode_strings(stored)
        stored.setdefault("type", "Opaque")
    _validate(resource, stored, before)
    return stored


def _encode_strings(secret: Manifest) -> None:
    given = secret.pop("stringData", {})
    if given:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in given.items()}
        secret["data"] = secret.get("data", {}) | encoded


def _validate(resource: Resource, stored: Manifest, before: Manifest | None) -> None:
    errors = []
    metadata = stored["metadata"]
    if not _NAME.fullmatch(metadata["name"]):
        errors.append(FieldError("metadata.name", "Invalid value: a lowercase RFC 1123 subdomain must consist of ..."))
    annotations = metadata.get("annotations") or {}
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATION_LIMIT:
        errors.append(FieldError("metadata.annotations", f"Too long: may not be more than {_ANNOTATION_LIMIT} bytes"))
    if resource.plural in {"configmaps", "secrets"}:
        errors += _data_errors(resource, stored, before)
    if resource.plural == "secrets":
        errors += _secret_errors(stored, before)
    if resource.plural in {"statefulsets", "persistentvolumeclaims"} and before is not None:
        errors += (
            _template_errors(stored, before) if resource.plural == "statefulsets" else _claim_errors(stored, before)
        )
    if errors:
        raise InvalidError(tuple(errors))


def _template_errors(stored: Manifest, before: Manifest) -> list[FieldError]:
    if _templates(stored) == _templates(before):
        return []
    words = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'template', ... are forbidden"
    return [FieldError("spec", words)]


def _templates(stateful_set: Manifest) -> Any:
    return (stateful_set.get("spec") or {}).get("volumeClaimTemplates")


def _claim_errors(stored: Manifest, before: Manifest) -> list[FieldError]:
    new, old = stored.get("spec") or {}, before.get("spec") or {}
    if new == old:
        return []
    words = (
        "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
        "claims"
    )
    mutable = ("resources", "volumeAttributesClassName")
    kept = {key: value for key, value in old.items() if key not in mutable}
    if {key: value for key, value in new.items() if key not in mutable} != kept or not is_bound(before):
        return [FieldError("spec", words)]
    capacity = before["status"].get("capacity", {}).get("storage", "0")
    if parse_quantity(requested(stored)) < parse_quantity(capacity):
        where = "spec.resources.requests.storage"
        return [FieldError(where, "Forbidden: field can not be less than status.capacity")]
    return []


def is_bound(claim: Manifest) -> bool:
    """Whether the claim has a volume."""
    return bool((claim.get("status") or {}).get("phase") == "Bound")


def requested(claim: Manifest) -> str:
    """Return the size that the claim asks for."""
    return str(((claim.get("spec") or {}).get("resources") or {}).get("requests", {}).get("storage", "0"))


def _data_errors(resource: Resource, stored: Manifest, before: Manifest | None) -> list[FieldError]:
    data, binary = stored.get("data") or {}, stored.get("binaryData") or {}
    errors = [
        FieldError(f"{part}[{key}]", "Invalid value: a valid config key must consist of alphanumeric characters")
        for part, values in (("data", data), ("binaryData", binary))
        for key in values
        if not _DATA_KEY.fullmatch(key) or key in {".", ".."}
    ]
    errors += [
        FieldError(f"data[{key}]", "Invalid value: duplicate of key present in binaryData")
        for key in data.keys() & binary
    ]
    encoded = binary.values() if resource.plural == "configmaps" else data.values()
    plain = data.values() if resource.plural == "configmaps" else ()
    size = sum(len(base64.b64decode(each)) for each in encoded) + sum(len(each.encode()) for each in plain)
    if size > _DATA_LIMIT:
        errors.append(FieldError(resource.kind, f"Too long: may not be more than {_DATA_LIMIT} bytes"))
    if before is not None and before.get("immutable"):
        changed = [part for part in ("data", "binaryData", "immutable") if before.get(part) != stored.get(part)]
        errors += [FieldError(part, "Forbidden: field is immutable when `immutable` is set") for part in changed]
    return errors


def _secret_errors(stored: Manifest, before: Manifest | None) -> list[FieldError]:
    """Return what is wrong with the type: it never changes, and asks for keys."""
    type_, data = stored["type"], stored.get("data") or {}
    if before is not None and before.get("type") != type_:
        return [FieldError("type", "Invalid value: field is immutable")]
    if type_ == "kubernetes.io/basic-auth":
        return [] if {"username", "password"} & data.keys() else [FieldError("data[username]", "Required value")]
    needed = {
        "kubernetes.io/tls": ("tls.crt", "tls.key"),
        "kubernetes.io/ssh-auth": ("ssh-privatekey",),
        "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
        "kubernetes.io/dockercfg": (".dockercfg",),
    }
    missing = [FieldError(f"data[{key}]", "Required value") for key in needed.get(type_, ()) if key not in data]
    return missing + [
        FieldError(f"data[{key}]", 'Invalid value: "<secret contents redacted>": invalid character')
        for key in (".dockerconfigjson", ".dockercfg")
        if key in data and key in needed.get(type_, ()) and not _is_json(data[key])
    ]


def _is_json(encoded: str) -> bool:
    try:
        json.loads(base64.b64decode(encoded))
    except ValueError:
        return False
    return True


def _without_fields(manifest: Manifest) -> Manifest:
    return manifest | {"metadata": {k: v for k, v in manifest["metadata"].items() if k != "managedFields"}}
