"""The operator as a subprocess: what a pod runs, without the pod, so that it can be killed, stopped and watched."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed.network import command_in, inside
from tests.support.waiting import eventually


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OperatorProcess:
    """`python -m zkoperator run` against one kubeconfig. Its log is a file that outlives it.

    `wrapped` makes the command line that is run of the operator's, `netns` names the namespace that it runs in.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log: Path,
        settings: Mapping[str, str] | None = None,
        *,
        wrapped: Callable[[Sequence[str]], Sequence[str]] = list,
        netns: str = "",
    ) -> None:
        self.port = free_port()
        self.log = log
        self._wrapped = wrapped
        self._netns = netns
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("ZKOPERATOR_")}
        self._environment |= {
            "ZKOPERATOR_KUBECONFIG": str(kubeconfig),
            "ZKOPERATOR_LEASE": "false",
            "ZKOPERATOR_BIND_ADDRESS": "127.0.0.1",
            "ZKOPERATOR_PORT": str(self.port),
            "ZKOPERATOR_LOG_LEVEL": "debug",
            "PYTHONPATH": os.pathsep.join(["operator", os.environ.get("PYTHONPATH", "")]),
            **(settings or {}),
        }

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        return self._started().poll()

    def start(self) -> "OperatorProcess":
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv(),
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=self._environment,
                cwd=Path(__file__).parents[3],
            )
        return self

    def _argv(self) -> list[str]:
        argv = self._wrapped([sys.executable, "-m", "zkoperator", "run"])
        return command_in(self._netns, argv) if self._netns else [*argv]

    def signal(self, number: signal.Signals) -> None:
        self._started().send_signal(number)

    def kill(self) -> None:
        self._started().kill()
        self._started().wait()

    def stop(self, *, within_s: float = 30) -> int:
        """SIGTERM, as the kubelet sends; returns the exit code."""
        self._started().terminate()
        return self._started().wait(within_s)

    def fetch(self, path: str) -> tuple[int, str]:
        """GET from its own port; status 0 while nothing answers."""
        try:
            with (
                inside(self._netns) if self._netns else contextlib.nullcontext(),
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer,
            ):
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    async def ready(self, *, within_s: float = 60) -> "OperatorProcess":
        def answers() -> bool:
            assert self.exit_code is None, f"the operator ended with {self.exit_code}:\n{self.tail()}"
            return self.fetch("/readyz")[0] == 200

        await eventually(answers, within_s=within_s)
        return self

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def __enter__(self) -> "OperatorProcess":
        """Start it unless it runs: a second process of one object would outlive the tests."""
        running = self._process is not None and self._process.poll() is None
        return self if running else self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _started(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "not started"
        return self._process
