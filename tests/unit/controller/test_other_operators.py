"""What a signature proves about another operator."""

from tests.support.fakes.clock import FakeClock
from zkoperator.controller.other_operators import REPEAT_S, OtherOperators, Subject
from zkoperator.kube.port import CONFIG_SYNCS, Manifest
from zkoperator.runtime.keys import Key

OURS, THEIRS = "zkoperator-system/zkoperator", "other/zkoperator"


def sight(version: int, operator: str) -> Manifest:
    return {"metadata": {"name": "shop", "resourceVersion": str(version)}, "status": {"operator": operator}}


def test_a_picture_that_is_older_than_the_last_one_proves_nothing() -> None:
    others = OtherOperators(OURS)
    subject = Subject(CONFIG_SYNCS, Key("demo", "shop"))
    others.examine(subject, sight(5, THEIRS))
    others.examine(subject, sight(7, OURS))
    assert others.examine(subject, sight(5, THEIRS)) is None
    assert others.examine(subject, sight(6, THEIRS)) is None
    assert others.count() == 0
    proof = others.examine(subject, sight(8, THEIRS))
    assert proof is not None and proof.is_proven


def test_the_metric_forgets_an_operator_that_writes_no_more() -> None:
    clock = FakeClock()
    others = OtherOperators(OURS, clock)
    subject = Subject(CONFIG_SYNCS, Key("demo", "shop"))
    others.examine(subject, sight(1, OURS))
    others.examine(subject, sight(2, THEIRS))
    assert others.count() == 1
    clock.jump(REPEAT_S + 1)
    assert others.count() == 0


def test_nothing_is_kept_of_what_was_told_an_hour_ago() -> None:
    clock = FakeClock()
    others = OtherOperators(OURS, clock)
    for number in range(100):
        subject = Subject(CONFIG_SYNCS, Key("demo", f"s{number}"))
        others.examine(subject, sight(1, OURS))
        assert others.examine(subject, sight(2, THEIRS)) is not None
        clock.jump(REPEAT_S / 10)
    assert len(others._reported_s) <= 10
