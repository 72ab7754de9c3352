"""Znode paths as ConfigMap keys and values as `data` or `binaryData`; both ways lose nothing. Pure.

`naming.py` builds on this where `spec.keys` asks for other keys.

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
SEPARATOR: Final = "__"

_NO_NAMES: Final = ("", ".", "..")
_PLAIN_SEGMENT: Final = re.compile(r"[A-Za-z0-9.-]+(?:_[A-Za-wyz0-9.-][A-Za-z0-9.-]*)*")
_KEPT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")
_KEPT_AFTER_UNDERSCORE: Final = _KEPT - {ord("x")}
_UNDERSCORE: Final = ord("_")
_ESCAPE: Final = re.compile(rb"_x([0-9a-f]{2})")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
# Characters that a YAML reader refuses unescaped, or (U+0085) reads as a line break. JSON does not escape them, and
# kubectl reads JSON as YAML: with one such value in `data`, kubectl can neither show nor edit the ConfigMap.
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\ufffe\uffff]")
# Characters that ZooKeeper refuses in a name; Java represents characters beyond the BMP as surrogates.
_REFUSED: Final = re.compile("[/\\x00-\\x1f\\x7f-\\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Unmappable:
    """A path that has no key, or a key that has no path. `reason` is for users and names what to change."""

    name: str
    reason: str


def written(path: str, separator: str = SEPARATOR) -> str:
    """Return the text that stands for a path, however long it is."""
    key = separator.join(_escape(segment) for segment in path.split("/"))
    return "_x2e" + key[1:] if key == "." or key.startswith("..") else key


def read(text: str, separator: str = SEPARATOR) -> str | None:
    """Return the path that this text stands for, None if there is no such path."""
    path = _decode(text, separator)
    return path if path is not None and written(path, separator) == text else None


def key_of(path: str) -> str | Unmappable:
    """Return the key of a path relative to the root ("" is the root itself)."""
    if path == "":
        return ROOT_KEY
    key = written(path)
    return key if len(key) <= MAX_KEY else Unmappable(path, too_long(key))


def path_of(key: str) -> str | Unmappable:
    """Return the path that this key encodes, `Unmappable` if it encodes none."""
    if key == ROOT_KEY:
        return ""
    if not is_taken(key):
        return Unmappable(key, "not a key that a ConfigMap takes")
    path = read(key)
    return path if path is not None else Unmappable(key, _advice(key))


def is_taken(key: str) -> bool:
    """Whether a ConfigMap takes this key."""
    return _KEY.fullmatch(key) is not None and len(key) <= MAX_KEY


def too_long(key: str) -> str:
    """Return what is wrong with a key that is too long, and what to do."""
    return (
        f"its key has {len(key)} characters, a ConfigMap takes {MAX_KEY}; use shorter names, or direction: "
        "ZooKeeperToConfigMap, which gives it a short key"
    )


def literal_path(key: str, separator: str = SEPARATOR) -> str:
    """Return the path that the author of this key probably meant: separators are read, escapes are not."""
    segments = key.split(separator)
    return key if any(segment in _NO_NAMES for segment in segments) else "/".join(segments)


def encode_text(value: bytes) -> str | None:
    """Return the value as text for `data`, None if it must go to `binaryData`: not UTF-8, or not printable in YAML."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return None if _NOT_IN_YAML.search(text) is not None else text


def encode_binary(value: bytes) -> str:
    """Return the value as text for `binaryData`."""
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


def _decode(key: str, separator: str) -> str | None:
    """Return the decoded path, None when ZooKeeper does not take such a path."""
    try:
        segments = [_unescape(segment) for segment in key.split(separator)]
    except UnicodeDecodeError:
        return None
    is_taken = not any(segment in _NO_NAMES or _REFUSED.search(segment) for segment in segments)
    return "/".join(segments) if is_taken else None


def _advice(key: str) -> str:
    path = literal_path(key)
    return advice(key, path, key_of(path))


def advice(key: str, path: str, renamed: str | Unmappable) -> str:
    """Return what to do about a key that is how no path is written. `path`: the one that was probably meant."""
    rename = f"rename it to {renamed} (znode {path})" if isinstance(renamed, str) else "use a shorter name"
    return f'not how the key of a path is written; {rename}, or leave it out: spec.keys.exclude: ["{key}"]'


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
