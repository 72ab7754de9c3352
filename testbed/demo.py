"""`make demo`: everything from nothing, told on the terminal with measured times; it is left running."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import TestbedError
from testbed.providers import Provider, choose

NAME = "zkop"
NODES = 3

_CHECKOUT = Path(__file__).parent.parent
_INSTALL = (
    ("the two kinds", ["kubectl", "apply", "--server-side", "-f", "crds/"]),
    ("the operator", ["kubectl", "apply", "-k", "testbed/overlay"]),
    (
        "both replicas",
        ["kubectl", "-n", "zkoperator-system", "rollout", "status", "deployment/zkoperator", "--timeout=180s"],
    ),
)


def main() -> int:
    """Tell the story; returns the exit status."""
    try:
        provider = choose(NAME)
        with _step("a Kubernetes of three nodes, with the operator's image"):
            provider.up(NODES, with_operator=True)
            provider.load_operator()
        for what, command in _INSTALL:
            with _step(what):
                _inside(provider, command)
    except TestbedError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    story = provider.inside([sys.executable, "-m", "testbed.story"])
    return subprocess.run(story, env=provider.environment(), cwd=_CHECKOUT, check=False).returncode


@contextmanager
def _step(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"==> {what}", flush=True)
    yield
    print(f"    {time.monotonic() - started:.1f} s", flush=True)


def _inside(provider: Provider, command: list[str]) -> None:
    done = subprocess.run(
        provider.inside(command),
        env=provider.environment(),
        cwd=_CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TestbedError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


if __name__ == "__main__":
    sys.exit(main())
