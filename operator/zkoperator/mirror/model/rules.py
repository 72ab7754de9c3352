"""How a ConfigSync settles differences and which deletions it holds, as its spec says. Pure."""

from dataclasses import dataclass

from zkoperator.api.sync import AdoptionPolicy, ConflictPolicy, Direction


@dataclass(frozen=True, slots=True)
class Rules:
    """How differences of this ConfigSync are settled.

    `adoption` is set for keys of a first synchronisation only; afterwards, and after a lost base, `conflicts` decides.
    """

    direction: Direction
    conflicts: ConflictPolicy
    adoption: AdoptionPolicy | None = None
    retain: bool = False

    @property
    def pulls(self) -> bool:
        """Whether znodes are copied to the ConfigMap."""
        return self.direction is not Direction.CONFIG_MAP_TO_ZOOKEEPER

    @property
    def pushes(self) -> bool:
        """Whether the ConfigMap is copied to znodes."""
        return self.direction is not Direction.ZOOKEEPER_TO_CONFIG_MAP


@dataclass(frozen=True, slots=True)
class DeletionLimits:
    """The deletion guard of the spec: keys, and per cent of all keys."""

    max_keys: int
    max_percent: int
