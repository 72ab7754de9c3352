"""Measures how long reads of a subtree take, and how long its oldest unwritten change has waited. I/O."""

from collections.abc import Callable

from zkoperator.mirror.model.latency import LatencyClock
from zkoperator.mirror.model.meter import Meter
from zkoperator.mirror.model.names import is_reserved
from zkoperator.zk.port import ConnectionState, Zk, ZnodeEvent


class ReadTimer:
    """Measures one subtree, or several together. It listens to the same session as their feeds."""

    def __init__(self, zk: Zk, roots: tuple[str, ...], meter: Meter, now_s: Callable[[], float]) -> None:
        self._zk = zk
        self._roots = roots
        self._meter = meter
        self._now_s = now_s
        self._reason = "start"
        self._reading_since_s: float | None = None
        self._removers: tuple[Callable[[], None], ...] = ()
        self.changes = LatencyClock()
        """How long changes of the subtree have waited to be pulled."""

    def start(self) -> None:
        """Start to listen."""
        self._reading_since_s = self._now_s()
        self._removers = (
            *(self._zk.on_event(self._heard, under=root) for root in self._roots),
            self._zk.on_state(self._state_changed),
        )

    def stop(self) -> None:
        """Stop listening."""
        for remove in self._removers:
            remove()
        self._removers = ()

    def read_ended(self) -> None:
        """Note that there is a snapshot. If the whole subtree was read for it, measure how long that took."""
        if self._reading_since_s is not None:
            self._meter.read(self._reason, self._now_s() - self._reading_since_s)
            self._reading_since_s = None
            self._reason = "reconnect"

    def _heard(self, event: ZnodeEvent) -> None:
        if is_reserved(event.path):
            return
        self._meter.heard()
        self.changes.heard(self._now_s())

    def _state_changed(self, state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            self._reading_since_s = self._now_s()
        elif self._reading_since_s is not None:
            self._reading_since_s = None
            self._meter.reread()
