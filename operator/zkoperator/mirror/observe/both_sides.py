"""What this process knows of the two sides of one ConfigSync between passes."""

from dataclasses import dataclass, field

from zkoperator.mirror.model.backlog import Backlog
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache
from zkoperator.mirror.observe.ledger_cache import LedgerCache
from zkoperator.mirror.observe.subscription_state import SubscriptionState


@dataclass(slots=True)
class BothSides:
    """What the observer reads from and the applier writes to. Losing it costs reads and nothing else."""

    backlog: Backlog
    """What is not written yet."""
    subscription: SubscriptionState = field(default_factory=SubscriptionState)
    """The subtree and the session on which it is followed."""
    config_map: ConfigMapCache = field(default_factory=ConfigMapCache)
    """The newest known version of the ConfigMap."""
    ledger: LedgerCache = field(default_factory=LedgerCache)
    """The ledger and the claim on the ensemble."""
