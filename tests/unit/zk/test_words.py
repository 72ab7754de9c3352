import pytest

from zkoperator.zk.membership import config_version, parse_dynamic_config, parse_server_line
from zkoperator.zk.words import NOT_SERVING, is_refused, parse_conf, parse_mntr, parse_srvr

LEADER_SRVR = """\
Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025-08-19 19:53 UTC
Latency min/avg/max: 0/0.0/0
Received: 4
Sent: 3
Connections: 1
Outstanding: 0
Zxid: 0x10000000a
Mode: leader
Node count: 5
Proposal sizes last/min/max: -1/-1/-1
"""
LEADER_MNTR = "zk_version\t3.9.4-72464, built on 2025-08-19\nzk_server_state\tleader\nzk_synced_followers\t2\n" + (
    "zk_synced_non_voting_followers\t0\nzk_quorum_size\t3\nzk_digest_mismatches_count\t0\nzk_avg_latency\t0.5\n"
    "zk_outstanding_requests\t4.0\nzk_pending_syncs\tNaN\n"
)
CONF = """\
clientPort=2181
secureClientPort=-1
dataDir=/data/version-2
tickTime=2000
serverId=2
membership:
server.1=zk-0.zk:2888:3888:participant;0.0.0.0:2181
server.2=zk-1.zk:2888:3888:observer;2181
version=10000000b
"""
NOT_SERVING_ANSWER = "This ZooKeeper instance is not currently serving requests\n"


def test_srvr_of_a_leader() -> None:
    srvr = parse_srvr(LEADER_SRVR)
    assert (srvr.mode, srvr.version, srvr.zxid) == ("leader", "3.9.4", 0x10000000A)
    assert (srvr.connections, srvr.outstanding, srvr.node_count) == (1, 0, 5)


@pytest.mark.parametrize("answer", ["", NOT_SERVING_ANSWER, "garbage\n\n::\t=", "Mode"])
def test_what_an_answer_does_not_say_is_unknown_and_never_zero(answer: str) -> None:
    srvr, mntr, conf = parse_srvr(answer), parse_mntr(answer), parse_conf(answer)
    assert {srvr.mode, srvr.version, srvr.zxid, srvr.node_count} == {None}
    assert {mntr.server_state, mntr.synced_followers, mntr.quorum_size, mntr.digest_mismatches} == {None}
    assert {conf.server_id, conf.client_port, conf.membership.version} == {None}
    assert conf.membership.servers == ()


def test_a_member_out_of_the_quorum_is_recognised() -> None:
    assert NOT_SERVING in NOT_SERVING_ANSWER


def test_a_word_that_is_not_allowed_is_no_statement_about_health() -> None:
    assert is_refused("mntr is not executed because it is not in the whitelist.\n")
    assert not is_refused(NOT_SERVING_ANSWER)


def test_mntr_of_a_leader() -> None:
    mntr = parse_mntr(LEADER_MNTR)
    assert (mntr.server_state, mntr.version, mntr.quorum_size) == ("leader", "3.9.4", 3)
    assert (mntr.synced_followers, mntr.synced_non_voting_followers, mntr.digest_mismatches) == (2, 0, 0)
    assert (mntr.outstanding_requests, mntr.pending_syncs, mntr.learners) == (4, None, None)


def test_conf_with_its_membership() -> None:
    conf = parse_conf(CONF)
    assert (conf.server_id, conf.client_port, conf.tick_time_ms) == (2, 2181, 2000)
    assert conf.membership.version == 0x10000000B
    first, second = conf.membership.servers
    assert (first.id, first.host, first.is_voter, first.client_host, first.client_port) == (
        1,
        "zk-0.zk",
        True,
        "0.0.0.0",
        2181,
    )
    assert (second.is_voter, second.client_host, second.client_port) == (False, None, 2181)


@pytest.mark.parametrize(
    ("line", "host", "client"),
    [
        ("server.7=a:1:2", "a", None),
        ("server.7=[::1]:1:2:participant;[::]:3", "::1", 3),
        ("server.7=a:1:2:observer;3", "a", 3),
    ],
)
def test_server_lines_of_every_form(line: str, host: str, client: int | None) -> None:
    server = parse_server_line(line)
    assert server is not None
    assert (server.id, server.host, server.client_port) == (7, host, client)


def test_a_server_line_of_unknown_form_is_kept_apart_and_never_absent() -> None:
    config = parse_dynamic_config("server.1=a:1:2:participant;3\nserver.2=a:1:2|b:1:2:participant;3\nversion=a\n")
    assert [server.id for server in config.servers] == [1]
    assert config.unreadable == ("server.2=a:1:2|b:1:2:participant;3",)


def test_a_configuration_without_version_has_none() -> None:
    assert config_version("server.1=a:1:2") is None
    assert config_version("version=100000002") == 0x100000002
