"""The texts of quota znodes. Pure."""

import re
from dataclasses import dataclass
from typing import Final

from zkoperator.api.znode import ZNodeQuota
from zkoperator.controller.quantity import parse_quantity

NOTHING_YET: Final = b"count=0,bytes=0"
"""The usage before the server has counted."""
_UNLIMITED: Final = -1
_USAGE: Final = re.compile(r"count=(\d+),bytes=(\d+)")


@dataclass(frozen=True, slots=True)
class Usage:
    """How large a subtree is: number of znodes, and size of their data."""

    count: int
    bytes: int


def limits_text(quota: ZNodeQuota | None) -> bytes:
    """Return the hard limits as ZooKeeper reads them; without a quota it only counts."""
    count = quota.count if quota is not None and quota.count is not None else _UNLIMITED
    size = int(parse_quantity(quota.bytes)) if quota is not None and quota.bytes is not None else _UNLIMITED
    # The first part has the limits of servers before 3.7, which only warn.
    return f"count=-1,bytes=-1=;byteHardLimit={size};countHardLimit={count}".encode()


def usage_in(stats: bytes) -> Usage | None:
    """Return the usage that the server has counted, None where it says nothing of the kind."""
    found = _USAGE.match(stats.decode(errors="replace"))
    return Usage(int(found[1]), int(found[2])) if found is not None else None
