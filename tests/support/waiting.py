"""Waiting on conditions instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(probe: Callable[[], Awaitable[T | None]], *, within_s: float = ..., every_s: float = ...) -> T: ...
@overload
async def eventually(probe: Callable[[], T | None], *, within_s: float = ..., every_s: float = ...) -> T: ...
async def eventually(probe: Callable[[], Any], *, within_s: float = 30, every_s: float = 0.05) -> Any:
    """Call `probe` until it returns something true, and return that.

    An AssertionError of the probe counts as "not yet"; any other exception is raised at once. At the deadline
    the last assertion (or the last value) is the failure.
    """
    deadline = time.monotonic() + within_s
    last: object = None
    while True:
        try:
            value = probe()
            result = await value if isawaitable(value) else value
        except AssertionError as error:
            last = error
        else:
            if result:
                return result
            last = result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within_s} s; last: {last!r}")
        await asyncio.sleep(every_s)
