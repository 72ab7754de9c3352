"""How a job and its answer pass through a pipe: lengths, a head in JSON, and bytes as they are. Pure.

The operator reads what a worker sends, and a worker may be in the hands of a template: both lengths are checked before
anything is read, and nothing is read that could be code.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any, Final

_LENGTHS: Final = struct.Struct("!II")
LENGTHS_BYTES: Final = _LENGTHS.size
HEAD_LIMIT: Final = 65_536
"""Longest head of an answer; a longer one is no answer."""


class BadFrameError(Exception):
    """What came through the pipe is no frame, or a longer one than is accepted."""


def pack(head: Mapping[str, Any], parts: Iterable[bytes] = ()) -> bytes:
    """Return a frame."""
    text = json.dumps(head, separators=(",", ":")).encode()
    body = b"".join(parts)
    return _LENGTHS.pack(len(text), len(body)) + text + body


def lengths(data: bytes, *, head_limit: int, body_limit: int) -> tuple[int, int]:
    """Return the lengths of head and body.

    Raises:
        BadFrameError: one of them is over its limit.
    """
    head, body = _LENGTHS.unpack(data)
    if head > head_limit or body > body_limit:
        raise BadFrameError(f"a frame of {head} and {body} bytes")
    return int(head), int(body)


def head_of(data: bytes) -> dict[str, Any]:
    """Return the head.

    Raises:
        BadFrameError: it is no JSON object.
    """
    try:
        head = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadFrameError("a head that is no JSON") from error
    if not isinstance(head, dict):
        raise BadFrameError("a head that is no object")
    return head


def cut(body: bytes, sizes: Iterable[tuple[str, int]]) -> dict[str, bytes]:
    """Return the parts of a body by name."""
    parts: dict[str, bytes] = {}
    at = 0
    for name, size in sizes:
        parts[name] = body[at : at + size]
        at += size
    return parts
