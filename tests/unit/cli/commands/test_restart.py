"""`restart`: by the annotation, for all members or one, and waiting until it is done."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.fakes.kube_texts import KubeWithTexts
from tests.support.models.members import CLUSTER, NAMESPACE, cluster, pod
from zkoperator.cli import main
from zkoperator.cli.commands.restart import one, whole
from zkoperator.ensemble.model.names import RESTART, RESTARTED
from zkoperator.kube.port import PODS, ZOOKEEPER_CLUSTERS

PLACE = ["-n", NAMESPACE]


def asked(kube: KubeWithTexts, resource: Any, name: str) -> str:
    found = kube.peek(resource, NAMESPACE, name)
    assert found is not None
    return str((found["metadata"].get("annotations") or {}).get(RESTART, ""))


def at_look(kube: KubeWithTexts, number: int, then: Callable[[], None]) -> None:
    """Let something happen when the cluster is read for so many times."""
    seen = 0

    def count(operation: Operation) -> None:
        nonlocal seen
        if operation.resource == ZOOKEEPER_CLUSTERS and operation.verb == "get":
            seen += 1
            if seen == number:
                then()

    kube.before = count


def test_a_restart_of_all_is_asked_of_the_cluster(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restart", CLUSTER, *PLACE]) == 0
    assert asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER)
    assert not asked(ensemble, PODS, "main-zk-0")
    assert "the operator was asked" in capsys.readouterr().out


def test_two_restarts_are_two_requests(ensemble: KubeWithTexts) -> None:
    main(["restart", CLUSTER, *PLACE])
    first = asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER)
    main(["restart", CLUSTER, *PLACE])
    assert asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER) > first


@pytest.mark.parametrize("word", ["1", "main-zk-1"])
def test_a_restart_of_one_is_asked_of_its_pod(ensemble: KubeWithTexts, word: str) -> None:
    assert main(["restart", CLUSTER, word, *PLACE]) == 0
    assert asked(ensemble, PODS, "main-zk-1")
    assert not asked(ensemble, PODS, "main-zk-0") and not asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER)


def test_a_paused_cluster_is_not_asked_for_a_restart_that_would_come_later(
    kube: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    kube.put(ZOOKEEPER_CLUSTERS, cluster(paused=True))
    assert main(["restart", CLUSTER, *PLACE]) == 1
    assert asked(kube, ZOOKEEPER_CLUSTERS, CLUSTER) == ""
    assert "spec.paused" in capsys.readouterr().err


def test_waiting_ends_when_every_member_was_made_for_the_request(
    ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    def restarted() -> None:
        request = asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER)
        for ordinal in range(3):
            name = f"main-zk-{ordinal}"
            ensemble.remove(PODS, NAMESPACE, name)
            ensemble.put(PODS, pod(name, annotations={RESTARTED: f"{request} rollout@x"}))

    at_look(ensemble, 6, restarted)
    assert main(["restart", CLUSTER, "--wait", *PLACE]) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("0 of 3 members were restarted; Stable: nothing to do")
    assert shown.out == "all members of main: restarted and ready\n"


def test_waiting_for_one_member_ends_with_another_pod_of_its_name(ensemble: KubeWithTexts) -> None:
    def restarted() -> None:
        ensemble.remove(PODS, NAMESPACE, "main-zk-1")
        ensemble.put(PODS, pod("main-zk-1"))

    at_look(ensemble, 6, restarted)
    assert main(["restart", CLUSTER, "1", "--wait", "-o", "json", *PLACE]) == 0


def test_a_wait_that_takes_too_long_says_how_far_it_is_and_takes_nothing_back(
    ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restart", CLUSTER, "--wait", "--wait-timeout", "1s", *PLACE]) == 1
    assert "not done after 1 s, and not taken back: 0 of 3 members" in capsys.readouterr().err
    assert asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER)


def test_programs_learn_what_was_asked(ensemble: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    main(["restart", CLUSTER, "-o", "json", *PLACE])
    shown = json.loads(capsys.readouterr().out)
    assert shown["request"] == asked(ensemble, ZOOKEEPER_CLUSTERS, CLUSTER) and shown["done"] is False


def test_members_that_are_not_ready_or_an_ensemble_that_is_not_keep_it_from_being_done() -> None:
    pods = [pod(f"main-zk-{n}", annotations={RESTARTED: "now"}) for n in range(3)]
    assert whole(cluster(), pods, "now").done
    assert not whole(cluster(ready="False"), pods, "now").done
    assert not whole(cluster(), [*pods[:2], pod("main-zk-2")], "now").done
    assert not whole(cluster(), [*pods[:2], pod("main-zk-2", ready=False, annotations={RESTARTED: "now"})], "now").done
    same = {"metadata": {"uid": "1", "name": "a"}}
    assert not one(cluster(), same, "1").done and not one(cluster(), None, "1").done
