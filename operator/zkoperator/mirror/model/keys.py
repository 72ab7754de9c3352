"""Znode paths as ConfigMap keys and values as `data` or `binaryData`; both ways lose nothing. Pure.

A key is the path relative to the root, its segments joined by `__`. In a segment `A-Z a-z 0-9 . -` stand for
themselves, `_` too unless it would read as an escape or a separator; every other byte of the UTF-8 name is `_xHH`.
An escaped segment never contains `__` nor ends in `_`, so the leftmost `__` is always a separator and no key starts
with one: that leaves `__root` for the data of the root itself.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

ROOT_KEY: Final = "__root"
MAX_KEY: Final = 253
"""The longest key that a ConfigMap takes."""

_SEPARATOR: Final = "__"
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9.-]+(?:_[A-Za-wyz0-9.-][A-Za-z0-9.-]*)*")
_KEPT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")
_KEPT_AFTER_UNDERSCORE: Final = _KEPT - {ord("x")}
_UNDERSCORE: Final = ord("_")
_ESCAPE: Final = re.compile(rb"_x([0-9a-f]{2})")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
# What a reader of YAML refuses unescaped, or (U+0085) takes for a line break. JSON leaves it unescaped, and kubectl
# reads JSON as YAML: one such value in `data`, and the whole ConfigMap can be neither shown nor edited.
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\ufffe\uffff]")
# What ZooKeeper refuses in a name; Java sees characters beyond the BMP as surrogates.
_REFUSED: Final = re.compile("[/\\x00-\\x1f\\x7f-\\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Unmappable:
    """A path or key without a counterpart, and why. `reason` is for people and names what to change."""

    name: str
    reason: str


def key_of(path: str) -> str | Unmappable:
    """Return the key of a path relative to the root ("" is the root itself)."""
    if path == "":
        return ROOT_KEY
    key = _SEPARATOR.join(_escape(segment) for segment in path.split("/"))
    if key == "." or key.startswith(".."):
        key = "_x2e" + key[1:]
    if len(key) > MAX_KEY:
        return Unmappable(path, f"its key has {len(key)} characters, a ConfigMap takes {MAX_KEY}; use shorter names")
    return key


def path_of(key: str) -> str | Unmappable:
    """Return the path that has this key; a key that no path is encoded as has none."""
    if key == ROOT_KEY:
        return ""
    if _KEY.fullmatch(key) is None or len(key) > MAX_KEY:
        return Unmappable(key, "not a key that a ConfigMap takes")
    try:
        segments = [_unescape(segment) for segment in key.split(_SEPARATOR)]
    except UnicodeDecodeError:
        return Unmappable(key, "its escapes are not UTF-8; write the name as documented, or exclude it")
    if (problem := _segments_problem(segments)) is not None:
        return Unmappable(key, problem)
    path = "/".join(segments)
    if (canonical := key_of(path)) != key:
        shown = canonical if isinstance(canonical, str) else "a longer key"
        return Unmappable(key, f"not how this path is written; rename the key to {shown}")
    return path


def encode_text(value: bytes) -> str | None:
    """Return the value as it stands in `data`, None when it belongs into `binaryData`: YAML could not carry it."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if _NOT_IN_YAML.search(text) is not None else text


def encode_binary(value: bytes) -> str:
    """Return the value as it stands in `binaryData`."""
    return base64.b64encode(value).decode()


def decode_text(text: str) -> bytes:
    """Return the bytes of an entry of `data`."""
    return text.encode()


def decode_binary(text: str) -> bytes:
    """Return the bytes of an entry of `binaryData`, which the API server has checked already."""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return base64.b64decode(text)


def _segments_problem(segments: list[str]) -> str | None:
    if any(segment in ("", ".", "..") for segment in segments):
        return "a znode name is missing before, after or between separators (__), or is '.' or '..'"
    if any(_REFUSED.search(segment) is not None for segment in segments):
        return "ZooKeeper does not take a character of this name"
    return None


def _escape(segment: str) -> str:
    if _PLAIN_SEGMENT.fullmatch(segment) is not None:
        return segment
    data = segment.encode()
    return "".join(_escape_byte(byte, data[at + 1 : at + 2]) for at, byte in enumerate(data))


def _escape_byte(byte: int, following: bytes) -> str:
    if byte in _KEPT:
        return chr(byte)
    if byte == _UNDERSCORE and following != b"" and following[0] in _KEPT_AFTER_UNDERSCORE:
        return "_"
    return f"_x{byte:02x}"


def _unescape(segment: str) -> str:
    return _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), segment.encode()).decode()
