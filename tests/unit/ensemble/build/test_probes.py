"""The startup probe, run by a real shell against a port that answers as a member that starts does."""

import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from tests.support.models.ensemble_simulation import raw_cluster, valid
from zkoperator.ensemble.build import probes
from zkoperator.ensemble.model.tls import TlsState

SERVING = "Zookeeper version: 3.9.4\nMode: follower\n"
IDLE = "This ZooKeeper instance is not currently serving requests\n"
LOADING = None
"""The port is open, and nobody takes the connection yet."""


@dataclass
class Member:
    """Gives these answers one after the other, and the last one from then on."""

    answers: tuple[str | None, ...]
    port: int = 0
    asked: int = 0
    has_tls: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> str | None:
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]

    def has_started(self, *, look_s: int = 1) -> bool:
        cluster = replace(valid(raw_cluster()), tls=TlsState(client=self.has_tls))
        program, flag, script = probes.startup_probe(cluster)["exec"]["command"]
        ports = "2180 2181" if self.has_tls else "2181"
        assert f"in {ports};" in script
        # Nobody listens on port 1, as on 2180 while plaintext is open to everybody.
        asked = f"1 {self.port}" if self.has_tls else f"{self.port}"
        script = script.replace(f"in {ports};", f"in {asked};")
        script = script.replace(f"SECONDS + {probes._LOOK_S}", f"SECONDS + {look_s}")
        run = [program, flag, script]
        return subprocess.run(run, capture_output=True, timeout=120, check=False).returncode == 0


@contextmanager
def member(*answers: str | None) -> Iterator[Member]:
    played = Member(answers)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer = played.next_answer()
            if answer is None:
                played.over.wait(30)
            elif self.request.recv(16) == b"srvr":
                self.request.sendall(answer.encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        played.port = int(server.server_address[1])
        try:
            yield played
        finally:
            played.over.set()
            server.shutdown()


def test_a_member_that_serves_has_started() -> None:
    with member(SERVING) as starting:
        assert starting.has_started()
        assert starting.asked == 1


def test_a_member_is_seen_to_serve_in_the_look_in_which_it_begins_to() -> None:
    with member(LOADING, IDLE, SERVING, IDLE) as starting:
        assert starting.has_started(look_s=90)
        assert starting.asked == 3


def test_a_member_without_a_quorum_has_started_when_it_has_answered_for_one_look() -> None:
    with member(IDLE) as starting:
        assert starting.has_started()


def test_a_member_that_loads_its_snapshot_has_not_started_although_its_port_is_open() -> None:
    with member(LOADING) as starting:
        assert not starting.has_started()


def test_a_member_whose_port_is_closed_has_not_started() -> None:
    with member(SERVING) as starting:
        pass
    assert not starting.has_started()


PROBE = {
    "it ends as soon as the member serves": (
        "*Mode:*) exit 0 ;;",
        "*Mode:*) ;;",
        test_a_member_that_serves_has_started,
    ),
    "it waits for the member to serve": (
        '[ "$SECONDS" -lt "$until" ] || break',
        "break",
        test_a_member_is_seen_to_serve_in_the_look_in_which_it_begins_to,
    ),
    "an answer is enough in the end": (
        '[ -n "$answer" ]',
        "false",
        test_a_member_without_a_quorum_has_started_when_it_has_answered_for_one_look,
    ),
    "an open port is not": (
        '[ -n "$answer" ]',
        "true",
        test_a_member_that_loads_its_snapshot_has_not_started_although_its_port_is_open,
    ),
}


@pytest.mark.parametrize("guard", PROBE)
def test_a_probe_without_this_is_noticed(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, claim = PROBE[guard]
    assert probes._STARTED.count(old) == 1, "the probe has changed: seed its bug anew"
    monkeypatch.setattr(probes, "_STARTED", probes._STARTED.replace(old, new))
    with pytest.raises(AssertionError):
        claim()


def test_a_member_with_tls_is_asked_at_whichever_plaintext_port_is_open() -> None:
    with member(SERVING) as played:
        played.has_tls = True
        assert played.has_started()
