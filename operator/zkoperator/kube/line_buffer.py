"""Splits a stream of chunks into lines. Pure."""


class LineBuffer:
    """Splits bytes at newlines. A line may come in many chunks and a chunk may hold many lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk; return the lines that it completes, without their newlines."""
        head, newline, tail = chunk.partition(b"\n")
        self._parts.append(head)
        if not newline:
            return []
        lines = [b"".join(self._parts), *tail.split(b"\n")]
        self._parts = [lines.pop()]
        return lines

    @property
    def pending(self) -> bool:
        """Whether a line is incomplete."""
        return any(self._parts)
