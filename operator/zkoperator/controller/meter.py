"""What is counted for both kinds. Pure."""

from collections.abc import Mapping
from typing import Any

from zkoperator.runtime.keys import Key


class StatusMeter:
    """Counts objects by their status; this class counts nothing, and metrics override it.

    No method may raise, wait, or keep a value of a znode or ConfigMap.
    """

    def status_known(self, key: Key, status: Mapping[str, Any]) -> None:
        """An object has this status, as it is now known."""

    def object_gone(self, key: Key) -> None:
        """An object does not exist any more."""
