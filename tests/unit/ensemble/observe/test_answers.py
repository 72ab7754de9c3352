"""Reading members' answers: texts of a real 3.9.4 server."""

from zkoperator.ensemble.model.configuration import Server, parse_configuration
from zkoperator.ensemble.observe.answers import Mode, NotServing, Serving, Silent, read_answer

SRVR = """Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC
Latency min/avg/max: 0/0.0/0
Received: 4
Sent: 3
Connections: 1
Outstanding: 0
Zxid: 0x10000003b
Mode: leader
Node count: 5
Proposal sizes last/min/max: 48/48/48
"""
MNTR = """zk_version\t3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC
zk_server_state\tleader
zk_synced_followers\t4.0
zk_synced_non_voting_followers\t2
zk_digest_mismatches_count\t0
"""
CONF = """clientPort=2181
serverId=1
tickTime=2000
membership:
server.1=a.demo.svc:2888:3888:participant;0.0.0.0:2181
server.2=b.demo.svc:2888:3888:observer;2181
version=100000002
"""
NO = "This ZooKeeper instance is not currently serving requests\n"


def test_a_leader_is_read_with_its_counts_and_its_configuration() -> None:
    answer = read_answer(1, SRVR, MNTR, CONF)
    assert isinstance(answer, Serving)
    assert (answer.mode, answer.zxid, answer.version) == (Mode.LEADER, 0x10000003B, "3.9.4")
    assert (answer.synced, answer.synced_non_voting, answer.synced_voters) == (4, 2, 2)
    assert answer.configuration is not None
    assert answer.configuration.version == 0x100000002
    assert answer.configuration.voters == {1}
    assert answer.configuration.servers[1] == Server(2, "b.demo.svc:2888:3888", voting=False)


def test_a_member_without_a_quorum_does_not_serve() -> None:
    assert read_answer(1, NO, NO, NO) == NotServing()


def test_nothing_is_known_of_a_member_that_began_or_ceased_to_serve_between_two_words() -> None:
    assert read_answer(1, SRVR, MNTR, NO) == Silent("it began or ceased to serve while it was asked")


def test_counts_that_a_member_does_not_tell_are_unknown_and_not_zero() -> None:
    answer = read_answer(1, SRVR, NO, CONF)
    assert isinstance(answer, Serving)
    assert (answer.synced_voters, answer.digest_mismatches) == (None, None)
    told = read_answer(1, SRVR, MNTR, CONF)
    assert isinstance(told, Serving)
    assert told.digest_mismatches == 0


def test_a_server_that_is_not_the_member_asked_or_does_not_say_who_it_is_is_not_believed() -> None:
    assert read_answer(2, SRVR, MNTR, CONF) == Silent("another server answers at its address")
    assert isinstance(read_answer(1, SRVR, MNTR, CONF.replace("serverId=1\n", "")), Silent)
    assert isinstance(read_answer(11, SRVR, MNTR, CONF), Silent)


def test_an_answer_in_another_form_is_unknown() -> None:
    assert isinstance(read_answer(1, "hello", MNTR, CONF), Silent)
    assert isinstance(read_answer(1, SRVR.replace("leader", "emperor"), MNTR, CONF), Silent)


def test_a_configuration_without_a_version_or_without_servers_is_none() -> None:
    assert parse_configuration("version=1") is None
    assert parse_configuration("server.1=a:1:2:participant;3") is None
    assert parse_configuration("version=zz\nserver.1=a:1:2;3") is None


def test_a_server_line_survives_its_own_reading() -> None:
    line = "server.4=h:2888:3888:participant;0.0.0.0:2181"
    configuration = parse_configuration(f"{line}\nversion=a")
    assert configuration is not None
    assert configuration.lines == (line,)
