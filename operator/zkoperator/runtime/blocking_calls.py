"""A thread for calls that may hang."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class DaemonThread:
    """Makes one call after the other. Those of a pool are waited for when the process ends, this one is not.

    Args:
        name: of the thread, which is started by the first call.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    async def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns, on whatever event loop; one that was cancelled in the queue is not made."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
        future: Future[T] = Future()
        self._given.put(partial(_fulfil, future, call))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread after the call that it makes now, without waiting for it."""
        self._given.put(None)

    def _work(self) -> None:
        while (call := self._given.get()) is not None:
            call()


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - it is for whoever waits
        future.set_exception(error)
    else:
        future.set_result(result)
