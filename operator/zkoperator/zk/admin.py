"""Asks one member about itself by a four-letter word over its client port."""

import asyncio
from dataclasses import dataclass

from zkoperator.errors import TransientError
from zkoperator.zk.hosts import Address
from zkoperator.zk.port import ClientTls
from zkoperator.zk.request_timing import Report, not_reported, timed
from zkoperator.zk.tls import context_of, server_name

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
"""`mntr` of a large ensemble has some 20 kB; a peer that sends more than this limit is not ZooKeeper."""

_CHUNK_BYTES = 65536


async def four_letter_word(
    host: str, port: int, word: str, *, timeout_s: float = 5.0, tls: ClientTls | None = None
) -> str:
    """Send the word and return the whole answer.

    Raises:
        TransientError: unreachable, too slow, or nothing answered.
    """
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _exchange(host, port, word, tls)
    except TimeoutError as error:
        raise TransientError(f"{word} to {Address(host, port)}: no whole answer within {timeout_s:g} s") from error
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{word} to {Address(host, port)}: {_name_of(error)}") from error
    if not answer:
        raise TransientError(f"{word} to {Address(host, port)}: an empty answer")
    return answer.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class SocketProbe:
    """The `MemberProbe` over TCP. `report` is called with the duration of each question; the word is its name."""

    timeout_s: float = 5.0
    report: Report = not_reported

    async def ask(self, host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        """Return the whole answer. `TransientError` on any failure, the deadline included."""
        with timed(word, self.report):
            return await four_letter_word(host, port, word, timeout_s=self.timeout_s, tls=tls)


async def _exchange(host: str, port: int, word: str, tls: ClientTls | None) -> bytes:
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context_of(tls), server_hostname=server_name(tls, host)
    )
    try:
        writer.write(word.encode("ascii"))
        await writer.drain()
        return await _read_to_end(reader)
    finally:
        writer.transport.abort()


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while part := await reader.read(_CHUNK_BYTES):
        answer += part
        if len(answer) > ANSWER_LIMIT_BYTES:
            raise ConnectionAbortedError(f"more than {ANSWER_LIMIT_BYTES} bytes")
    return bytes(answer)


def _name_of(error: Exception) -> str:
    named = error.strerror if isinstance(error, OSError) else None
    return named or type(error).__name__
