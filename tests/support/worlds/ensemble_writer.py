"""A client that keeps writing through whatever happens, remembers every acknowledgement, and reads all of them back.

It is an independent implementation (kazoo), connected through the client Service as an application is.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
PATIENCE_S = 60.0
"""Seconds after which a write that was not acknowledged counts as failed."""


def connected(hosts: str, timeout_s: float = 90.0, **options: Any) -> KazooClient:
    """Return a client that has a session; `options` are further ones of kazoo, those about TLS for example."""
    client = KazooClient(
        hosts=hosts,
        timeout=6.0,
        connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.2, "backoff": 1.5},
        command_retry={"max_tries": 0},
        **options,
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

    def __str__(self) -> str:
        return (
            f"{2 * len(self.created)} writes acknowledged, {self.failed} failed, {self.retried} attempts repeated, "
            f"longest gap {self.longest_gap_s:.2f} s"
        )


class Writer:
    """Numbered creates and compare-and-set updates, one after another, on a thread of its own."""

    def __init__(
        self,
        hosts: str,
        root: str,
        *,
        pause_s: float = 0.005,
        patience_s: float = PATIENCE_S,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.report = Report()
        self.root = root
        self.error: Exception | None = None
        self._hosts = hosts
        self.options = options or {}
        self._pause_s = pause_s
        self._patience_s = patience_s
        self._unsure = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writer":
        self._client = connected(self._hosts, **self.options)
        # On a busy machine a connection may be lost right here; both can be done again.
        retry: Any = self._client.retry
        retry(self._client.ensure_path, f"{self.root}/counter")
        retry(self._client.set, f"{self.root}/counter", b"0")
        self._acknowledged_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Report:
        self._stopping.set()
        self._thread.join(timeout=self._patience_s + 10)
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
        give_up_s = time.monotonic() + self._patience_s
        while time.monotonic() < give_up_s:
            try:
                write()
            except _RETRIED:
                self.report.retried += 1
                self._unsure = True
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
            self._client.create(f"{self.root}/n{number:08}", str(number).encode())
        self.report.created.append(number)

    def _increment(self) -> None:
        """From the acknowledged value to the next; a lost answer leaves either of them behind, nothing else."""
        wanted = self.report.counter + 1
        if self._unsure:  # a new session may be with a member that lags behind the one before
            self._client.sync(self.root)
            self._unsure = False
        data, stat = self._client.get(f"{self.root}/counter")
        value = int(data)
        assert value in (self.report.counter, wanted), f"acknowledged {self.report.counter}, found {value}"
        if value != wanted:
            try:
                self._client.set(f"{self.root}/counter", str(wanted).encode(), version=stat.version)
            except BadVersionError:
                assert int(self._client.get(f"{self.root}/counter")[0]) == wanted, "somebody else wrote"
        self.report.counter = wanted


def lost_writes(writer: Writer, members: Sequence[str]) -> list[str]:
    """Read every acknowledged write back from each member (`host:port`); returns what is not there."""
    return [loss for member in members for loss in _lost_on(writer, member)]


def _lost_on(writer: Writer, member: str) -> list[str]:
    give_up_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return _compare(writer, member)
        except _RETRIED:  # a member that is slow to answer is asked again
            if time.monotonic() > give_up_s:
                raise


def _compare(writer: Writer, member: str) -> list[str]:
    report, root = writer.report, writer.root
    client = connected(member, **writer.options)
    try:
        client.sync(root)
        names = set(client.get_children(root))
        value = int(client.get(f"{root}/counter")[0])
    except NoNodeError:
        return [f"{member}: everything"]
    finally:
        client.stop()
        client.close()
    lost = [f"{member}: {number}" for number in report.created if f"n{number:08}" not in names]
    return lost + ([f"{member}: counter {value} of {report.counter}"] if value < report.counter else [])
