"""The life of ensembles on a whole cluster, against a bare StatefulSet: `python -m bench ensembles`."""

from collections.abc import Sequence

from bench.clusters import figures_inside
from bench.figures import Figure


def run() -> Sequence[Figure]:
    """Create, grow, shrink and roll, with a client that writes all the while."""
    return figures_inside("bench.inside.ensembles")
