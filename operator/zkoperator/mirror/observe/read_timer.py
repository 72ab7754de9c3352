"""How long it takes to read a subtree, and how long its oldest change that is not written yet has waited. I/O."""

from collections.abc import Callable

from zkoperator.mirror.model.latency import LatencyClock
from zkoperator.mirror.model.meter import Meter
from zkoperator.zk.port import ConnectionState, Zk, ZnodeEvent


class ReadTimer:
    """Listens to the same session as the feed of one subtree."""

    def __init__(self, zk: Zk, root: str, meter: Meter, now_s: Callable[[], float]) -> None:
        self._zk = zk
        self._root = root
        self._meter = meter
        self._now_s = now_s
        self._reason = "start"
        self._reading_since_s: float | None = None
        self._removers: tuple[Callable[[], None], ...] = ()
        self.changes = LatencyClock()
        """Of changes that the ConfigMap does not have yet."""

    def start(self) -> None:
        """Begin to listen."""
        self._reading_since_s = self._now_s()
        self._removers = (
            self._zk.on_event(self._heard, under=self._root),
            self._zk.on_state(self._state_changed),
        )

    def stop(self) -> None:
        """Stop listening."""
        for remove in self._removers:
            remove()
        self._removers = ()

    def read_ended(self) -> None:
        """There is a snapshot: if the whole subtree was read for it, count how long that took."""
        if self._reading_since_s is not None:
            self._meter.read(self._reason, self._now_s() - self._reading_since_s)
            self._reading_since_s = None
            self._reason = "reconnect"

    def _heard(self, _: ZnodeEvent) -> None:
        self._meter.heard()
        self.changes.heard(self._now_s())

    def _state_changed(self, state: ConnectionState) -> None:
        if state is ConnectionState.CONNECTED:
            self._reading_since_s = self._now_s()
        elif self._reading_since_s is not None:
            self._reading_since_s = None
            self._meter.reread()
