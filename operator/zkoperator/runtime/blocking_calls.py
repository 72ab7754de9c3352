"""A thread for blocking calls that may never return."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class DaemonThread:
    """Runs one call after the other. Unlike the threads of a pool it does not keep the process from ending.

    Args:
        name: of the thread; the first call starts it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    async def run(self, call: Callable[[], T]) -> T:
        """Run the call and return its result, on any event loop. A call that is cancelled in the queue is not run."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
        future: Future[T] = Future()
        self._calls.put(partial(_settle, future, call))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """End the thread after its present call, without waiting for that."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - a SystemExit of a login plugin, too, must reach the caller: here it
        # would end the thread, and every later call would wait for ever.
        future.set_exception(error)
    else:
        future.set_result(result)
