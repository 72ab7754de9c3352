"""Objects of a manifest as they would be once they are applied to what is there now. Pure."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from zkoperator.api.sync import ConfigSync, Direction
from zkoperator.api.sync_format import FormatType
from zkoperator.cli.view.manifests import Document, joined
from zkoperator.errors import FieldError
from zkoperator.kube.port import FIELD_MANAGER, Manifest

NEW_UID: Final = "00000000-0000-0000-0000-000000000000"
"""Stands for the uid that an object will get: none of an existing object."""
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PARTS: Final = ("data", "binaryData")

Keeps = Callable[[ConfigSync, ConfigSync], bool]
_UNCHANGEABLE: Final[tuple[tuple[str, Keeps], ...]] = (
    ("spec.zookeeper.path", lambda old, new: old.spec.zookeeper.path == new.spec.zookeeper.path),
    ("spec.configMap.name", lambda old, new: _has_secret(new) or _keeps_target(old, new)),
    ("spec.secret.name", lambda old, new: not _has_secret(new) or _keeps_target(old, new)),
    ("spec.secret", lambda old, new: _has_secret(old) is _has_secret(new)),
    ("spec.template", lambda old, new: (old.spec.template is None) is (new.spec.template is None)),
    ("spec.format", lambda old, new: old.spec.format == new.spec.format),
    (
        "spec.keys.separator",
        lambda old, new: not (_pushes(new) or _nests(new)) or old.spec.keys.separator == new.spec.keys.separator,
    ),
    (
        "spec.keys.stripPrefix",
        lambda old, new: not _pushes(new) or old.spec.keys.strip_prefix == new.spec.keys.strip_prefix,
    ),
)
"""Fields that the API server refuses to change, each with what holds of a change that it takes."""


def _pushes(sync: ConfigSync) -> bool:
    return sync.spec.direction is Direction.CONFIG_MAP_TO_ZOOKEEPER


def _has_secret(sync: ConfigSync) -> bool:
    return sync.spec.secret is not None


def _keeps_target(old: ConfigSync, new: ConfigSync) -> bool:
    return _pushes(new) or _has_secret(old) is not _has_secret(new) or old.target_name == new.target_name


def _nests(sync: ConfigSync) -> bool:
    return sync.spec.format.type in (FormatType.JSON, FormatType.YAML)


def refused_changes(old: ConfigSync, new: ConfigSync) -> tuple[FieldError, ...]:
    """Return the changes that the API server would refuse."""
    message = "cannot be changed in the existing ConfigSync; change it back, or create one of another name"
    return tuple(FieldError(path, message) for path, keeps in _UNCHANGEABLE if not keeps(old, new))


def as_applied(document: Document, live: Manifest | None, namespace: str) -> Manifest:
    """Return the object of the manifest with what only the live one has: uid, status, annotations of others."""
    meta, known = _meta(document.value), _meta(live or {})
    merged = {**meta, **known, "namespace": meta.get("namespace") or namespace}
    for part in ("labels", "annotations"):
        merged[part] = {**(known.get(part) or {}), **(meta.get(part) or {})}
    merged["uid"] = known.get("uid", NEW_UID)
    status = {"status": live["status"]} if live is not None and "status" in live else {}
    return {**{key: item for key, item in document.value.items() if key != "status"}, "metadata": merged, **status}


def config_map_as_applied(document: Document, live: Manifest | None, namespace: str) -> Manifest:
    """Return the ConfigMap of the manifest with the keys of others that the live one has.

    A key that somebody has applied before and that the manifest has no more is deleted by applying it, whether on the
    client's side (`kubectl apply`) or on the server's (`--server-side`, Argo CD, Flux, Helm).
    """
    merged = as_applied(document, live, namespace)
    dropped = _applied_keys(live) if live is not None else frozenset()
    written = {key for part in _PARTS for key in document.value.get(part) or {}}
    for part in _PARTS:
        kept = {key: text for key, text in ((live or {}).get(part) or {}).items() if key not in dropped | written}
        merged[part] = {**kept, **(document.value.get(part) or {})}
    return merged


def config_map_errors(document: Document) -> tuple[FieldError, ...]:
    """Return why the API server would refuse the data of a ConfigMap."""
    return tuple(_data_errors(document.value))


def _data_errors(value: Mapping[str, Any]) -> Iterator[FieldError]:
    for part in _PARTS:
        entries = value.get(part)
        if entries is not None and not isinstance(entries, Mapping):
            yield FieldError(part, "write a map of keys and values")
            continue
        for key, text in (entries or {}).items():
            if not isinstance(key, str) or not isinstance(text, str):
                yield FieldError(
                    joined(part, str(key)), 'write a text; numbers, true and false stand in quotes, as "2000"'
                )
            elif part == "binaryData" and not _is_base64(text):
                yield FieldError(joined(part, key), "write base64")


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _applied_keys(live: Manifest) -> frozenset[str]:
    """Return the keys that somebody other than the operator has applied."""
    meta = _meta(live)
    return frozenset({*_kept_in(meta.get("annotations") or {}), *_recorded_in(meta.get("managedFields") or [])})


def _kept_in(annotations: Mapping[str, str]) -> Iterator[str]:
    try:
        last = json.loads(annotations.get(_LAST_APPLIED, "{}"))
    except ValueError:
        return
    for part in _PARTS:
        entries = last.get(part) if isinstance(last, dict) else None
        yield from entries if isinstance(entries, dict) else ()


def _recorded_in(managers: list[dict[str, Any]]) -> Iterator[str]:
    for entry in managers:
        if entry.get("operation") != "Apply" or entry.get("manager") == FIELD_MANAGER:
            continue
        fields = entry.get("fieldsV1") or {}
        for part in _PARTS:
            yield from (name[2:] for name in fields.get(f"f:{part}") or {} if name.startswith("f:"))


def _meta(value: Mapping[str, Any]) -> dict[str, Any]:
    meta = value.get("metadata")
    return dict(meta) if isinstance(meta, Mapping) else {}
