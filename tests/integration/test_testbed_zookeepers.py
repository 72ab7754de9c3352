"""The plain ZooKeeper servers of the testbed, seen by an independent client."""

import os
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, NoAuthError
from kazoo.protocol.serialization import Create
from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl

from testbed import jars
from testbed.errors import TestbedError
from testbed.zookeepers import Ensemble
from tests.support.machines.testbed import EnsembleFactory


@contextmanager
def client(hosts: str, password: str = "") -> Iterator[Any]:
    auth = [("digest", f"super:{password}")] if password else None
    zk = KazooClient(hosts=hosts, timeout=10, auth_data=auth)
    zk.start(timeout=30)
    try:
        yield zk
    finally:
        zk.stop()
        zk.close()


def test_the_superuser_reads_what_an_acl_forbids(zookeeper: Ensemble) -> None:
    with client(zookeeper.hosts) as anyone, client(zookeeper.hosts, zookeeper.password) as superuser:
        anyone.create("/guarded", b"1", acl=[make_digest_acl("somebody", "else", all=True)])
        with pytest.raises((NoAuthError, AuthFailedError)):
            anyone.get("/guarded")
        assert superuser.get("/guarded")[0] == b"1"
        superuser.delete("/guarded")


def test_a_server_answers_four_letter_words(zookeeper: Ensemble) -> None:
    assert f"version: {jars.VERSIONS[-1]}" in zookeeper.servers[0].four_letter("srvr")
    assert "server.1=" in zookeeper.servers[0].four_letter("conf")


class CreateWithTtl(Create):
    """The createTTL request of ZooKeeper 3.5.3, which kazoo lacks; 5 is the create mode PERSISTENT_WITH_TTL."""

    type = 21

    def serialize(self) -> bytearray:
        return super().serialize() + struct.pack("!q", 60_000)  # type: ignore[no-untyped-call, no-any-return]


def test_ttl_znodes_are_allowed(zookeeper: Ensemble) -> None:
    with client(zookeeper.hosts) as zk:
        answer = zk.handler.async_result()
        zk._call(CreateWithTtl("/short-lived", b"", OPEN_ACL_UNSAFE, 5), answer)
        assert answer.get(timeout=10) == "/short-lived"
        zk.delete("/short-lived")


def test_a_killed_leader_is_replaced_and_comes_back_with_its_data(ensembles: EnsembleFactory) -> None:
    ensemble = ensembles(3)
    old = ensemble.leader()
    with client(ensemble.hosts) as zk:
        zk.create("/kept", b"before")
        old.kill()
        survivors = [server for server in ensemble.servers if server is not old]
        for server in survivors:
            server.wait_serving()
        assert ensemble.leader() is not old
    old.start()
    with client(old.hosts) as zk:
        zk.sync("/kept")
        assert zk.get("/kept")[0] == b"before"


def test_a_frozen_server_is_silent_until_it_is_thawed(ensembles: EnsembleFactory) -> None:
    server = ensembles(1).servers[0]
    server.freeze()
    assert server.four_letter("ruok", limit_s=0.5) == ""
    server.thaw()
    assert server.four_letter("ruok", limit_s=30) == "imok"


def test_a_joiner_becomes_a_voter_by_reconfig(ensembles: EnsembleFactory) -> None:
    ensemble = ensembles(1)
    joiner = ensemble.joiner()
    joiner.start()
    with client(ensemble.servers[0].hosts, ensemble.password) as zk:
        committed, _ = zk.reconfig(joining=joiner.member.line(), leaving=None, new_members=None)
    assert f"server.{joiner.member.myid}=".encode() in committed
    assert joiner.member.line().encode() in committed


def test_a_server_is_upgraded_in_place_release_by_release_and_back(ensembles: EnsembleFactory) -> None:
    oldest, *newer = jars.VERSIONS
    server = ensembles(1, version=oldest).servers[0]
    with client(server.hosts) as zk:
        zk.create("/kept", b"")
    for version in (*newer, newer[-2]):
        server.stop()
        server.launch(version)
        server.wait_serving()
        assert f"version: {version}" in server.four_letter("srvr")
        with client(server.hosts) as zk:
            zk.create(f"/kept/{version}-", b"", sequence=True)
    with client(server.hosts) as zk:
        assert len(zk.get_children("/kept")) == len(newer) + 1


def test_a_wiped_server_has_forgotten_everything(ensembles: EnsembleFactory) -> None:
    server = ensembles(1).servers[0]
    with client(server.hosts) as zk:
        zk.create("/lost", b"1")
    with pytest.raises(TestbedError, match="stop or kill it"):
        server.wipe()
    server.kill()
    server.wipe()
    server.start()
    with client(server.hosts) as zk:
        assert zk.exists("/lost") is None


def test_a_server_that_cannot_start_says_why(ensembles: EnsembleFactory) -> None:
    ensemble = ensembles(1, start=False, properties={"tickTime": "soon"})
    with pytest.raises(TestbedError, match=r"(?s)java ended.*soon"):
        ensemble.start()


def test_servers_die_with_a_process_that_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import threading, time
        from testbed.zookeepers import Ensemble
        ensemble = Ensemble(1)
        thread = threading.Thread(target=ensemble.start)  # a thread that ends takes nobody with it
        thread.start()
        thread.join()
        time.sleep(0.5)
        assert ensemble.servers[0].running
        print(ensemble.servers[0].pid, ensemble.servers[0].directory, flush=True)
        time.sleep(600)
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, directory = parent.stdout.readline().split()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int(pid))
    subprocess.run(["rm", "-rf", str(Path(directory).parent)], check=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
