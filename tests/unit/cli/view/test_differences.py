"""What `diff` shows of a plan."""

from typing import Any

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import SyncReason
from zkoperator.api.sync import ConfigSyncStatus, Mode
from zkoperator.cli.view.differences import Differences, text
from zkoperator.cli.view.differences import differences as of_plan
from zkoperator.cli.view.terminal import Style
from zkoperator.mirror.model.decision import Action, Decision, Problem
from zkoperator.mirror.model.ends.secret import SecretEnd
from zkoperator.mirror.plan.pending import PendingPlan
from zkoperator.mirror.plan.plan import Plan
from zkoperator.mirror.validate import Target

PLAIN = Style(colours=False)
OLD, NEW = bytes.fromhex("aa" * 12), bytes.fromhex("bb" * 12)


def differences(plan: Plan, mode: Mode = Mode.ACTIVE, status: ConfigSyncStatus | None = None) -> Differences:
    return of_plan(plan, mode, status or ConfigSyncStatus())


def ready(reason: SyncReason, message: str = "", truth: Truth = Truth.FALSE) -> ConfigSyncStatus:
    since = "2026-01-01T00:00:00Z"
    told: dict[str, Any] = {"reason": reason, "message": message, "last_transition_time": since}
    return ConfigSyncStatus(conditions=(Condition(type="Ready", status=truth, **told),))


def decision(key: str, action: Action, zookeeper: bytes | None, config_map: bytes | None) -> Decision:
    return Decision(key, f"/apps/{key}", action, zookeeper, config_map)


def test_every_write_says_where_it_goes_and_what_it_does() -> None:
    carried = (
        decision("a", Action.TO_CONFIG_MAP, NEW, None),
        decision("b", Action.TO_CONFIG_MAP, NEW, OLD),
        decision("c", Action.TO_CONFIG_MAP, None, OLD),
        decision("d", Action.TO_ZOOKEEPER, None, NEW),
        decision("e", Action.TO_ZOOKEEPER, OLD, None),
        decision("f", Action.RECORD, OLD, OLD),
    )
    found = differences(Plan(carried=carried, keys=10, zxid=255))
    assert [(item.key, item.action) for item in found.differences] == [
        ("a", "create in the ConfigMap"),
        ("b", "change in the ConfigMap"),
        ("c", "delete in the ConfigMap"),
        ("d", "create in ZooKeeper"),
        ("e", "delete in ZooKeeper"),
    ]
    assert (found.zxid, found.equal) == ("0xff", 7)


def test_conflicts_and_what_waits_are_shown_and_not_called_writes() -> None:
    plan = Plan(
        conflicts=(decision("a", Action.CONFLICT, NEW, OLD),),
        pending=PendingPlan(0, 0, 60, "h1"),
        problems=(Problem(SyncReason.TOO_LARGE, "big", "too large"),),
        zxid=1,
    )
    shown = text(differences(plan), PLAIN)
    assert "a    /apps/a  bbbbbbbbbbbb  aaaaaaaaaaaa  conflict" in shown
    assert "big: too large" in shown
    assert "60 deletions wait for approval (plan h1)" in shown


def test_a_plan_that_is_stopped_says_why_and_claims_nothing_about_equality() -> None:
    found = differences(Plan(stop=SyncReason.TARGET_NOT_ADOPTED, message="label it"))
    assert text(found, PLAIN) == "nothing would be written: TargetNotAdopted: label it"
    assert (found.equal, found.zxid) == (None, "")


def test_deletions_that_are_held_are_shown_key_by_key() -> None:
    gone = tuple(decision(key, Action.TO_CONFIG_MAP, None, OLD) for key in ("a", "b"))
    plan = Plan(
        carried=(decision("c", Action.TO_CONFIG_MAP, NEW, None),),
        held=gone,
        pending=PendingPlan(0, 0, 2, "h1"),
        keys=1,
        zxid=1,
    )
    found = differences(plan)
    assert [(item.key, item.action, item.held) for item in found.differences] == [
        ("a", "delete in the ConfigMap, once approved", True),
        ("b", "delete in the ConfigMap, once approved", True),
        ("c", "create in the ConfigMap", False),
    ]
    assert "2 deletions wait for approval (plan h1)" in text(found, PLAIN)


def test_a_source_that_regressed_is_shown_with_everything_that_accepting_it_would_write() -> None:
    changes = (
        decision("a", Action.TO_CONFIG_MAP, NEW, OLD),
        decision("b", Action.TO_ZOOKEEPER, None, NEW),
        decision("c", Action.CONFLICT, NEW, OLD),
        decision("d", Action.RECORD, OLD, OLD),
    )
    plan = Plan(stop=SyncReason.SOURCE_REGRESSED, message="restored", held=changes, pending=PendingPlan(1, 1, 0, "h1"))
    found = differences(plan)
    assert [(item.key, item.action) for item in found.differences] == [
        ("a", "change in the ConfigMap, once approved"),
        ("b", "create in ZooKeeper, once approved"),
        ("c", "conflict"),
    ]
    assert "1 to create, 1 to change, 0 to delete wait for approval (plan h1)" in text(found, PLAIN)


def test_a_key_that_flaps_is_not_called_a_conflict() -> None:
    found = differences(Plan(flapping=(decision("a", Action.TO_CONFIG_MAP, NEW, OLD),), zxid=1))
    assert [item.action for item in found.differences] == ["held for a while: both sides keep reverting one another"]


def test_a_mode_that_writes_nothing_is_said() -> None:
    found = differences(Plan(keys=3, zxid=1), Mode.PAUSED, ready(SyncReason.PAUSED))
    assert found.notes == ("spec.mode is Paused: nothing is written until it is Active",)


def test_what_only_the_operator_has_met_is_told_beside_the_plan() -> None:
    plan = Plan(carried=(decision("a", Action.TO_ZOOKEEPER, None, NEW),), keys=1, zxid=1)
    status = ready(SyncReason.FORBIDDEN, "a: the ensemble refuses to write it")
    (note,) = differences(plan, Mode.ACTIVE, status).notes
    assert note.startswith("the operator reported last: Forbidden: a: the ensemble refuses")


def test_a_report_that_says_what_is_shown_anyway_is_not_repeated() -> None:
    plan = Plan(conflicts=(decision("a", Action.CONFLICT, NEW, OLD),), zxid=1)
    assert differences(plan, Mode.ACTIVE, ready(SyncReason.CONFLICT)).notes == ()
    assert differences(plan, Mode.ACTIVE, ready(SyncReason.IN_SYNC, truth=Truth.TRUE)).notes == ()


def test_equal_sides_have_nothing_to_show() -> None:
    assert text(differences(Plan(keys=3, zxid=1)), PLAIN) == "3 keys are equal at zxid 0x1\nnothing would be written"


def test_json_has_hashes_and_no_values() -> None:
    plan = Plan(carried=(decision("a", Action.TO_CONFIG_MAP, NEW, None),), keys=1)
    (item,) = differences(plan).to_json()["differences"]
    assert item == {
        "key": "a",
        "path": "/apps/a",
        "action": "create in the ConfigMap",
        "zookeeper": "bbbbbbbbbbbb",
        "configMap": "",
        "held": False,
    }


def test_of_a_secret_neither_values_nor_hashes_are_shown() -> None:
    plan = Plan(
        carried=(decision("a", Action.TO_CONFIG_MAP, NEW, OLD), decision("b", Action.TO_CONFIG_MAP, NEW, None)),
        conflicts=(decision("c", Action.CONFLICT, NEW, OLD),),
        held=(decision("d", Action.TO_CONFIG_MAP, None, OLD),),
        pending=PendingPlan(0, 0, 1, "h1"),
        keys=5,
        zxid=1,
    )
    found = of_plan(plan, Mode.ACTIVE, ConfigSyncStatus(), Target(SecretEnd(), "shop"))
    shown = f"{text(found, PLAIN)}{found.to_json()}"
    assert "change in the Secret" in shown and "delete in the Secret, once approved" in shown
    assert not [word for word in ("aaaa", "bbbb", "h1") if word in shown]
    assert [(item.zookeeper, item.config_map) for item in found.differences] == [
        ("(secret)", "(secret)"),
        ("(secret)", ""),
        ("(secret)", "(secret)"),
        ("", "(secret)"),
    ]
