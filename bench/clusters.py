"""A cluster of the testbed with the operator installed, for benches that need pods: brought up, used, removed."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure
from testbed import install
from testbed.providers import choose

NAME, NODES = "zkop-bench", 3
ROOT = Path(__file__).parents[1]


def figures_inside(module: str) -> Sequence[Figure]:
    """Bring a cluster up, run a module of `bench.inside` in it, and return the figures that it printed as JSON."""
    provider = choose(NAME)
    provider.up(NODES, with_operator=True)
    try:
        install.definitions(provider)
        install.operator(provider)
        install.wait(provider)
        command = provider.inside([sys.executable, "-m", module])
        done = subprocess.run(command, env=provider.environment(), cwd=ROOT, stdout=subprocess.PIPE, check=True)
        return [Figure(**figure) for figure in json.loads(done.stdout)]
    finally:
        provider.down()
