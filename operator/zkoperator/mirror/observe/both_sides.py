"""What this process remembers about both sides of one ConfigSync between passes."""

from dataclasses import dataclass, field

from zkoperator.mirror.model.backlog import Backlog
from zkoperator.mirror.model.common import NOTHING_COMMON, Common
from zkoperator.mirror.model.seal import PLAIN_SEAL, Seal
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache
from zkoperator.mirror.observe.ledger_cache import LedgerCache
from zkoperator.mirror.observe.rendering_state import RenderingState
from zkoperator.mirror.observe.subscription_state import SubscriptionState


@dataclass(slots=True)
class BothSides:
    """The caches of both sides. The observer reads them, the applier updates them. Their loss costs only reads."""

    backlog: Backlog
    """Changes that are not written yet, and why."""
    subscription: SubscriptionState = field(default_factory=SubscriptionState)
    """The subtree, and the session that follows it."""
    config_map: ConfigMapCache = field(default_factory=ConfigMapCache)
    """The newest known version of the ConfigMap or Secret."""
    seal: Seal = PLAIN_SEAL
    """How the digests of its values, and of the znodes' values, are made."""
    ledger: LedgerCache = field(default_factory=LedgerCache)
    """The ledger and the claim on the ensemble."""
    rendering: RenderingState | None = None
    """The files that templates make, None without templates."""
    common: Common = NOTHING_COMMON
    """The keys that were common at the end of the last pass, as a status keeps them."""
