"""What `plan` says."""

import pytest

from zkoperator.api.cluster import ZooKeeperClusterStatus
from zkoperator.api.meta import Condition, Truth
from zkoperator.cli.commands.plan import is_out_of_reach
from zkoperator.cli.view.next_steps import describe, forecast, reported, text
from zkoperator.cli.view.terminal import Style
from zkoperator.ensemble.build.children import Child
from zkoperator.ensemble.model.certificate_sources import Version
from zkoperator.ensemble.model.configuration import server_of
from zkoperator.ensemble.model.names import Names
from zkoperator.ensemble.observe.answers import NotServing, Silent
from zkoperator.ensemble.observe.observed import Observed
from zkoperator.ensemble.plan.plan import make_plan
from zkoperator.ensemble.plan.steps import (
    CreateSecret,
    Reconfigure,
    RecordBootstrap,
    RemoveChild,
    RestartPod,
    Step,
    WriteBinding,
)
from zkoperator.ensemble.validate import Defaults, validate

NAMES = Names("demo", "main", "cluster.local")
PLAIN = Style(colours=False)


def condition(kind: str, status: Truth, reason: str, message: str) -> Condition:
    return Condition(
        type=kind, status=status, reason=reason, message=message, last_transition_time="2026-01-01T00:00:00Z"
    )


def test_the_first_step_of_a_new_cluster_is_the_record_of_its_founding() -> None:
    cluster = validate({"metadata": {"name": "main", "namespace": "demo"}, "spec": {}}, Defaults("zookeeper:3.9.5"))
    shown = forecast(NAMES, Observed(), make_plan(cluster, Observed()))
    assert shown.steps == ("record that 3 members may found the ensemble",)
    assert text(shown, PLAIN).startswith("Bootstrapping: recording the first members\n  1. record that 3 members may")
    assert shown.to_json()["observed"] is True
    assert "gate" not in text(shown, PLAIN), "there is no quorum to protect yet"


def test_an_image_that_had_to_be_guessed_is_named() -> None:
    cluster = validate({"metadata": {"name": "main", "namespace": "demo"}, "spec": {}}, Defaults("zookeeper:3.9.5"))
    shown = forecast(NAMES, Observed(), make_plan(cluster, Observed()), "zookeeper:3.9.5")
    assert "spec.image is not set: zookeeper:3.9.5 was taken for the operator's default" in text(shown, PLAIN)
    assert shown.to_json()["assumedImage"] == "zookeeper:3.9.5"


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (RecordBootstrap(3, complete=True), "record that 3 members have founded the ensemble"),
        (CreateSecret(), "create Secret main-zk-admin with the superuser's password"),
        (RemoveChild(Child.EXTERNAL, "u", "1"), "delete Service for clients from outside main-zk-external"),
        (WriteBinding({}, frozenset(), None), "create Secret main-zk-binding for service bindings"),
        (WriteBinding({}, frozenset(), Version("u", "1")), "change Secret main-zk-binding for service bindings"),
        (
            Reconfigure((server_of(NAMES, 4),), (1,), 7, frozenset({2, 3, 4})),
            "reconfigure the ensemble to 3 voters: add main-zk-3 and remove main-zk-0",
        ),
        (RestartPod(2, "main-zk-1", "uid", "another image", harmless=False), "restart main-zk-1: another image"),
    ],
)
def test_a_step_is_told_in_the_names_that_people_see(step: Step, words: str) -> None:
    assert describe(step, NAMES) == words


def test_the_last_report_says_that_it_is_one_and_how_to_get_better() -> None:
    said = (condition("Progressing", Truth.TRUE, "Blocked", "1 of 2 followers are in sync"),)
    shown = reported("main", "demo", ZooKeeperClusterStatus(conditions=said, operator="zkoperator-team-a/zkoperator"))
    assert not shown.observed
    told = text(shown, PLAIN)
    assert told.startswith("Blocked: 1 of 2 followers are in sync\nas the operator reported last")
    command = "kubectl exec -n zkoperator-team-a deploy/zkoperator -- python -m zkoperator plan main -n demo"
    assert told.endswith(command)


def test_the_last_report_names_what_is_wrong_beside_what_is_done() -> None:
    conditions = (
        condition("Progressing", Truth.FALSE, "Settled", "nothing to do"),
        condition("Degraded", Truth.TRUE, "MemberDown", "main-zk-2 is down"),
    )
    said = ZooKeeperClusterStatus(conditions=conditions)
    assert reported("main", "demo", said).message == "nothing to do; main-zk-2 is down"
    assert reported("main", "demo", ZooKeeperClusterStatus()).reason == "Unknown"
    assert reported("main", "demo", None).reason == "Unknown"


def test_silence_of_all_is_ours_and_an_answer_of_one_is_not() -> None:
    assert is_out_of_reach(Observed(answers={1: Silent("x"), 2: Silent("x")}))
    assert not is_out_of_reach(Observed(answers={1: Silent("x"), 2: NotServing()}))
    assert not is_out_of_reach(Observed())
