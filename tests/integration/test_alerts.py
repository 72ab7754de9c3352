"""The alerts that we ship, evaluated by Prometheus' own engine over made-up hours: which fire, and whom they name."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from testbed.binaries import alerts as program
from tests.support.models.monitoring import MONITORING, alerts

Fired = list[dict[str, Any]]
Evaluate = Callable[..., Fired]

ACTS = 'zkoperator_leader{namespace="ops",pod="a"} 1x90'
"""An operator that acts, so that its absence is no alert."""
MEMBERS = [f'up{{namespace="demo",pod="main-zk-{n}"}} 1x90' for n in range(3)]


def condition(kind: str, named: bool, condition: str, status: str, reason: str, times: str = "1x90") -> str:
    """A series of a condition: of an object by name, or the operator's count of such objects."""
    labels = f'condition="{condition}",status="{status}",reason="{reason}"'
    if named:
        return f'zkoperator_{kind}_object_condition{{namespace="demo",name="main",{labels}}} {times}'
    return f'zkoperator_{kind}_conditions{{namespace="ops",pod="a",{labels}}} {times}'


def serving(names: tuple[str, ...], until: int, rest: int) -> list[str]:
    """The gauge that a member has only while it serves."""
    return [f'quorum_size{{namespace="demo",pod="{name}"}} 3x{until} _x{rest}' for name in names]


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    rules = tmp_path_factory.mktemp("alerts") / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]))
    engine = program()

    def run(*series: str, minutes: int = 60, without: str = "") -> Fired:
        """What fires after so many minutes of these series."""
        given = [ACTS, *series] if not without else list(series)
        question = {"Load": "\n ".join(["load 1m", *given]) + "\n", "Rules": str(rules), "Minutes": minutes}
        done = subprocess.run([str(engine)], input=json.dumps(question), capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return run


def names(fired: Fired) -> list[str]:
    return [alert["alert"] for alert in fired]


def test_nothing_fires_while_all_is_well(evaluate: Evaluate) -> None:
    pods = ("main-zk-0", "main-zk-1", "main-zk-2")
    well = [condition("cluster", True, kind, "True", "Fine") for kind in ("Ready", "Available")]
    assert evaluate(*MEMBERS, *serving(pods, 90, 0), *well, condition("cluster", False, "Ready", "True", "Fine")) == []


def test_a_lost_quorum_is_seen_by_the_members_alone_while_no_operator_runs(evaluate: Evaluate) -> None:
    lost = [*MEMBERS, *serving(("main-zk-0", "main-zk-1", "main-zk-2"), 30, 60)]
    fired = {alert["alert"]: alert for alert in evaluate(*lost, minutes=40, without="operator")}
    assert fired.keys() == {"ZooKeeperQuorumLost", "ZkOperatorNotActing"}
    labels = fired["ZooKeeperQuorumLost"]["labels"]
    assert (labels["namespace"], labels["name"], labels["severity"]) == ("demo", "main", "critical")
    assert fired["ZooKeeperQuorumLost"]["annotations"]["summary"].startswith("demo/main has no quorum")


def test_a_quorum_that_serves_with_one_member_down_is_not_lost(evaluate: Evaluate) -> None:
    assert evaluate(*MEMBERS, *serving(("main-zk-0", "main-zk-1"), 90, 0), *serving(("main-zk-2",), 30, 60)) == []


def test_a_cluster_that_was_deleted_has_not_lost_its_quorum(evaluate: Evaluate) -> None:
    gone = [f'up{{namespace="demo",pod="main-zk-{n}"}} 1x30 _x60' for n in range(3)]
    assert evaluate(*gone, *serving(("main-zk-0", "main-zk-1", "main-zk-2"), 30, 60)) == []


def test_a_lost_quorum_that_both_see_is_one_alert(evaluate: Evaluate) -> None:
    told = condition("cluster", True, "Available", "False", "QuorumLost")
    fired = evaluate(told, *MEMBERS, *serving(("main-zk-0", "main-zk-1"), 30, 60), minutes=50)
    assert names(fired) == ["ZooKeeperQuorumLost"]


CASES = {
    "ZooKeeperQuorumLost": ("cluster", "Available", "False", "QuorumLost"),
    "ZooKeeperMajorityWiped": ("cluster", "Degraded", "True", "MajorityWiped"),
    "ZooKeeperNotFounded": ("cluster", "Progressing", "True", "Bootstrapping"),
    "ZooKeeperAvailabilityUnknown": ("cluster", "Available", "Unknown", "Unknown"),
    "ZooKeeperDegraded": ("cluster", "Degraded", "True", "MemberDown"),
    "ZooKeeperCertificateExpiring": ("cluster", "Degraded", "True", "CertificateExpiring"),
    "ZooKeeperChangeBlocked": ("cluster", "Progressing", "True", "Blocked"),
    "ConfigSyncDisconnected": ("sync", "Connected", "False", "Disconnected"),
    "ConfigSyncConflict": ("sync", "Conflicted", "True", "Conflict"),
    "ConfigSyncDeletionsHeld": ("sync", "DeletionsHeld", "True", "DeletionsHeld"),
    "ConfigSyncSourceSuspect": ("sync", "Ready", "False", "SourceRegressed"),
    "ConfigSyncSourceMissing": ("sync", "Ready", "False", "SourceMissing"),
    "ConfigSyncRefused": ("sync", "Ready", "False", "TargetOwned"),
    "ConfigSyncFlapping": ("sync", "Ready", "False", "Flapping"),
    "ZooKeeperBackupFailed": ("backup", "Failed", "True", "StorageRefused"),
    "ZooKeeperBackupStuck": ("backup", "Complete", "False", "JobNotStarted"),
    "ZooKeeperBackupOverdue": ("backup_schedule", "Healthy", "False", "BackupOverdue"),
    "ZooKeeperBackupUnverified": ("backup_schedule", "Healthy", "False", "VerificationOverdue"),
    "ZooKeeperBackupShrunk": ("backup_schedule", "Healthy", "False", "ZnodesFell"),
    "ZooKeeperBackupScheduleStuck": ("backup_schedule", "Healthy", "False", "NameTaken"),
    "ZNodeStuck": ("znode", "Ready", "False", "PathTaken"),
}


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_names_the_object_where_something_shows_it(evaluate: Evaluate, alert: str) -> None:
    kind, *told = CASES[alert]
    counted = condition(kind, False, *told)
    fired = evaluate(counted, condition(kind, True, *told))
    assert names(fired) == [alert]
    assert (fired[0]["labels"]["namespace"], fired[0]["labels"]["name"]) == ("demo", "main")
    assert "demo/main" in fired[0]["annotations"]["summary"]


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_for_the_operators_counts_where_nothing_else_is_there(evaluate: Evaluate, alert: str) -> None:
    kind, *told = CASES[alert]
    fired = evaluate(condition(kind, False, *told))
    assert names(fired) == [alert]
    assert "name" not in fired[0]["labels"] and "<no value>" not in fired[0]["annotations"]["summary"]


def test_a_config_sync_that_lags_is_named_once_it_does_so_for_long(evaluate: Evaluate) -> None:
    unequal = condition("sync", True, "Ready", "False", "Syncing")
    lag = "zkoperator_sync_lag_seconds{} "
    assert evaluate(unequal, f"{lag}20x90") == []
    assert names(evaluate(unequal, f"{lag}400x90")) == ["ConfigSyncLagging"]
    paused = condition("sync", True, "Ready", "False", "Paused")
    assert evaluate(paused, f"{lag}400x90") == []


def test_a_volume_that_fills_up_is_named_with_its_cluster(evaluate: Evaluate) -> None:
    volume = '{namespace="demo",persistentvolumeclaim="data-main-zk-1"}'
    other = '{namespace="demo",persistentvolumeclaim="data-postgres-0"}'
    series = [f"kubelet_volume_stats_available_bytes{claim} {free}x90" for claim, free in ((volume, 14), (other, 1))]
    series += [f"kubelet_volume_stats_capacity_bytes{claim} 100x90" for claim in (volume, other)]
    (fired,) = evaluate(*series)
    assert fired["alert"] == "ZooKeeperVolumeFilling"
    assert (fired["labels"]["namespace"], fired["labels"]["name"]) == ("demo", "main")


@pytest.mark.parametrize(("znodes", "fires"), [(100_000, False), (400_000, True)])
def test_data_that_outgrows_the_heap_is_seen(evaluate: Evaluate, znodes: int, fires: bool) -> None:
    member = 'namespace="demo",pod="main-zk-0"'
    fired = evaluate(
        f"approximate_data_size{{{member}}} 200000000x90",
        f"znode_count{{{member}}} {znodes}x90",
        f'jvm_memory_bytes_max{{{member},area="heap"}} 536870912x90',
        f'jvm_memory_bytes_max{{{member},area="nonheap"}} 1x90',
    )
    assert names(fired) == ["ZooKeeperDataOutgrowsHeap"] * fires


def test_a_slow_disk_and_diverged_data_name_member_and_cluster(evaluate: Evaluate) -> None:
    member = 'namespace="demo",pod="main-zk-2"'
    slow = [f"fsynctime_sum{{{member}}} 0+20000x90", f"fsynctime_count{{{member}}} 0+100x90"]
    diverged = f"digest_mismatches_count{{{member}}} 0+3x90"
    fired = {alert["alert"]: alert["labels"] for alert in evaluate(*slow, diverged)}
    assert fired.keys() == {"ZooKeeperSlowDisk", "ZooKeeperDataDiverged"}
    assert {(labels["name"], labels["pod"]) for labels in fired.values()} == {("main", "main-zk-2")}


def test_a_burst_of_mismatches_after_a_start_is_no_divergence(evaluate: Evaluate) -> None:
    assert evaluate('digest_mismatches_count{namespace="demo",pod="main-zk-2"} 0x5 40x80', minutes=13) == []


def test_every_alert_about_objects_is_tried_here() -> None:
    tried = {*CASES, "ConfigSyncLagging", "ZooKeeperVolumeFilling", "ZooKeeperDataOutgrowsHeap"}
    tried |= {"ZooKeeperSlowDisk", "ZooKeeperDataDiverged"}
    shipped = {rule["alert"] for rule in alerts()}
    assert shipped - tried == {name for name in shipped if name.startswith("ZkOperator")} | {"ConfigSyncSlow"}
