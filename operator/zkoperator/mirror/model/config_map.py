"""The content of a ConfigMap or Secret for the merge: digests instead of values, and its owner. Pure."""

import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zkoperator.kube.port import Manifest
from zkoperator.mirror.model.decoration import marks_of
from zkoperator.mirror.model.ends.end import End
from zkoperator.mirror.model.file_format import FileView
from zkoperator.mirror.model.names import BASE_ANNOTATION, INPUTS_ANNOTATION, SYNC_LABEL, ZXID_ANNOTATION
from zkoperator.zk.snapshot import Digest

_DATA_FIELDS: Final = frozenset({"f:data", "f:binaryData"})


class Held(NamedTuple):
    """One key of a ConfigMap: digest and length of its value in bytes, and whether it is in `binaryData`."""

    digest: bytes
    length: int
    binary: bool


@dataclass(frozen=True, slots=True)
class Content:
    """One version of a ConfigMap. `base_text` is the raw annotation, "" when there is none; so are the other texts.

    `marks`: see `marks_of`. `flaw`: why the file that has the keys cannot be read, "" if it can or if there is none.
    `beside_bytes`: bytes of values that are no keys of the operator, beside a file. `type`: that of a Secret.
    `misfit`: see `End`.
    """

    name: str
    uid: str
    resource_version: str
    keys: Mapping[str, Held]
    base_text: str
    annotation_bytes: int
    label: str | None
    controller: str | None
    immutable: bool
    marks: Mapping[str, bytes] = field(default_factory=dict)
    zxid_text: str = ""
    flaw: str = ""
    beside_bytes: int = 0
    inputs_text: str = ""
    type: str = ""
    misfit: str = ""

    @property
    def number(self) -> int:
        """The resourceVersion as a number, 0 when it is not a number. A hint, never the ground of a decision."""
        return int(self.resource_version) if self.resource_version.isdecimal() else 0


def content_of(config_map: Mapping[str, Any], end: End, digest: Digest, view: FileView | None = None) -> Content:
    """Read a manifest. `digest` stands for its values; `view`: what it has in a file, where its keys are in one."""
    meta = config_map["metadata"]
    annotations: Mapping[str, str] = meta.get("annotations") or {}
    base_text, inputs_text = annotations.get(BASE_ANNOTATION, ""), annotations.get(INPUTS_ANNOTATION, "")
    all_bytes = sum(len(key) + len(value) for key, value in annotations.items())
    return Content(
        name=meta["name"],
        uid=meta.get("uid", ""),
        resource_version=meta.get("resourceVersion", ""),
        keys=_keys_of(config_map, end, digest) if view is None else _keys_in(view, digest),
        base_text=base_text,
        annotation_bytes=all_bytes - len(base_text) - len(inputs_text),
        label=(meta.get("labels") or {}).get(SYNC_LABEL),
        controller=_controller(meta),
        immutable=config_map.get("immutable") is True,
        marks=marks_of(meta),
        zxid_text=annotations.get(ZXID_ANNOTATION, ""),
        flaw=view.flaw if view is not None else "",
        beside_bytes=view.beside_bytes if view is not None else 0,
        inputs_text=inputs_text,
        type=end.type_of(config_map),
        misfit=end.misfit(config_map),
    )


def fold_managers(config_map: Manifest) -> Manifest:
    """Return a ConfigMap as a store keeps ten thousand of them.

    `managedFields` is text: as objects they are larger than all the rest, and are rarely needed. The names of fields,
    labels and annotations are shared: each answer of the API server brings its own copies.
    """
    meta = config_map["metadata"]
    marks = {name: _with_shared_names(meta[name]) for name in ("labels", "annotations") if meta.get(name)}
    folded = {**meta, **marks, "managedFields": json.dumps(meta.get("managedFields") or [])}
    return _with_shared_names({**config_map, "metadata": _with_shared_names(folded)})


def _with_shared_names(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {sys.intern(name): value for name, value in fields.items()}


def managers_of(config_map: Mapping[str, Any], file: str = "", keys: Collection[str] = ()) -> dict[str, str]:
    """Return the field manager that last wrote each key, where the API server has recorded it; folded or not.

    `file`: the key of the ConfigMap that has all these keys as a file: who wrote it last has written each of them.
    """
    if file:
        writer = managers_of(config_map).get(file)
        return dict.fromkeys(keys, writer) if writer is not None else {}
    found: dict[str, str] = {}
    for entry in _managed_fields(config_map):
        fields = entry.get("fieldsV1") or {}
        for part in _DATA_FIELDS:
            for name in fields.get(part) or {}:
                if name.startswith("f:"):
                    found[name[2:]] = entry.get("manager", "")
    return found


def rivals_of(config_map: Mapping[str, Any], names: Collection[str], own: str) -> tuple[str, ...]:
    """Return the field managers beside `own` that have these labels or annotations (`label a`).

    Who removed one is recorded nowhere.
    """
    owners: dict[str, str] = {}
    for entry in _managed_fields(config_map):
        fields = (entry.get("fieldsV1") or {}).get("f:metadata") or {}
        for kind in ("label", "annotation"):
            owners |= {f"{kind} {name[2:]}": entry.get("manager", "") for name in fields.get(f"f:{kind}s") or {}}
    return tuple(sorted({owners[name] for name in names if name in owners} - {own, ""}))


def written_at(config_map: Mapping[str, Any]) -> str | None:
    """Return when values were last written, RFC 3339, by `managedFields`; None when they do not say."""
    writers = [
        entry for entry in _managed_fields(config_map) if not _DATA_FIELDS.isdisjoint(entry.get("fieldsV1") or {})
    ]
    return str(writers[-1]["time"]) if writers and "time" in writers[-1] else None


def _managed_fields(config_map: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the entries of `managedFields`, the newest last."""
    found = (config_map.get("metadata") or {}).get("managedFields") or []
    entries = json.loads(found) if isinstance(found, str) else found
    return sorted(entries, key=lambda item: str(item.get("time", "")))


def _keys_of(config_map: Mapping[str, Any], end: End, digest: Digest) -> dict[str, Held]:
    return {key: Held(digest(value), len(value), is_binary) for key, value, is_binary in end.entries(config_map)}


def _keys_in(view: FileView, digest: Digest) -> dict[str, Held]:
    return {key: Held(digest(value), len(value), binary=False) for key, value in view.values.items()}


def _controller(meta: Mapping[str, Any]) -> str | None:
    for owner in meta.get("ownerReferences") or []:
        if owner.get("controller") is True:
            return f"{owner.get('kind', '')} {owner.get('name', '')}"
    return None
