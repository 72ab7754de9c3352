"""What `status` shows, from raw objects."""

from datetime import UTC, datetime
from typing import Any

from zkoperator.cli.view.summary import NOT_SEEN, OUTDATED, cluster_summary, sync_summary, to_json
from zkoperator.cli.view.tables import cluster_detail, cluster_table, sync_detail, sync_table
from zkoperator.cli.view.terminal import Style

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PLAIN = Style(colours=False)


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    since = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def cluster(*conditions: dict[str, Any], generation: int = 1, **status: Any) -> dict[str, Any]:
    return {
        "kind": "ZooKeeperCluster",
        "metadata": {"name": "main", "namespace": "demo", "generation": generation},
        "spec": {"replicas": 3},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status},
    }


def sync(*conditions: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {
        "kind": "ConfigSync",
        "metadata": {"name": "shop", "namespace": "demo", "generation": 1},
        "spec": {"zookeeper": {"path": "/apps/shop"}, "direction": "TwoWay"},
        "status": {"observedGeneration": 1, "conditions": list(conditions), **status},
    }


def test_a_ready_cluster_is_one_quiet_line() -> None:
    raw = cluster(
        condition("Ready", "True", "InSync", "3 of 3 voters serve in sync"),
        condition("Available", "True", "QuorumServes"),
        readyReplicas=3,
        leader="main-zk-1",
        version="3.9.4",
    )
    _, row = cluster_table([cluster_summary(raw)], PLAIN, namespaced=False).splitlines()
    assert row.split() == ["main", "ready", "3/3", "main-zk-1", "3.9.4", "InSync"]


def test_a_cluster_that_serves_without_being_ready_says_so_and_why() -> None:
    raw = cluster(
        condition("Ready", "False", "MemberDown", "main-zk-2 does not answer"),
        condition("Available", "True", "QuorumServes"),
        readyReplicas=2,
    )
    _, row = cluster_table([cluster_summary(raw)], PLAIN, namespaced=True).splitlines()
    assert row.split()[:3] == ["demo/main", "serving", "2/3"]
    assert row.endswith("MemberDown  main-zk-2 does not answer")


def test_a_cluster_without_quorum_is_not_ready() -> None:
    raw = cluster(condition("Ready", "False", "QuorumLost"), condition("Available", "False", "QuorumLost"))
    assert "not ready" in cluster_table([cluster_summary(raw)], PLAIN, namespaced=False)


def test_an_object_that_nobody_looked_at_is_unknown_and_asks_for_the_operator() -> None:
    raw = cluster()
    del raw["status"]
    summary = cluster_summary(raw)
    assert (summary.healthy, summary.message) == (None, NOT_SEEN)
    assert NOT_SEEN in cluster_detail(summary, PLAIN, NOW)


def test_a_spec_that_was_not_looked_at_is_not_called_ready() -> None:
    summary = cluster_summary(cluster(condition("Ready", "True", "InSync"), generation=2))
    assert (summary.healthy, summary.message) == (None, OUTDATED)


def test_unknown_is_neither_ready_nor_not() -> None:
    assert cluster_summary(cluster(condition("Ready", "Unknown", "Unknown"))).healthy is None


def test_the_details_of_a_cluster_name_every_member_and_condition() -> None:
    members = [{"name": "main-zk-0", "id": 1, "role": "leader", "ready": True, "version": "3.9.4", "zxid": "0x5"}]
    raw = cluster(condition("Ready", "True", "InSync", "fine"), members=members, readyReplicas=1)
    shown = cluster_detail(cluster_summary(raw), PLAIN, NOW)
    assert "main-zk-0  1   leader  yes    3.9.4    0x5" in shown
    assert "Ready      True    InSync  24h  fine" in shown


def test_a_sync_that_keeps_a_secret_says_so() -> None:
    raw = sync(condition("Ready", "True", "InSync"), keys=7, secret="credentials")
    raw["spec"]["secret"] = {}
    _, row = sync_table([sync_summary(raw)], PLAIN, namespaced=False).splitlines()
    assert row.split() == ["shop", "ready", "/apps/shop", "<->", "secret", "credentials", "7", "InSync"]
    assert "secret     credentials" in sync_detail(sync_summary(raw), PLAIN, NOW)


def test_a_sync_shows_its_direction_and_what_is_wrong() -> None:
    raw = sync(condition("Ready", "False", "Conflict", "db__pool_size"), keys=7, configMap="shop-config")
    _, row = sync_table([sync_summary(raw)], PLAIN, namespaced=False).splitlines()
    assert row.split() == ["shop", "not", "ready", "/apps/shop", "<->", "shop-config", "7", "Conflict", "db__pool_size"]


def test_the_details_of_a_sync_list_conflicts_by_hash_and_what_waits() -> None:
    conflict = {"key": "db__pool", "path": "/apps/shop/db/pool", "zookeeper": "aa11", "manager": "kubectl-edit"}
    raw = sync(
        condition("Ready", "False", "Conflict"),
        conflicts=[conflict],
        conflictCount=3,
        pending={"creates": 0, "updates": 1, "deletes": 60, "hash": "h1"},
    )
    shown = sync_detail(sync_summary(raw), PLAIN, NOW)
    assert "db__pool  /apps/shop/db/pool  aa11       (absent)   kubectl-edit" in shown
    assert "and 2 more" in shown
    assert "0 to create, 1 to change, 60 to delete (plan h1)" in shown


def test_the_config_map_of_an_unseen_sync_is_the_one_that_the_spec_means() -> None:
    raw = sync()
    raw["spec"]["configMap"] = {"name": "other"}
    assert sync_summary(raw).config_map == "other"
    del raw["spec"]["configMap"]
    assert sync_summary(raw).config_map == "shop"


def test_a_status_that_cannot_be_read_is_as_good_as_none() -> None:
    raw = cluster(readyReplicas="many")
    assert cluster_summary(raw).healthy is None


def test_json_has_the_names_of_the_api_inside_lists() -> None:
    shown = to_json(sync_summary(sync(condition("Ready", "True", "InSync"), pending={"deletes": 1, "hash": "h"})))
    assert shown["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert shown["pending"]["deletes"] == 1
    assert shown["healthy"] is True


def test_escape_sequences_of_a_path_do_not_reach_the_terminal() -> None:
    raw = sync()
    raw["spec"]["zookeeper"]["path"] = "/\x1b[2J"
    assert "\x1b" not in sync_table([sync_summary(raw)], PLAIN, namespaced=False)


def test_one_cluster_with_tls_shows_where_clients_connect_who_is_still_plain_and_until_when_it_holds() -> None:
    end = "2026-03-01T00:00:00Z"
    client = {
        "notAfter": end,
        "issuer": "CN=demo/main",
        "members": 3,
        "plaintextClients": 2,
        "endpoint": "main-zk.demo.svc:2281",
    }
    tls = {"phase": "QuorumTLS", "client": client, "quorum": {}, "caBundle": "main-zk-ca"}
    shown = cluster_detail(cluster_summary(cluster(tls=tls)), PLAIN, NOW)
    (of_clients,) = (line.split() for line in shown.splitlines() if "client TLS" in line)
    assert " ".join(of_clients) == (
        "client TLS main-zk.demo.svc:2281, verified by ca.crt of ConfigMap main-zk-ca; 3 members, 2 plain connections "
        f"since members started; certificate of CN=demo/main until {end}"
    )
    (between,) = (line.split() for line in shown.splitlines() if "quorum TLS" in line)
    assert " ".join(between) == "quorum TLS QuorumTLS; no certificate yet"
    assert to_json(cluster_summary(cluster(tls=tls)))["tls"]["client"]["plaintextClients"] == 2
    assert "TLS" not in cluster_detail(cluster_summary(cluster()), PLAIN, NOW)


def test_a_sync_of_several_subtrees_shows_them_with_what_stands_before_their_keys() -> None:
    raw = sync()
    raw["spec"]["zookeeper"] = {"sources": [{"path": "/common"}, {"path": "/shop", "prefix": "shop."}]}
    assert sync_summary(raw).path == "/common, /shop as shop.*"
