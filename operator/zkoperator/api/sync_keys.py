"""Which znodes of a subtree are keys, and how the keys are named."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.sync_fields import Glob, KeyPrefix


class Ephemerals(StrEnum):
    """Whether ephemeral znodes are keys."""

    EXCLUDE = "Exclude"
    INCLUDE = "Include"


class Separator(StrEnum):
    """What stands between the names of a path in a key."""

    UNDERSCORES = "__"
    DOT = "."


class Keys(Model):
    """Which znodes of the subtree are keys, and how the keys are named."""

    include: Annotated[tuple[Glob, ...], Field(min_length=1, max_length=32)] = ("**",)
    """Patterns for paths below the root: `*` matches within a name, `**` across names. A key of the ConfigMap that
    encodes no path is matched as it is written."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=32)] = ()
    """Patterns for paths that are not keys although `include` matches them."""
    ephemerals: Ephemerals = Ephemerals.EXCLUDE
    """`Include`: ephemeral znodes are keys too, such as a registry of services. Only with `ZooKeeperToConfigMap`."""
    separator: Separator = Separator.UNDERSCORES
    """What stands between the names of a path in a key. With `.`, a dot in a name stands for itself, so that `a/b` and
    `a.b` have the same key: both are left out then (`KeyInvalid`). Where keys are pushed, `a.b` is always left out."""
    strip_prefix: KeyPrefix = ""
    """Text that keys do not begin with: with `config/`, `config/db` is `db`. A text that ends in a letter or digit is a
    whole name. Keys that do not begin with it stay as they are; where keys are pushed, they are left out."""
