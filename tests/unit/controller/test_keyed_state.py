"""What is kept for a key is created once and goes with the key."""

from zkoperator.controller.keyed_state import KeyedState
from zkoperator.runtime.keys import Key

ONE, OTHER = Key("demo", "one"), Key("demo", "other")


def test_a_key_keeps_the_state_that_it_was_given_first() -> None:
    states: KeyedState[list[str]] = KeyedState(list)
    states.of(ONE).append("seen")
    assert states.of(ONE) == ["seen"]
    assert states.of(OTHER) == []
    assert list(states) == [ONE, OTHER]


def test_looking_for_a_state_creates_none() -> None:
    states: KeyedState[list[str]] = KeyedState(list)
    assert states.find(ONE) is None
    assert len(states) == 0


def test_a_dropped_key_begins_anew_and_others_stay() -> None:
    states: KeyedState[list[str]] = KeyedState(list)
    states.of(ONE).append("seen")
    states.of(OTHER).append("stays")
    states.drop(ONE)
    states.drop(ONE)
    assert states.find(ONE) is None
    assert states.of(ONE) == []
    assert states.of(OTHER) == ["stays"]


def test_keys_may_go_while_all_states_are_walked_through() -> None:
    states: KeyedState[list[str]] = KeyedState(list)
    states.of(ONE), states.of(OTHER)
    for key in states:
        states.drop(key)
    assert states.values() == ()
