"""The reference page of a kind as Markdown. It is generated from the schema, so that it agrees with the CRD."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from zkoperator.api.crd import BACKUP, CLUSTER, SCHEDULE, SYNC, ZNODE, Kind, Schema, root_schema
from zkoperator.api.jvm import ALLOWED_PREFIXES, REFUSED_PREFIXES
from zkoperator.api.meta import API_VERSION
from zkoperator.api.reasons import (
    BackupCondition,
    BackupReason,
    ClusterCondition,
    ClusterReason,
    ScheduleCondition,
    ScheduleReason,
    StandardCondition,
    SyncCondition,
    SyncReason,
    ZNodeCondition,
    ZNodeReason,
)
from zkoperator.api.zoocfg import ALLOWED, REFUSED


def reference(kind: Kind) -> str:
    """Return the page of the kind."""
    schema = root_schema(kind.model)
    sections = [
        _head(kind, schema),
        _fields("Spec", "spec", schema["properties"]["spec"]),
        _rules(schema),
        _fields("Status", "status", schema["properties"]["status"]),
        _conditions(kind),
        *(_config_sections() if kind is CLUSTER else ()),
    ]
    return "\n\n".join(sections) + "\n"


def _head(kind: Kind, schema: Schema) -> str:
    lines = (
        "<!-- Generated from operator/zkoperator/api by `python -m zkoperator docs`. -->",
        "",
        f"# {kind.name}",
        "",
        schema["description"],
        "",
        f"`apiVersion: {API_VERSION}`, namespaced, `kubectl get {kind.short}` (also in `kubectl get all`), "
        f"`kubectl explain {kind.plural}.spec`.",
    )
    return "\n".join(lines)


def _fields(title: str, path: str, schema: Schema) -> str:
    rows = [_row(name, field, name in required) for name, field, required in _walk(path, schema)]
    return f"## {title}\n\n" + _table(("Field", "Type", "Default", "Meaning"), rows)


def _walk(path: str, schema: Schema) -> Iterator[tuple[str, Schema, set[str]]]:
    required = {f"{path}.{name}" for name in schema.get("required", [])}
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field, required
        yield from _walk(f"{path}.{name}", field)
        yield from _walk(f"{path}.{name}[]", field.get("items", {}))


def _row(path: str, field: Schema, is_required: bool) -> tuple[str, ...]:
    default = "required" if is_required else _code(json.dumps(field["default"])) if _has_default(field) else ""
    meaning = [field.get("description", ""), *(_rule_text(rule) for rule in field.get(_VALIDATIONS, []))]
    if path in _TABLED:
        meaning = [field.get("description", ""), _TABLED[path]]
    return _code(path), _type(field), default, " ".join(text for text in meaning if text != "")


_VALIDATIONS = "x-kubernetes-validations"
_TABLED = {
    "spec.config": "See [the keys of spec.config](#keys-of-specconfig).",
    "spec.jvm.flags": "See [the flags of spec.jvm.flags](#flags-of-specjvmflags).",
}


def _has_default(field: Schema) -> bool:
    return "default" in field and field["default"] != {}


def _rule_text(rule: dict[str, Any]) -> str:
    message = rule["message"]
    return f"{message[0].upper()}{message[1:]}."


def _type(field: Schema) -> str:
    if "x-kubernetes-int-or-string" in field:
        return "amount" if "pattern" in field else "text or whole number"
    if "enum" in field:
        return " \\| ".join(_code(str(word)) for word in field["enum"])
    match field["type"]:
        case "array":
            return f"list of {_type(field['items'])}, at most {field['maxItems']} entries"
        case "object" if "additionalProperties" in field:
            inner = _type(field["additionalProperties"])
            return f"map of text to {inner}, at most {field['maxProperties']} entries"
        case "string":
            return "time" if field.get("format") == "date-time" else "text" + _bounds(field, "Length")
        case "integer":
            return "number" + _bounds(field, "imum")
        case other:
            return str(other)


def _bounds(field: Schema, suffix: str) -> str:
    least, most = field.get(f"min{suffix}"), field.get(f"max{suffix}")
    if least is not None and most is not None:
        return f" ({least} to {most})"
    if most is not None:
        return f" (at most {most})"
    return f" (at least {least})" if least is not None else ""


def _rules(schema: Schema) -> str:
    rules = [*schema.get(_VALIDATIONS, []), *schema["properties"]["spec"].get(_VALIDATIONS, [])]
    lines = [f"- {_place(rule)}{rule['message']}." for rule in rules]
    return "## Rules on the whole object\n\n" + "\n".join(lines) if lines else ""


def _place(rule: dict[str, Any]) -> str:
    return _code(rule["fieldPath"].lstrip(".")) + ": " if "fieldPath" in rule else ""


def _conditions(kind: Kind) -> str:
    conditions, reasons = {
        CLUSTER.name: (tuple(ClusterCondition), tuple(ClusterReason)),
        SYNC.name: (tuple(SyncCondition), tuple(SyncReason)),
        BACKUP.name: (tuple(BackupCondition), tuple(BackupReason)),
        SCHEDULE.name: (tuple(ScheduleCondition), tuple(ScheduleReason)),
        ZNODE.name: (tuple(ZNodeCondition), tuple(ZNodeReason)),
    }[kind.name]
    return (
        "## Conditions\n\n"
        f"Types: {', '.join(_code(condition) for condition in (*conditions, *StandardCondition))}.\n\n"
        f"Reasons: {', '.join(_code(reason) for reason in reasons)}."
    )


def _config_sections() -> tuple[str, ...]:
    keys = [(_code(key), kind.bounds) for key, kind in ALLOWED.items()]
    refused = [
        (", ".join(_code(word) for word in (*group.keys, *(f"{prefix}*" for prefix in group.prefixes))), group.why)
        for group in REFUSED
    ]
    flags = ", ".join(_code(f"{prefix}...") for prefix in ALLOWED_PREFIXES)
    bad_flags = [(_code(f"{prefix}..."), why) for prefix, why in REFUSED_PREFIXES]
    return (
        "## Keys of spec.config\n\n" + _table(("Key", "Value"), keys),
        "Refused, as any key that is not above:\n\n" + _table(("Key", "Why"), refused),
        f"## Flags of spec.jvm.flags\n\nA flag starts with one of: {flags}.",
        "Refused, as any flag that is not above:\n\n" + _table(("Flag", "Why"), bad_flags),
    )


def _code(text: str) -> str:
    return f"`{text}`"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(_one_line, line))} |" for line in lines)


def _one_line(text: str) -> str:
    """Return the text without line breaks: Markdown ends a row of a table at the end of the line."""
    return " ".join(text.split())
