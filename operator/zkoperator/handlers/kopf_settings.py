"""kopf as narrow as it goes: it watches two kinds and tells us, and writes nothing anywhere."""

import random
from collections.abc import Iterator

import kopf

_LONGEST_PAUSE_S = 30.0


class _Endless:
    """Pauses without end; kopf ends the whole operator when its list of pauses is used up."""

    def __iter__(self) -> Iterator[float]:
        pause_s = 0.5
        while True:
            yield random.uniform(pause_s / 2, pause_s)  # noqa: S311 - no secret
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def narrow_settings() -> kopf.OperatorSettings:
    """Return settings under which kopf needs no more than get, list and watch of our two kinds."""
    settings = kopf.OperatorSettings()
    settings.networking.error_backoffs = _Endless()
    settings.networking.connect_timeout = 10.0
    settings.networking.request_timeout = 60.0
    settings.scanning.disabled = True  # no list of namespaces and definitions, which a narrow role does not allow
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = None  # else it kills our process when only its own loop hangs
    return settings
