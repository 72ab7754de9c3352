"""Four-letter words asked of real servers, and sessions shared through the pool."""

import asyncio
import socket

import pytest

from testbed.zookeepers import Ensemble
from tests.support.fakes.zk import FakeZkConnector, FakeZkServer
from tests.support.machines.testbed import EnsembleFactory
from tests.support.waiting import eventually
from zkoperator.ensemble.observe.answers import Mode, NotServing, Serving, read_answer
from zkoperator.errors import InvalidError, TransientError
from zkoperator.zk.admin import SocketProbe, four_letter_word
from zkoperator.zk.hosts import Address, parse_hosts
from zkoperator.zk.pool import SessionConnector, SessionPool
from zkoperator.zk.port import ConnectionState, Credential

PROBE = SocketProbe(timeout_s=20)


def address_of(ensemble: Ensemble, index: int = 0) -> Address:
    return parse_hosts([ensemble.servers[index].hosts])[0]


async def test_srvr_mntr_and_conf_of_a_real_member_agree(zookeeper: Ensemble) -> None:
    at = address_of(zookeeper)
    answer = read_answer(1, *[await PROBE.ask(*at, word) for word in ("srvr", "mntr", "conf")])
    assert isinstance(answer, Serving)
    assert (answer.mode, answer.version) == (Mode.LEADER, zookeeper.servers[0].version)
    assert (answer.synced_voters, answer.digest_mismatches) == (0, 0)
    assert answer.zxid > 0
    assert answer.configuration is not None
    assert answer.configuration.voters == {1}


async def test_a_long_answer_is_read_to_its_end(zookeeper: Ensemble) -> None:
    at = address_of(zookeeper)
    answer = await four_letter_word(*at, "mntr", timeout_s=20)
    assert len(answer) > 8192
    assert answer.endswith("\n")


async def test_a_member_without_quorum_answers_that_it_does_not_serve(ensembles: EnsembleFactory) -> None:
    ensemble = ensembles(3)
    for server in ensemble.servers[1:]:
        server.kill()

    async def refused() -> bool:
        try:
            words = [await PROBE.ask(*address_of(ensemble), word) for word in ("srvr", "mntr", "conf")]
        except TransientError:  # it closes its port for a moment while it gives up serving
            return False
        return isinstance(read_answer(1, *words), NotServing)

    await eventually(refused)


async def test_nobody_there_is_a_transient_error_that_names_the_member() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    with pytest.raises(TransientError, match=f"srvr to 127.0.0.1:{free}"):
        await PROBE.ask("127.0.0.1", free, "srvr")
    with pytest.raises(TransientError, match="srvr to nowhere"):
        await PROBE.ask("nowhere.invalid", 2181, "srvr")


async def test_a_member_that_never_answers_costs_the_deadline_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TransientError, match="no whole answer"):
        await four_letter_word("127.0.0.1", silent.getsockname()[1], "srvr", timeout_s=0.2)


async def test_an_empty_answer_is_no_answer() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    with pytest.raises(TransientError, match="empty"):
        await PROBE.ask("127.0.0.1", server.sockets[0].getsockname()[1], "srvr")
    server.close()


async def test_the_pool_opens_one_session_for_an_ensemble_and_a_credential() -> None:
    pool = SessionPool(FakeZkConnector(FakeZkServer()))
    alice = Credential("alice", "wonder")
    first, second = await asyncio.gather(pool.lease(["a:1", "b:1"], alice), pool.lease(["b:1", "a:1"], alice))
    assert first is second
    assert await pool.lease(["a:1", "b:1"], None) is not first
    assert await pool.lease(["a:1", "b:1"], Credential("alice", "other")) is not first
    assert len(pool) == 3
    await pool.close()
    assert first.state is ConnectionState.CLOSED


async def test_the_last_release_closes_and_the_next_lease_opens_anew() -> None:
    pool = SessionPool(FakeZkConnector(FakeZkServer()))
    zk = await pool.lease(["a:1"], None)
    assert await pool.lease(["a:1"], None) is zk
    await pool.release(zk)
    assert await zk.exists("/") is not None
    await pool.release(zk)
    await pool.release(zk)
    assert (zk.state, len(pool)) == (ConnectionState.CLOSED, 0)
    again = await pool.lease(["a:1"], None)
    assert again is not zk
    assert await again.exists("/") is not None
    await pool.close()


async def test_the_connector_opens_real_sessions_at_once(zookeeper: Ensemble) -> None:
    zk = await SessionConnector().open(zookeeper.hosts.split(","), None)
    assert zk.state is ConnectionState.CONNECTING
    assert await zk.exists("/") is not None
    await zk.close()
    with pytest.raises(InvalidError, match="chroot"):
        await SessionConnector().open(["a:1/chroot"], None)
