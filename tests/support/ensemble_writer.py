"""A client that keeps writing through whatever happens, remembers every acknowledgement, and reads all of them back.

It is an independent implementation (kazoo), connected through the client Service as an application is.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    ConnectionClosedError,
    ConnectionLoss,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError

_RETRIED = (ConnectionLoss, SessionExpiredError, OperationTimeoutError, ConnectionClosedError, KazooTimeoutError)
_PATIENCE_S = 30.0


def connected(hosts: str, timeout_s: float = 30.0) -> KazooClient:
    client = KazooClient(
        hosts=hosts,
        timeout=6.0,
        connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.2, "backoff": 1.5},
        command_retry={"max_tries": 0},
    )
    client.start(timeout=timeout_s)
    return client


@dataclass
class Report:
    """What the writer saw. `longest_gap_s` is the longest time between two acknowledgements."""

    created: list[int] = field(default_factory=list)
    counter: int = 0
    failed: int = 0
    retried: int = 0
    longest_gap_s: float = 0.0


class Writer:
    """Numbered creates and compare-and-set updates, one after another, on a thread of its own."""

    def __init__(self, hosts: str, root: str, *, pause_s: float = 0.005) -> None:
        self.report = Report()
        self.error: Exception | None = None
        self._hosts = hosts
        self._root = root
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self._client = connected(self._hosts)
        self._client.ensure_path(self._root)
        self._client.create(f"{self._root}/counter", b"0")
        self._acknowledged_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Report:
        self._stopping.set()
        self._thread.join(timeout=_PATIENCE_S + 10)
        assert not self._thread.is_alive(), "the writer is stuck"
        self._client.stop()
        self._client.close()
        assert self.error is None, f"the writer ended with {self.error!r}"
        return self.report

    def reset_gap(self) -> float:
        """Return the longest gap so far, and begin anew."""
        gap, self.report.longest_gap_s = self.report.longest_gap_s, 0.0
        return gap

    def _run(self) -> None:
        number = 0
        try:
            while not self._stopping.is_set():
                number += 1
                self._retrying(lambda n=number: self._create(n))  # type: ignore[misc]
                self._retrying(self._increment)
                time.sleep(self._pause_s)
        except Exception as error:  # noqa: BLE001 - handed to the test's own thread
            self.error = error

    def _retrying(self, write: Callable[[], None]) -> None:
        give_up_s = time.monotonic() + _PATIENCE_S
        while time.monotonic() < give_up_s:
            try:
                write()
            except _RETRIED:
                self.report.retried += 1
                time.sleep(0.01)
                continue
            now = time.monotonic()
            self.report.longest_gap_s = max(self.report.longest_gap_s, now - self._acknowledged_s)
            self._acknowledged_s = now
            return
        self.report.failed += 1

    def _create(self, number: int) -> None:
        # It exists when the attempt before was committed though its answer was lost.
        with contextlib.suppress(NodeExistsError):
            self._client.create(f"{self._root}/n{number:08}", str(number).encode())
        self.report.created.append(number)

    def _increment(self) -> None:
        """From the acknowledged value to the next; a lost answer leaves either of them behind, nothing else."""
        wanted = self.report.counter + 1
        data, stat = self._client.get(f"{self._root}/counter")
        value = int(data)
        assert value in (self.report.counter, wanted), f"acknowledged {self.report.counter}, found {value}"
        if value != wanted:
            try:
                self._client.set(f"{self._root}/counter", str(wanted).encode(), version=stat.version)
            except BadVersionError:
                assert int(self._client.get(f"{self._root}/counter")[0]) == wanted, "somebody else wrote"
        self.report.counter = wanted


def lost_writes(report: Report, root: str, members: Sequence[str]) -> list[str]:
    """Read every acknowledged write back from each member (`host:port`); returns what is not there."""
    lost = []
    for member in members:
        client = connected(member)
        try:
            client.sync(root)
            names = set(client.get_children(root))
            lost += [f"{member}: {number}" for number in report.created if f"n{number:08}" not in names]
            value = int(client.get(f"{root}/counter")[0])
            if value < report.counter:
                lost.append(f"{member}: counter {value}, acknowledged {report.counter}")
        except NoNodeError:
            lost.append(f"{member}: everything")
        finally:
            client.stop()
            client.close()
    return lost
