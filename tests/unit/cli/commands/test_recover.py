"""`recover`: which member has the latest data, from logs and status, and the approval of a person."""

import json
from typing import Any

import pytest

from tests.support.fakes.kube_texts import KubeWithTexts
from tests.support.models.members import CLUSTER, NAMESPACE
from zkoperator.cli import main
from zkoperator.ensemble.model.names import RECOVER
from zkoperator.kube.port import ZOOKEEPER_CLUSTERS, Manifest

PLACE = ["-n", NAMESPACE]
ELECTION = "[myid:2] - INFO  [x:o.a.z.s.q.FastLeaderElection@963] - New election. My id = {}, proposed zxid={}\n"


def log(member: int, *zxids: str) -> str:
    return "something else\n".join(ELECTION.format(member, zxid) for zxid in zxids)


def known(ensemble: KubeWithTexts, reason: str = "QuorumLost", **zxids: str) -> None:
    """Have the operator see these last transactions, by pod with `_` for `-`."""
    available = {"type": "Available", "status": "False", "reason": reason, "message": "1 of 3 voters serve"}
    available["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    numbered = enumerate(zxids.items(), start=1)
    members = [{"name": pod.replace("_", "-"), "id": number, "zxid": zxid} for number, (pod, zxid) in numbered]
    status = {"conditions": [available], "members": members}
    ensemble.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, CLUSTER, {"status": status}, subresource="status")


def approved(kube: KubeWithTexts) -> str:
    found: Manifest = kube.peek(ZOOKEEPER_CLUSTERS, NAMESPACE, CLUSTER) or {}
    return str((found["metadata"].get("annotations") or {}).get(RECOVER, ""))


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_the_member_with_the_latest_transaction_in_its_log_is_proposed_and_nothing_is_changed(
    ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    known(ensemble, main_zk_0="100000010", main_zk_1="100000010", main_zk_2="100000010")
    ensemble.texts["main-zk-1 log"] = log(2, "0x100000011", "0x10000002b")
    ensemble.texts["main-zk-2 log"] = log(3, "0x100000012")
    assert main(["recover", CLUSTER, *PLACE]) == 1
    shown = capsys.readouterr().out
    assert f"kubectl -n {NAMESPACE} annotate zk {CLUSTER} {RECOVER}=main-zk-1@0x10000002b" in shown
    assert approved(ensemble) == ""


def test_what_is_proposed_is_approved_when_asked(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    known(ensemble, main_zk_0="100000010", main_zk_1="100000010", main_zk_2="100000010")
    ensemble.texts["main-zk-1 log"] = log(2, "0x10000002b")
    assert main(["recover", CLUSTER, "--approve", "-o", "json", *PLACE]) == 0
    assert approved(ensemble) == said(capsys)["proposal"] == "main-zk-1@0x10000002b"


def test_a_member_without_data_is_no_seed(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    known(ensemble, main_zk_0="100000010", main_zk_1="100000010", main_zk_2="100000010")
    for ordinal in range(3):
        ensemble.texts[f"main-zk-{ordinal} log"] = log(ordinal + 1, "0x0")
    assert main(["recover", CLUSTER, "--approve", *PLACE]) == 1
    assert "Bring back the pod of one that has" in capsys.readouterr().out
    assert approved(ensemble) == ""


@pytest.mark.parametrize("logged", ["0x8000000000000000", "0xffffffffffffffff"])
def test_a_member_that_came_back_with_an_empty_disk_is_no_seed(
    ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str], logged: str
) -> None:
    """It logs a negative number, which reads as a large zxid."""
    known(ensemble, main_zk_0="100000010", main_zk_1="100000010", main_zk_2="100000010")
    ensemble.texts["main-zk-0 log"] = log(1, "0x100000010", logged)
    ensemble.texts["main-zk-1 log"] = log(2, "0x100000010")
    assert main(["recover", CLUSTER, "--approve", "-o", "json", *PLACE]) == 0
    assert approved(ensemble) == said(capsys)["proposal"] == "main-zk-1@0x100000010"


def test_what_others_had_and_would_be_lost_is_told(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    known(ensemble, main_zk_0="100000030", main_zk_1="100000010", main_zk_2="100000020")
    ensemble.texts["main-zk-1 log"] = log(2, "0x100000010")
    assert main(["recover", CLUSTER, *PLACE]) == 1
    assert "main-zk-0, main-zk-2 had later ones, which are lost if you go on without them" in capsys.readouterr().out


def test_an_ensemble_that_serves_is_not_recovered(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    known(ensemble, reason="QuorumServes", main_zk_1="100000010")
    assert main(["recover", CLUSTER, "--approve", *PLACE]) == 1
    assert "has not lost its quorum" in capsys.readouterr().err
    assert approved(ensemble) == ""


def test_a_paused_ensemble_is_compared_and_not_asked_for_a_recovery_that_would_come_later(
    ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    known(ensemble, main_zk_0="100000010", main_zk_1="100000010", main_zk_2="100000010")
    ensemble.texts["main-zk-1 log"] = log(2, "0x10000002b")
    ensemble.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, CLUSTER, {"spec": {"paused": True}})
    assert main(["recover", CLUSTER, *PLACE]) == 1
    assert f"{RECOVER}=main-zk-1@0x10000002b" in capsys.readouterr().out
    assert main(["recover", CLUSTER, "--approve", *PLACE]) == 1
    assert "spec.paused" in capsys.readouterr().err
    assert approved(ensemble) == ""
