"""What the syntaxes of files have in common: places in a text, and characters that a file may not have as they are.

Messages never have a part of the text: what does not parse may be a piece of a value. Pure.
"""

import re
from typing import Final, NoReturn

UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that a reader of YAML refuses or takes for the end of a line; kubectl reads a ConfigMap as YAML."""


class BadTextError(ValueError):
    """A text that is not in the syntax, with the place of the first character that is not."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}")


def refuse(text: str, offset: int, message: str) -> NoReturn:
    """Raise `BadTextError` for this place."""
    before = text[:offset]
    raise BadTextError(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1, message)


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: an escape may stand for half a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(quoted: str) -> str:
    """Return a quoted text with escapes in place of characters that may not stand there as they are."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
