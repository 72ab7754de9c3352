"""What `diff` shows of a plan."""

from zkoperator.api.reasons import SyncReason
from zkoperator.cli.differences import differences, text
from zkoperator.cli.terminal import Style
from zkoperator.mirror.decisions import Decision, Problem
from zkoperator.mirror.merge import Action
from zkoperator.mirror.plan import PendingPlan, Plan

PLAIN = Style(colours=False)
OLD, NEW = bytes.fromhex("aa" * 12), bytes.fromhex("bb" * 12)


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
    )
    shown = text(differences(plan), PLAIN)
    assert "a    /apps/a  bbbbbbbbbbbb  aaaaaaaaaaaa  conflict" in shown
    assert "big: too large" in shown
    assert "60 deletions wait for approval (plan h1)" in shown


def test_a_plan_that_is_stopped_says_why() -> None:
    plan = Plan(stop=SyncReason.TARGET_NOT_ADOPTED, message="label it")
    assert "nothing would be written: TargetNotAdopted: label it" in text(differences(plan), PLAIN)


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
    }
