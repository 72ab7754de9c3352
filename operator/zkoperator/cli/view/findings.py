"""What is wrong with the objects of a manifest, without any cluster. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from enum import StrEnum
from re import fullmatch
from typing import Any, Final

from zkoperator.api.crd import KINDS, Kind
from zkoperator.api.meta import API_VERSION, GROUP
from zkoperator.api.parse import parse_strict
from zkoperator.backup.schedule.validate import validate as validate_schedule
from zkoperator.backup.validate import validate as validate_backup
from zkoperator.cli.view.manifests import Document
from zkoperator.cli.view.terminal import Colour, Style, printable
from zkoperator.ensemble.validate import Defaults
from zkoperator.ensemble.validate import validate as validate_cluster
from zkoperator.errors import FieldError, InvalidError
from zkoperator.mirror.validate import validate as validate_sync
from zkoperator.patterns import DNS_LABEL, DNS_SUBDOMAIN
from zkoperator.settings import DEFAULT_IMAGE
from zkoperator.tenant.validate import validate as validate_znode

_KINDS: Final = {kind.name: kind for kind in KINDS}
_ASSUMED_NAMESPACE: Final = "default"
_ASSUMED_CREATION: Final = "2026-01-01T00:00:00Z"


class Severity(StrEnum):
    """`error`: the API server or the operator would refuse it. `warning`: they take it, and there is a risk."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change. `namespace` is "" for an object that names none."""

    file: str
    line: int
    severity: Severity
    kind: str
    namespace: str
    name: str
    field: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON types."""
        return asdict(self)

    def text(self, style: Style) -> str:
        """Return one line that begins with file and line, as those of compilers do."""
        colour = Colour.BAD if self.severity is Severity.ERROR else Colour.WAITING
        named = f"{self.namespace}/{self.name}" if self.namespace else self.name
        what = f"{self.field}: {self.message}" if self.field else self.message
        rest = f"{self.kind} {named}: {what}"
        return f"{printable(self.file)}:{self.line}: {style.paint(self.severity, colour)}: {printable(rest)}"


def is_ours(document: Document) -> bool:
    """Whether the object is of a kind of the operator, or seems to be meant as one."""
    version, is_kind = document.value.get("apiVersion"), _kind_of(document.value) is not None
    if not isinstance(version, str) or not version:
        return is_kind
    if version.partition("/")[0] == GROUP:
        return True
    return is_kind and bool(get_close_matches(version, [API_VERSION], n=1, cutoff=0.8))


def _kind_of(value: Mapping[str, Any]) -> Kind | None:
    kind = value.get("kind")
    return _KINDS.get(kind) if isinstance(kind, str) else None


def findings_of(document: Document) -> tuple[Finding, ...]:
    """Return what is wrong with one object by itself, errors first."""
    known = _kind_of(document.value)
    wrong = [*_type_errors(document.value, known)]
    warnings: tuple[str, ...] = ()
    if known is not None:
        errors, warnings = _content_errors(document.value, known)
        wrong += errors
    wrong += [error for error in document.repeated if error not in wrong]
    return (
        *(finding(document, error) for error in dict.fromkeys(wrong)),
        *(finding(document, FieldError("", warning), Severity.WARNING) for warning in warnings),
    )


def finding(document: Document, error: FieldError, severity: Severity = Severity.ERROR) -> Finding:
    """Return an error as a finding with the line of its field."""
    namespace, name = place_of(document.value)
    kind = str(document.value.get("kind") or "object")
    line = document.line_of(error.path)
    return Finding(document.file, line, severity, kind, namespace, name or "(no name)", error.path, error.message)


def place_of(value: Mapping[str, Any]) -> tuple[str, str]:
    """Return namespace and name as they are written, "" where they are not."""
    meta = value.get("metadata")
    if not isinstance(meta, Mapping):
        return "", ""
    names = (meta.get("namespace"), meta.get("name") or meta.get("generateName"))
    namespace, name = (str(text) if text is not None else "" for text in names)
    return namespace, name


def _type_errors(value: Mapping[str, Any], known: Kind | None) -> Iterator[FieldError]:
    if value.get("apiVersion") != API_VERSION:
        yield FieldError("apiVersion", f"write {API_VERSION}, not {value.get('apiVersion')}")
    if known is None:
        close = get_close_matches(str(value.get("kind")), list(_KINDS), n=1)
        advice = f"did you mean {close[0]}?" if close else f"write one of: {', '.join(_KINDS)}"
        yield FieldError("kind", f"{value.get('kind')} is not a kind of {GROUP}; {advice}")


def _content_errors(value: Mapping[str, Any], kind: Kind) -> tuple[list[FieldError], tuple[str, ...]]:
    """Return the errors and warnings of an object of a known kind."""
    meta = value.get("metadata", {})
    if not isinstance(meta, Mapping):
        return [FieldError("metadata", "write an object with a name")], ()
    raw = _as_created(value, meta)
    parsed = parse_strict(kind.model, raw)
    errors = [*parsed] if isinstance(parsed, tuple) else []
    refused, warnings = _refused(kind.name, raw)
    errors += [error for error in refused if error not in errors]
    paths = {error.path for error in errors}
    return [*errors, *(error for error in _name_errors(raw["metadata"]) if error.path not in paths)], warnings


def _as_created(value: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object as the API server would take it: with a namespace and a name, without a status."""
    name = meta.get("generateName")
    generated = {"name": f"{name}x"} if meta.get("name") is None and isinstance(name, str) else {}
    placed = {"namespace": _ASSUMED_NAMESPACE, **{k: v for k, v in meta.items() if v is not None}, **generated}
    return {**{key: item for key, item in value.items() if key != "status"}, "metadata": placed}


def _name_errors(meta: Mapping[str, Any]) -> Iterator[FieldError]:
    """What the API server asks of the names of all objects."""
    name, namespace = meta.get("name"), meta.get("namespace")
    if isinstance(name, str) and (len(name) > 253 or fullmatch(DNS_SUBDOMAIN, name) is None):
        yield FieldError("metadata.name", "write the name of an object: lower-case letters, digits, '-' and '.'")
    if isinstance(namespace, str) and (len(namespace) > 63 or fullmatch(DNS_LABEL, namespace) is None):
        yield FieldError("metadata.namespace", "write the name of a namespace: lower-case letters, digits and '-'")


def _refused(kind: str, raw: Mapping[str, Any]) -> tuple[tuple[FieldError, ...], tuple[str, ...]]:
    """Return the errors by which the operator would refuse the object, and its warnings about one that it takes."""
    try:
        return (), VALIDATORS[kind](raw)
    except InvalidError as error:
        return error.errors, ()


def _cluster_warnings(raw: Mapping[str, Any]) -> tuple[str, ...]:
    return validate_cluster(raw, Defaults(DEFAULT_IMAGE)).warnings


def _sync_warnings(raw: Mapping[str, Any]) -> tuple[str, ...]:
    templates = validate_sync(raw).template
    if templates is not None and (errors := tuple(_template_errors(templates.files))):
        raise InvalidError(errors)
    return ()


def _template_errors(files: Mapping[str, str]) -> Iterator[FieldError]:
    """What the operator would find before it reads any znode."""
    from zkoperator.templates.sandbox import syntax_failure  # the operator's own process never imports Jinja2

    for name, text in sorted(files.items()):
        if (failure := syntax_failure(name, text)) is not None:
            line = f"line {failure.line}: " if failure.line else ""
            yield FieldError(f"spec.template.data[{name}]", f"{line}{failure.message}")


def _backup_warnings(raw: Mapping[str, Any]) -> tuple[str, ...]:
    validate_backup(raw)
    return ()


def _schedule_warnings(raw: Mapping[str, Any]) -> tuple[str, ...]:
    validate_schedule({**raw, "metadata": {**raw["metadata"], "creationTimestamp": _ASSUMED_CREATION}})
    return ()


def _znode_warnings(raw: Mapping[str, Any]) -> tuple[str, ...]:
    validate_znode(raw)
    return ()


VALIDATORS: Final[Mapping[str, Callable[[Mapping[str, Any]], tuple[str, ...]]]] = {
    "ZooKeeperCluster": _cluster_warnings,
    "ConfigSync": _sync_warnings,
    "ZooKeeperBackup": _backup_warnings,
    "ZooKeeperBackupSchedule": _schedule_warnings,
    "ZNode": _znode_warnings,
}
"""By kind: returns the warnings about an object that the operator takes, raises `InvalidError` for another one."""


def count(found: Iterable[Finding], severity: Severity) -> int:
    """Return how many findings are of this severity."""
    return sum(item.severity is severity for item in found)
