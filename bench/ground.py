"""How soon there is something to stand on when all is built: `python -m bench ground`."""

import time
from collections.abc import Callable, Sequence

from bench.clusters import NAME
from bench.figures import Figure
from testbed.providers import choose

NODE_GOAL_S = 15.0


def run() -> Sequence[Figure]:
    """A node that is Ready, and its removal. The first round builds what is missing and is not measured."""
    provider = choose(NAME)
    provider.up(1, with_operator=False)
    provider.down()
    return [
        Figure("a Ready node", _timed(lambda: provider.up(1, with_operator=False)), "s", goal=NODE_GOAL_S),
        Figure("its removal", _timed(provider.down), "s"),
    ]


def _timed(action: Callable[[], object]) -> float:
    began_s = time.monotonic()
    action()
    return time.monotonic() - began_s
