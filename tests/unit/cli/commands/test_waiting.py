"""`--wait` of decisions: until the operator has taken them, with what it says meanwhile."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.fakes.kube_texts import KubeWithTexts
from tests.support.models.members import NAMESPACE, SINCE
from zkoperator.cli import main
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror.model.names import APPROVE_ANNOTATION, RESOLVE_ANNOTATION

PLACE = ["-n", NAMESPACE]


def put(kube: KubeWithTexts, **status: Any) -> None:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "Conflict",
        "message": "a waits",
        "lastTransitionTime": SINCE,
    }
    kube.put(
        CONFIG_SYNCS,
        {
            "apiVersion": "zkoperator.dev/v1alpha1",
            "kind": "ConfigSync",
            "metadata": {"name": "shop", "namespace": NAMESPACE},
            "spec": {"zookeeper": {"hosts": "zk:2181", "path": "/a"}},
            "status": {"observedGeneration": 9, "conditions": [ready], **status},
        },
    )


def act_at_read(kube: KubeWithTexts, number: int, annotations: Mapping[str, str | None]) -> None:
    """Be the operator that changes the annotations when the object is read for so many times."""
    reads = 0

    def count(operation: Operation) -> None:
        nonlocal reads
        reads += operation.verb == "get"
        if reads == number and operation.verb == "get":
            kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"metadata": {"annotations": dict(annotations)}})
        if reads == number - 1 and operation.verb == "get":
            raise TransientError("the API server is away")

    kube.before = count


@pytest.mark.parametrize(("secret", "kind"), [({}, "ConfigMap"), ({"secret": "shop"}, "Secret")])
def test_resolve_names_the_side_as_it_is(
    kube: KubeWithTexts, capsys: pytest.CaptureFixture[str], secret: dict[str, str], kind: str
) -> None:
    put(kube, conflictCount=1, conflicts=[{"key": "a"}], **secret)
    kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"spec": {"secret": {}} if secret else {}})
    assert main(["resolve", "shop", "a=configmap", *PLACE]) == 0
    assert capsys.readouterr().out == f"a: the operator was asked to keep the value of the {kind}\n"


def test_resolve_waits_until_its_own_choices_were_taken(
    kube: KubeWithTexts, capsys: pytest.CaptureFixture[str]
) -> None:
    put(kube, conflictCount=2, conflicts=[{"key": "a"}, {"key": "b"}])
    act_at_read(kube, 4, {RESOLVE_ANNOTATION: "b=zookeeper"})
    assert main(["resolve", "shop", "a=configmap", "--wait", *PLACE]) == 0
    shown = capsys.readouterr()
    assert shown.out == "a: has the value of the ConfigMap\n"
    assert shown.err.splitlines() == [
        "not carried out yet: a; Conflict: a waits",
        "the API server is away; looking again",
    ]


def test_approve_waits_until_nothing_waits(kube: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    put(kube, pending={"hash": "abc", "deletes": 3})
    act_at_read(kube, 4, {APPROVE_ANNOTATION: None})
    assert main(["approve", "shop", "--wait", *PLACE]) == 0
    assert capsys.readouterr().out.startswith("approved and carried out: 0 to create, 0 to change, 3 to delete")


def test_an_operator_that_does_nothing_is_a_finding(kube: KubeWithTexts, capsys: pytest.CaptureFixture[str]) -> None:
    put(kube, pending={"hash": "abc", "deletes": 3})
    assert main(["approve", "shop", "--wait", "--wait-timeout", "1s", *PLACE]) == 1
    assert "not carried out yet; Conflict: a waits" in capsys.readouterr().err
