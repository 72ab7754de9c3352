"""Settings of kopf: it watches our two kinds and reports their events, and writes nothing."""

import random
from collections.abc import Iterator

import kopf

_LONGEST_PAUSE_S = 30.0


class _EndlessBackoff:
    """An endless series of pauses: kopf ends the whole operator when its list of pauses is used up."""

    def __iter__(self) -> Iterator[float]:
        pause_s = 0.5
        while True:
            yield random.uniform(pause_s / 2, pause_s)  # noqa: S311 - no secret
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def narrow_settings() -> kopf.OperatorSettings:
    """Return settings with which kopf needs no permissions except get, list and watch of our two kinds."""
    settings = kopf.OperatorSettings()
    settings.networking.error_backoffs = _EndlessBackoff()
    settings.networking.connect_timeout = 10.0
    settings.networking.request_timeout = 60.0
    # Listing namespaces and CRDs needs permissions that a namespaced installation does not have.
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = None  # otherwise kopf kills our process when its own loop hangs
    return settings
