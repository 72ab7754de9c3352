"""Where the seconds of a restart go: the stages of each member's way in one full roll: `python -m bench restarts`."""

from collections.abc import Sequence

from bench.clusters import figures_inside
from bench.figures import Figure


def run() -> Sequence[Figure]:
    """Roll an ensemble of three once, and name the stages."""
    return figures_inside("bench.inside.restarts")
