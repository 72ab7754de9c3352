"""What the installed operator costs and how fast a standby takes over: `python -m bench installed`."""

from collections.abc import Sequence

from bench.clusters import figures_inside
from bench.figures import Figure


def run() -> Sequence[Figure]:
    """Memory, CPU and requests at rest; take-over after a clean stop and after a kill."""
    return figures_inside("bench.inside.installed")
