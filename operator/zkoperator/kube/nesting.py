"""Cuts JSON that is nested too deeply for the parser. Pure.

Anybody who may write an object can nest its `metadata.managedFields` thousands of levels deep, and the API server
returns that to everybody who lists. Nothing that the operator reads is nested deeper than some twenty levels.
"""

import re
from collections.abc import Iterator
from typing import Final

DEEPEST: Final = 100
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def shallow(text: bytes) -> bytes:
    """Return the document with null for everything that is nested deeper than `DEEPEST` levels."""
    return b"".join(_kept(text))


def _kept(text: bytes) -> Iterator[bytes]:
    depth, start = 0, 0
    for token in _TOKENS.finditer(text):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth == DEEPEST + 1:
                yield text[start : token.start()] + b"null"
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == DEEPEST:
                start = token.end()
    yield text[start:]
