"""Backups of a million znodes, taken as in `bench.backup`: `python -m bench backup_many`.

`BENCH_MANY_ZNODES` makes it smaller.
"""

import os
from collections.abc import Sequence

from bench.backup import Size, figures
from bench.figures import Figure

SIZE = Size(int(os.environ.get("BENCH_MANY_ZNODES", "1000000")), 100, 1600, 1, 3)


async def run() -> Sequence[Figure]:
    """Measure 1,000,000 znodes with 100 bytes each."""
    return await figures(SIZE)
