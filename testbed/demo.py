"""`make demo`: everything from nothing, told on the terminal with measured times; it is left running."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed import install
from testbed.errors import TestbedError
from testbed.providers import choose
from testbed.words import DEFAULT_NAME

NODES = 3

_CHECKOUT = Path(__file__).parent.parent


def main() -> int:
    """Tell the story; returns the exit status."""
    try:
        provider = choose(DEFAULT_NAME)
        with _step("a Kubernetes of three nodes, with the operator's image"):
            provider.up(NODES, with_operator=True)
        for what, act in (
            ("the two kinds", install.definitions),
            ("the operator", install.operator),
            ("both replicas", install.wait),
        ):
            with _step(what):
                act(provider)
        story = provider.inside([sys.executable, "-m", "testbed.story"])
    except TestbedError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return subprocess.run(story, env=provider.environment(), cwd=_CHECKOUT, check=False).returncode


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"==> {what}", flush=True)
    yield
    print(f"    {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
