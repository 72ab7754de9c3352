"""kubectl of a test's API server."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from testbed.api import ApiServer

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
"""Takes the arguments, `stdin`, and `check`: False for a command that may be refused."""

_CRDS = Path(__file__).parents[3] / "crds"


def with_our_kinds(api_server: ApiServer) -> Kubectl:
    """Apply the CRDs as users apply them, and return kubectl once it knows the kinds."""

    def run(*arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(api_server.kubectl), f"--kubeconfig={api_server.kubeconfig}", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done

    run("apply", "-f", str(_CRDS))
    run("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    return run
