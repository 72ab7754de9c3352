"""How many bytes a transaction has on the wire, counted without encoding it. Pure."""

from collections.abc import Iterable
from typing import Final

from zkoperator.zk.port import Check, Create, Delete, Operation, Set

REQUEST_LIMIT_BYTES: Final = 1_048_575
"""On a longer frame the server closes the connection, and every request in flight is lost (jute.maxbuffer)."""

_INT: Final = 4
_FRAME: Final = 2 * _INT
_OPERATION_HEAD: Final = 2 * _INT + 1


def multi_bytes(operations: Iterable[Operation]) -> int:
    """Return the length of a multi's frame, the one that the server compares with its limit."""
    return _FRAME + _OPERATION_HEAD + sum(operation_bytes(operation) for operation in operations)


def operation_bytes(operation: Operation) -> int:
    """Return what one operation adds to a multi."""
    size = _OPERATION_HEAD + _text(operation.path)
    match operation:
        case Create():
            acl = sum(_INT + _text(entry.scheme) + _text(entry.id) for entry in operation.acl)
            return size + _INT + len(operation.data) + _INT + acl + _INT
        case Set():
            return size + _INT + len(operation.data) + _INT
        case Delete() | Check():
            return size + _INT


def _text(text: str) -> int:
    return _INT + len(text.encode())
