"""Conditions of both kinds: a time that moves with the status alone, and transitions."""

from zkoperator.api.meta import Condition, Truth
from zkoperator.api.reasons import ClusterCondition, ClusterReason
from zkoperator.controller.conditions import MESSAGE_LIMIT, ConditionBuilder, clip_each, transitions

OLD, NOW = "2020-01-01T00:00:00Z", "2026-01-02T03:04:05Z"


def previous(status: Truth) -> tuple[Condition, ...]:
    return (Condition(type="Ready", status=status, last_transition_time=OLD, reason="InSync"),)


def built(status: Truth, before: tuple[Condition, ...], message: str = "") -> Condition:
    builder = ConditionBuilder(before, 7, NOW)
    return builder.build(ClusterCondition.READY, status, ClusterReason.MEMBER_DOWN, message)


def test_the_transition_time_moves_with_the_status_and_not_with_the_reason() -> None:
    assert built(Truth.TRUE, previous(Truth.TRUE)).last_transition_time == OLD
    assert built(Truth.UNKNOWN, previous(Truth.TRUE)).last_transition_time == NOW
    assert built(Truth.FALSE, ()).last_transition_time == NOW


def test_a_condition_names_the_generation_that_it_is_about() -> None:
    assert built(Truth.TRUE, previous(Truth.TRUE)).observed_generation == 7


def test_a_message_that_the_api_server_would_refuse_is_cut_visibly() -> None:
    message = built(Truth.TRUE, (), "x" * 5000).message
    assert len(message) == MESSAGE_LIMIT and message.endswith("...")


def test_another_status_or_reason_is_a_transition_and_another_message_is_not() -> None:
    before = {"type": "Ready", "status": "True", "reason": "InSync", "message": "1 key"}
    assert transitions([before], [{**before, "message": "2 keys"}]) == []
    for change in ({"status": "False"}, {"reason": "Conflict"}, {"type": "Connected"}):
        assert transitions([before], [before | change]) == [before | change]


def test_of_several_texts_the_longest_are_cut_first() -> None:
    texts = ["a" * 10, "b" * 500, "c" * 30, "d" * 300]
    assert [len(text) for text in clip_each(texts, 240)] == [10, 100, 30, 100]
    assert clip_each(texts, 1000) == texts
    assert clip_each([], 10) == []
