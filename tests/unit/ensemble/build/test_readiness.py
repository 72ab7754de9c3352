"""The readiness probe, run by a real shell against a port that answers as a member does in each of its states."""

import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.models.ensemble_simulation import raw_cluster, valid
from zkoperator.ensemble.build.statefulset import stateful_set

SRVR = "Zookeeper version: 3.9.4-x\nLatency min/avg/max: 0/0.5/9\nConnections: 1\nZxid: 0x1\nMode: {}\nNode count: 5\n"
IDLE = "This ZooKeeper instance is not currently serving requests\n"


@contextmanager
def member(answer: str | None) -> Iterator[int]:
    """A port that gives this answer to `srvr` and hangs up; None: it says nothing."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(16) == b"srvr" and answer is not None:
                self.request.sendall(answer.encode())
            else:
                over.wait(30)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            over.set()
            server.shutdown()


def is_ready(port: int) -> bool:
    container = stateful_set(valid(raw_cluster()), 3, bootstrap="", secret_id="s")["spec"]["template"]["spec"]
    program, flag, script = container["containers"][0]["readinessProbe"]["exec"]["command"]
    assert script.count("127.0.0.1/2181") == 1
    # Nothing else is found, so that no other process can be started.
    run = [f"/bin/{program}", flag, script.replace("/2181", f"/{port}")]
    return subprocess.run(run, env={"PATH": "/nowhere"}, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("mode", ["leader", "follower", "observer", "standalone"])
def test_a_member_that_serves_is_ready(mode: str) -> None:
    with member(SRVR.format(mode)) as port:
        assert is_ready(port)


@pytest.mark.parametrize("answer", [IDLE, "", "Zxid: 0x1\n", "no Mode: leader\n", None])
def test_a_member_that_serves_nobody_is_not(answer: str | None) -> None:
    with member(answer) as port:
        assert not is_ready(port)


def test_a_member_whose_port_is_closed_is_not() -> None:
    with member("") as port:
        pass
    assert not is_ready(port)
