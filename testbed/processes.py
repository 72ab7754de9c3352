"""Starting servers that never outlive the process that started them."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals

from testbed.errors import TestbedError

# The kernel's parent-death signal fires when the *thread* that forked ends, and a test may start a server from a
# short-lived thread. All servers are therefore started by this one, which lives as long as the interpreter.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="testbed-starter")


class Server:
    """One server process: its standard output and error go to `log`."""

    def __init__(self, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = [str(part) for part in argv]
        self.log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the process exists; a stopped (SIGSTOP) one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None or not self.running:
            raise TestbedError(f"{self.argv[0]} is not running; see {self.log}")
        return self._process.pid

    def start(self) -> None:
        """Start it; a server that already runs is left alone."""
        if not self.running:
            self._process = _STARTER.submit(self._spawn).result()

    def freeze(self) -> None:
        """Stop it (SIGSTOP) and wait until each of its threads stands still: on a busy machine that takes a while."""
        os.kill(self.pid, SIGSTOP)
        wait_for(f"{self.argv[0]} to stop", lambda: _is_stopped(self.pid), limit_s=30, servers=[self])

    def thaw(self) -> None:
        """Let a stopped server go on."""
        os.kill(self.pid, SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL and wait for its end."""
        self._end(SIGKILL, limit_s=30)

    def stop(self, limit_s: float = 10) -> None:
        """End it with SIGTERM, or with SIGKILL when that takes longer than the limit."""
        self._end(SIGTERM, limit_s)

    def tail(self, lines: int = 20) -> str:
        """Return the end of the log, for messages."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, number: Signals, limit_s: float) -> None:
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(number)
            self._process.send_signal(SIGCONT)  # a stopped process acts on SIGTERM only when it goes on
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self._env,
                start_new_session=True,
            )


def _is_stopped(pid: int) -> bool:
    """Whether the state of all threads is T: proc_pid_stat(5), the first field after the name in parentheses."""
    try:
        stats = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # a thread ended meanwhile
        return False
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def free_ports(address: str, count: int) -> list[int]:
    """Return TCP ports that nobody uses at a local address, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listener in sockets:
            listener.bind((address, 0))
        return [int(listener.getsockname()[1]) for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def wait_for(what: str, probe: Callable[[], bool], *, limit_s: float, servers: Sequence[Server] = ()) -> None:
    """Poll until the probe holds.

    Raises:
        TestbedError: It did not within the limit, or one of the servers has ended; with the end of their logs.
    """
    deadline = time.monotonic() + limit_s
    while not probe():
        ended = [server for server in servers if not server.running]
        if ended or time.monotonic() > deadline:
            why = f"{Path(ended[0].argv[0]).name} ended" if ended else f"not within {limit_s:g} s"
            logs = "\n".join(f"--- {server.log}\n{server.tail()}" for server in ended or servers)
            raise TestbedError(f"{what}: {why}\n{logs}")
        time.sleep(0.02)


def run(
    *argv: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    text_in: str | None = None,
    what: str = "",
) -> str:
    """Run a command to its end and return its standard output.

    Raises:
        TestbedError: It failed, with the end of what it said; or there is no such program.
    """
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(command, cwd=cwd, env=env, input=text_in, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise TestbedError(f"{command[0]} is not installed") from error
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise TestbedError(f"{what or command[0]} failed with exit code {done.returncode}:\n{said}")
    return done.stdout


def require(program: str, remedy: str) -> None:
    """Raise a TestbedError with the remedy when a program is not installed."""
    if shutil.which(program) is None:
        raise TestbedError(f"{program} is not installed: {remedy}")
