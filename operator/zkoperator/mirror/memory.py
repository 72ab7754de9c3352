"""What one process remembers of a ConfigSync between passes. Losing all of it costs reads, nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zkoperator.kube.port import Manifest, without_managers
from zkoperator.mirror.model.debounce import Burst
from zkoperator.mirror.model.flapping import FlapLog
from zkoperator.mirror.model.latency import LatencyClock
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.rollout import RolloutState
from zkoperator.mirror.model.skipped_keys import SkippedKeys
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache
from zkoperator.mirror.observe.subtree import Subtree
from zkoperator.mirror.plan.decisions import Decision
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import Source, ValidatedSync


@dataclass(slots=True)
class Memory:
    """The memory of one key. Times are monotonic seconds.

    Args:
        sync: `raw`, validated.
        is_stale: the custom resource has to be read again.
        source: what the spec said when the tree was found, at `place_s`.
        rechecked_s, asked_again_s: when all of the subtree, or what is refused of it, was last compared.
        tree: the subtree that is followed.
        ledger: as last read or written, while `ledger_is_known`.
        losses: of the connection, as counted by the tree when the ledger was read.
        ledger_is_mine: it was fenced by this process on this session.
        claimed_by: who pushes to an overlapping subtree, believed until `claimed_until_s`.
        is_refused: the last pass was refused something.
        refused: keys that the ensemble did not let us write.
        unfit: keys that the API server did not take.
        kept: parents that the ensemble did not let us delete with their last child.
        push_failures: large pushes in a row whose connection was lost or that were refused for their size.
        follow_failures: attempts in a row to follow a subtree that cannot be followed.
        doubted: differences for which the ledger has been read again already.
        lost_s: since when the ensemble of a ConfigSync that ends is out of reach.
        owed_s: since when the numbers of the status lag.
        failing_s: since when every write has failed.
        edits: of the ConfigMap.
        uid, version: of the custom resource as last read or written, "" before that.
        parts: transactions that the last push was split into, `is_splitting` while some are left; 0: one was enough.
    """

    burst: Burst
    flaps: FlapLog
    read_s: float = float("-inf")
    sync: ValidatedSync | None = None
    is_stale: bool = True
    place_s: float = float("-inf")
    rechecked_s: float = float("-inf")
    asked_again_s: float = float("-inf")
    source: Source | None = None
    tree: Subtree | None = None
    target: ConfigMapCache = field(default_factory=ConfigMapCache)
    ledger: Ledger | None = None
    ledger_is_known: bool = False
    ledger_is_mine: bool = False
    losses: int = 0
    claimed_by: str = ""
    claimed_until_s: float = float("-inf")
    is_refused: bool = False
    refused: SkippedKeys = field(default_factory=SkippedKeys)
    unfit: SkippedKeys = field(default_factory=SkippedKeys)
    kept: SkippedKeys = field(default_factory=SkippedKeys)
    push_failures: int = 0
    follow_failures: int = 0
    doubted: frozenset[Decision] = frozenset()
    disconnected_s: float | None = None
    lost_s: float | None = None
    owed_s: float | None = None
    failing_s: float | None = None
    edits: LatencyClock = field(default_factory=LatencyClock)
    parts: int = 0
    is_splitting: bool = False
    rollout: RolloutState = field(default_factory=RolloutState)
    uid: str = ""
    version: str = ""
    _raw: Mapping[str, Any] | None = field(default=None, init=False)
    _text: bytes = field(default=b"", init=False)

    @property
    def raw(self) -> Mapping[str, Any] | None:
        """The custom resource as last read or written, without `managedFields`; None before that."""
        if self._raw is None and self._text:
            self._raw = json.loads(self._text)
        return self._raw

    def saw(self, raw: Manifest) -> None:
        """Note the custom resource as the API server has just answered it."""
        self._raw, self._text = without_managers(raw), b""
        self.uid = _uid_of(raw)
        self.version = str(raw["metadata"].get("resourceVersion", ""))
        self.sync = None

    def is_of_another(self, raw: Manifest) -> bool:
        """Whether all that is remembered belongs to an earlier custom resource of the same name."""
        return self.uid not in ("", _uid_of(raw))

    def rest(self) -> None:
        """Keep the custom resource as text alone, a sixth of what it takes otherwise, until it is asked for."""
        if self._raw is not None:
            self._text = self._text or json.dumps(self._raw).encode()
        self._raw = self.sync = None

    def forget_refusals(self) -> None:
        """Try everything again: it is another session, maybe of another identity."""
        self.is_refused = False
        self.push_failures = 0
        for refusals in (self.refused, self.unfit, self.kept):
            refusals.clear()

    def doubt_ledger(self) -> None:
        """Read the ledger again; it stays ours if nobody has written it."""
        self.ledger_is_known = False

    def forget_ledger(self) -> None:
        """Read and fence the ledger again before the next push."""
        self.ledger = None
        self.ledger_is_known = False
        self.ledger_is_mine = False


def _uid_of(raw: Manifest) -> str:
    return str(raw["metadata"].get("uid", ""))


def new_memory(settings: MirrorSettings) -> Memory:
    """Return the memory of a key that was never looked at."""
    return Memory(
        burst=Burst(settings.quiet_s, settings.longest_burst_s),
        flaps=FlapLog(settings.flap_window_s, settings.flap_reverts, settings.flap_hold_s),
    )
