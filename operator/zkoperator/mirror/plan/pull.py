"""The write of a pull: one merge patch (or one creation) that holds changed keys, zxid and base. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.decoration import NO_DECORATION, Decoration
from zkoperator.mirror.model.ends.end import End
from zkoperator.mirror.model.file_format import FileFormat, FileView
from zkoperator.mirror.model.merge_base import ANNOTATIONS_LIMIT, DIGEST_BYTES, Base, encode_base, short
from zkoperator.mirror.model.names import BASE_ANNOTATION, INPUTS_ANNOTATION, SYNC_LABEL, ZXID_ANNOTATION, zxid_text
from zkoperator.zk.snapshot import Znode

VALUES_LIMIT: Final = 1_048_576
"""Bytes that the API server takes for all values of a ConfigMap, names not counted."""
STORED_LIMIT: Final = 1_500_000
"""Bytes of a stored ConfigMap, its names and field managers included; etcd takes requests of up to 1.5 MiB."""
_STORED_BESIDE_A_VALUE: Final = 40
"""Bytes that a key costs beside its value and twice its name, which `managedFields` repeats."""
_ANNOTATIONS_MARGIN: Final = 4_096
_NO_LINES: Final[Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WriteConfigMap:
    """Write these keys, zxid and base over exactly this version. Without keys, only zxid and base are written.

    `paths`: key -> path at which its value is read if it is no longer in memory. `decoration` are labels and
    annotations that it does not have yet. `values`: key -> value that comes from no znode. `inputs`: the annotation
    that says what files were rendered from, "" where there are none.
    """

    puts: Mapping[str, Znode]
    paths: Mapping[str, str]
    removes: frozenset[str]
    base: Base
    resource_version: str
    decoration: Decoration = NO_DECORATION
    values: Mapping[str, bytes] = field(default_factory=dict)
    inputs: str = ""


@dataclass(frozen=True, slots=True)
class CreateConfigMap:
    """Create the ConfigMap with these keys."""

    name: str
    puts: Mapping[str, Znode]
    paths: Mapping[str, str]
    base: Base
    decoration: Decoration = NO_DECORATION
    values: Mapping[str, bytes] = field(default_factory=dict)
    inputs: str = ""


def fit_values(
    puts: Mapping[str, Znode], removes: frozenset[str], content: Content | None, lines: Mapping[str, int] = _NO_LINES
) -> tuple[dict[str, Znode], frozenset[str]]:
    """Return the writes that fit into the ConfigMap, and the keys of the writes that do not fit.

    Writes that shrink a value come first, then the others in the order of their keys. A value that is too large does
    not hold up the other keys. `lines`: key -> bytes that it adds to the index.
    """
    present = content.keys if content is not None else {}
    growth = {key: znode.data_length - (present[key].length if key in present else 0) for key, znode in puts.items()}
    growth |= {key: growth[key] + line for key, line in lines.items() if key in puts and key not in present}
    kept = {key: held.length for key, held in present.items() if key not in removes}
    values = sum(kept.values()) + (content.beside_bytes if content is not None else 0)
    stored = values + sum(map(_beside_value, kept)) + (content.annotation_bytes if content is not None else 0)
    fitting: dict[str, Znode] = {}
    for key in sorted(puts, key=lambda key: (growth[key] > 0, key)):
        more = growth[key] + (_beside_value(key) if key not in kept else 0)
        if more > 0 and (values + growth[key] > VALUES_LIMIT or stored + more > STORED_LIMIT):
            continue
        values, stored = values + growth[key], stored + more
        fitting[key] = puts[key]
    return fitting, frozenset(puts.keys() - fitting.keys())


def _beside_value(key: str) -> int:
    return 2 * len(key) + _STORED_BESIDE_A_VALUE


def fits_annotation(base: Base, other_bytes: int) -> bool:
    """Whether the base fits beside the other annotations. Encodes it only where an estimate is not enough."""
    room = ANNOTATIONS_LIMIT - _ANNOTATIONS_MARGIN - other_bytes
    most = sum(len(key) + 1 + DIGEST_BYTES for key in base.digests) + 80 * len(base.detached)
    most += sum(len(key) + 3 for key in (*base.unsettled, *base.adopting, *base.ephemeral))
    most += sum(len(key) + len(path.encode()) + 6 for key, path in base.paths.items())
    if most * 4 // 3 < room:
        return True
    return len(encode_base(base)) <= room


def fit_base(base: Base, optional: list[str], other_bytes: int) -> tuple[Base, frozenset[str]]:
    """Drop as few of the `optional` keys as needed for the base to fit, the last ones first, by halving."""
    if fits_annotation(base, other_bytes):
        return base, frozenset()
    low, high = 0, len(optional)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if fits_annotation(_without(base, optional[middle:]), other_bytes) else (low, middle - 1)
        )
    dropped = frozenset(optional[low:])
    return _without(base, dropped), dropped


def _without(base: Base, keys: list[str] | frozenset[str]) -> Base:
    gone = frozenset(keys)
    return replace(
        base,
        digests={key: digest for key, digest in base.digests.items() if key not in gone},
        paths={key: path for key, path in base.paths.items() if key not in gone},
    )


def merge_patch(
    step: WriteConfigMap, values: Mapping[str, bytes], end: End, binary_now: Mapping[str, bool]
) -> dict[str, Any]:
    """Return the JSON merge patch of the step. `binary_now`: see `End.fields`."""
    changed: dict[str, bytes | None] = dict.fromkeys(step.removes)
    changed |= {key: values[key] for key in (*step.puts, *step.values)}
    meta: dict[str, Any] = {"annotations": {**step.decoration.annotations, **_annotations(step)}}
    if step.decoration.labels:
        meta["labels"] = dict(step.decoration.labels)
    return {"metadata": meta, **end.fields(changed, binary_now)}


def manifest(step: CreateConfigMap, values: Mapping[str, bytes], end: End, sync: str) -> dict[str, Any]:
    """Return the object to create for the ConfigSync of this name."""
    content = end.fields({key: values[key] for key in (*step.puts, *step.values)}, {})
    meta = {
        "name": step.name,
        "labels": {**step.decoration.labels, SYNC_LABEL: sync},
        "annotations": {**step.decoration.annotations, **_annotations(step)},
    }
    kind = {"apiVersion": end.resource.api_version, "kind": end.resource.kind}
    return {**kind, "metadata": meta, **end.other_fields(), **content}


def in_file(
    step: CreateConfigMap | WriteConfigMap, values: Mapping[str, bytes], view: FileView, given: FileFormat
) -> tuple[CreateConfigMap | WriteConfigMap, dict[str, bytes]]:
    """Return the step and its values with the file as the one value, no value if nothing in the file changes.

    Keys of the file that are not selected, or that stand for no znode, stay in it.
    """
    removes = step.removes if isinstance(step, WriteConfigMap) else frozenset()
    changed = {key: values[key] for key in (*step.puts, *step.values)}
    if not changed and not removes and isinstance(step, WriteConfigMap):
        return step, {}
    kept = {key: value for key, value in view.values.items() if key not in removes}
    written = {given.key: given.render(kept | changed).encode()}
    if isinstance(step, CreateConfigMap):
        return replace(step, puts={}, values=written), written
    return replace(step, puts={}, removes=frozenset(), values=written), written


def pulled_digest(znode: Znode) -> bytes:
    """Return the digest of a znode in the short form of a base."""
    return short(znode.digest)


def _annotations(step: CreateConfigMap | WriteConfigMap) -> dict[str, str]:
    inputs = {INPUTS_ANNOTATION: step.inputs} if step.inputs else {}
    return {ZXID_ANNOTATION: zxid_text(step.base.zxid), BASE_ANNOTATION: encode_base(step.base), **inputs}
