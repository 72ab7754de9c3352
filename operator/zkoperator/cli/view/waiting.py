"""Waits until a decision was carried out, and prints the progress."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from zkoperator.cli.view.usage import NotYetError, duration
from zkoperator.errors import TransientError

_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `message` is printed whenever it changes."""

    done: bool
    message: str


def add_wait(parser: argparse.ArgumentParser, until: str, limit_s: int) -> None:
    """Add `--wait`; `until` says for what."""
    parser.add_argument("--wait", action="store_true", help=f"until {until}; ends with 1 when that takes too long")
    parser.add_argument(
        "--wait-timeout", metavar="TIME", type=duration, default=limit_s, help=f"such as 90s or 10m ({limit_s}s)"
    )


async def wait_for(look: Callable[[], Awaitable[Progress]], limit_s: float) -> Progress:
    """Look until it is done.

    Raises:
        NotYetError: it was not done in time; its message is the last one.
    """
    known = ""
    try:
        async with asyncio.timeout(limit_s):
            while True:
                found = await _looked(look)
                if found.done:
                    return found
                if found.message != known:
                    known = found.message
                    print(known, file=sys.stderr, flush=True)
                await asyncio.sleep(_EVERY_S)
    except TimeoutError as error:
        raise NotYetError(f"not done after {limit_s:g} s, and not taken back: {known or 'nothing is known'}") from error


async def _looked(look: Callable[[], Awaitable[Progress]]) -> Progress:
    try:
        return await look()
    except TransientError as error:
        return Progress(False, f"{error}; looking again")
