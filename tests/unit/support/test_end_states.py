"""End states are compared leaf by leaf, without what differs between undisturbed runs."""

from tests.support.models.end_states import Reference, births_and_deaths, flatten, renamed


def test_a_state_is_flattened_to_named_leaves() -> None:
    state = {
        "metadata": {"annotations": {"base": '{"a": "1"}', "text": "{no json"}, "labels": {}},
        "conditions": [{"type": "Ready", "status": "True"}],
        "list": [1, None],
    }
    assert flatten(state) == {
        "/metadata/annotations/base/a": "'1'",
        "/metadata/annotations/text": "{no json",
        "/metadata/labels": "{}",
        "/conditions[type=Ready]/type": "'Ready'",
        "/conditions[type=Ready]/status": "'True'",
        "/list[0]": "1",
        "/list[1]": "None",
    }


def test_names_of_a_run_are_replaced_longest_first() -> None:
    assert renamed({"/f-1/x": "f-1-uid"}, {"f-1": "<plot>", "f-1-uid": "<uid>"}) == {"/<plot>/x": "<uid>"}


def test_what_undisturbed_runs_differ_in_is_masked_and_the_rest_is_compared() -> None:
    reference = Reference.learn([{"a": "1", "time": "5"}, {"a": "1", "time": "6", "maybe": "x"}])
    assert reference.masked == {"time", "maybe"}
    assert reference.differences({"a": "1", "time": "9"}) == ()
    assert Reference.learn([{"a": "1"}], "^a").differences({"a": "2"}) == ()
    assert reference.differences({"a": "2"}) == ("a: 2 instead of 1",)
    assert reference.differences({}) == ("a: absent instead of 1",)
    assert reference.differences({"a": "1", "new": "3"}) == ("new: 3 instead of absent",)


def test_updates_are_neither_births_nor_deaths() -> None:
    changes = [("a", True), ("a", True), ("b", True), ("a", False), ("a", False), ("a", True)]
    assert births_and_deaths(changes) == {"a": (2, 1), "b": (1, 0)}
