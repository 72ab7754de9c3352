"""What a report may show of an object or a log: names, sizes and counts; no value of a user and no credential. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from zkoperator.ensemble.model.names import CHILD_LABELS, CONTAINER
from zkoperator.kube.port import Manifest

HIDDEN: Final = "(hidden)"

_OURS = re.compile(r"(?:rollout\.)?zkoperator\.dev/|kubectl\.kubernetes\.io/restartedAt$")
_WITH_VALUES = ("zkoperator.dev/base",)
"""Annotations of ours that are made from the values of users."""
_OUR_CONTAINERS = (CONTAINER, "zkoperator")
_SECRET_KEY = re.compile(r"(?i)pass(?:word|wd|phrase)|token$|superdigest|private.?key")
_WORDS = r"(?:pass(?:word|wd|phrase)|secret|token|credential|superdigest)"
_ASSIGNED = re.compile(rf"(?i)([\w.-]*{_WORDS}[\w.-]*[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|\S+)")
_IN_ADDRESS = re.compile(r"(\w://)[^\s@]+@")
_IDENTITY = re.compile(r"\b(digest[ :])\S+")


def redacted(raw: Manifest) -> Manifest:
    """Return the object without values and credentials; never to be given a Secret."""
    if raw.get("kind") == "ConfigMap":
        return _config_map(raw)
    return _mapping(raw)


def scrubbed(text: str) -> str:
    """Return a text such as a log without what stands behind a word for a credential."""
    return _IDENTITY.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub(rf"\1{HIDDEN}@", _ASSIGNED.sub(rf"\1{HIDDEN}", text)))


def _config_map(raw: Manifest) -> Manifest:
    """Return the files of an ensemble as texts, and of any other ConfigMap the names and sizes of its keys."""
    labels = raw["metadata"].get("labels") or {}
    shown = scrubbed if CHILD_LABELS.items() <= labels.items() else _size
    hidden: Manifest = {
        part: {key: shown(str(value)) for key, value in (raw.get(part) or {}).items()}
        for part in ("data", "binaryData")
        if part in raw
    }
    return {**_mapping({key: value for key, value in raw.items() if key not in hidden}), **hidden}


def _mapping(value: Mapping[str, Any]) -> Manifest:
    is_foreign = {"image", "name"} <= value.keys() and value["name"] not in _OUR_CONTAINERS
    return {
        key: HIDDEN if is_foreign and key in ("args", "command") else _entry(key, item)
        for key, item in value.items()
        if key != "managedFields"
    }


def _entry(key: str, value: Any) -> Any:
    if key.lower().endswith("annotations") and isinstance(value, dict):
        return {name: _annotation(name, str(text)) for name, text in value.items()}
    if key == "env" and isinstance(value, list):
        return [{**_mapping(item), **({"value": HIDDEN} if "value" in item else {})} for item in value]
    if isinstance(value, str):
        return HIDDEN if _SECRET_KEY.search(key) else scrubbed(value)
    return _any(value)


def _any(value: Any) -> Any:
    match value:
        case dict():
            return _mapping(value)
        case list():
            return [_any(item) for item in value]
        case str():
            return scrubbed(value)
        case _:
            return value


def _annotation(name: str, value: str) -> str:
    return scrubbed(value) if _OURS.match(name) and name not in _WITH_VALUES else _size(value)


def _size(value: str) -> str:
    return f"({len(value.encode())} bytes)"
