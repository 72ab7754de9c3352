"""The merge table of docs/consistency.md, written down a second time as a table and compared with the code."""

from itertools import product

import pytest

from zkoperator.api.sync import AdoptionPolicy, ConflictPolicy, Direction
from zkoperator.mirror.model.decision import Action
from zkoperator.mirror.model.merge_base import Detached, Side
from zkoperator.mirror.model.rules import DeletionLimits, Rules
from zkoperator.mirror.plan.guard import must_hold
from zkoperator.mirror.plan.merge import KeyState, decide

A, B, C = b"a" * 12, b"b" * 12, b"c" * 12
NONE, REC, FOR, DET = Action.NOTHING, Action.RECORD, Action.FORGET, Action.DETACH
CM, ZK, CON = Action.TO_CONFIG_MAP, Action.TO_ZOOKEEPER, Action.CONFLICT

# (base, znode, ConfigMap): two-way, two-way with Retain, pull, pull with Retain, push, push with Retain
TABLE: dict[tuple[bytes | None, bytes | None, bytes | None], tuple[Action, ...]] = {
    (None, None, None): (NONE, NONE, NONE, NONE, NONE, NONE),
    (None, A, None): (CM, CM, CM, CM, NONE, NONE),
    (None, None, A): (ZK, ZK, NONE, NONE, ZK, ZK),
    (None, A, A): (REC, REC, REC, REC, REC, REC),
    (None, A, B): (CON, CON, CON, CON, CON, CON),
    (A, A, A): (NONE, NONE, NONE, NONE, NONE, NONE),
    (A, B, A): (CM, CM, CM, CM, ZK, ZK),
    (A, A, B): (ZK, ZK, CM, CM, ZK, ZK),
    (A, B, B): (REC, REC, REC, REC, REC, REC),
    (A, B, C): (CON, CON, CM, CM, ZK, ZK),
    (A, None, A): (CM, DET, CM, DET, ZK, ZK),
    (A, A, None): (ZK, DET, CM, CM, ZK, DET),
    (A, None, B): (CON, CON, CM, DET, ZK, ZK),
    (A, B, None): (CON, CON, CM, CM, ZK, DET),
    (A, None, None): (FOR, FOR, FOR, FOR, FOR, FOR),
}
COLUMNS = [
    (direction, retain)
    for direction in (Direction.TWO_WAY, Direction.ZOOKEEPER_TO_CONFIG_MAP, Direction.CONFIG_MAP_TO_ZOOKEEPER)
    for retain in (False, True)
]


def _rules(direction: Direction, retain: bool, conflicts: ConflictPolicy = ConflictPolicy.HOLD) -> Rules:
    return Rules(direction, conflicts, retain=retain)


@pytest.mark.parametrize("state", TABLE, ids=str)
def test_every_row_of_the_table(state: tuple[bytes | None, bytes | None, bytes | None]) -> None:
    decided = tuple(decide(KeyState(*state), _rules(*column)) for column in COLUMNS)
    assert decided == TABLE[state]


def test_the_table_has_every_case() -> None:
    def shape(state: tuple[bytes | None, ...]) -> tuple[int, ...]:
        names: dict[bytes, int] = {}
        return tuple(-1 if value is None else names.setdefault(value, len(names)) for value in state)

    every = {shape(state) for state in product((None, A, B, C), repeat=3)}
    assert every == {shape(state) for state in TABLE}


@pytest.mark.parametrize(
    ("policy", "action"), [(ConflictPolicy.PREFER_ZOOKEEPER, CM), (ConflictPolicy.PREFER_CONFIG_MAP, ZK)]
)
def test_a_preference_decides_exactly_the_conflicts(policy: ConflictPolicy, action: Action) -> None:
    for state, (expected, *_) in TABLE.items():
        decided = decide(KeyState(*state), _rules(Direction.TWO_WAY, False, policy))
        assert decided == (action if expected is CON else expected)


@pytest.mark.parametrize("side", list(Side))
def test_a_resolution_decides_exactly_the_conflicts(side: Side) -> None:
    for state, (expected, *_) in TABLE.items():
        decided = decide(KeyState(*state, resolve=side), _rules(Direction.TWO_WAY, False))
        assert decided == ((CM if side is Side.ZOOKEEPER else ZK) if expected is CON else expected)


def test_an_adoption_policy_decides_before_the_conflict_policy() -> None:
    rules = Rules(Direction.TWO_WAY, ConflictPolicy.PREFER_ZOOKEEPER, AdoptionPolicy.PREFER_CONFIG_MAP)
    assert decide(KeyState(None, A, B), rules) is ZK
    union = Rules(Direction.TWO_WAY, ConflictPolicy.HOLD, AdoptionPolicy.UNION)
    assert decide(KeyState(None, A, B), union) is CON


@pytest.mark.parametrize(
    ("zookeeper", "config_map", "action"),
    [(None, A, NONE), (None, B, NONE), (B, A, CM), (B, C, CON), (A, A, REC), (None, None, FOR)],
)
def test_a_key_detached_on_the_config_map_waits_for_its_creation(
    zookeeper: bytes | None, config_map: bytes | None, action: Action
) -> None:
    state = KeyState(None, zookeeper, config_map, Detached(Side.CONFIG_MAP, A))
    assert decide(state, _rules(Direction.TWO_WAY, True)) is action


def test_nothing_equal_is_ever_written_and_nothing_is_deleted_that_one_side_edited() -> None:
    for state, column in product(product((None, A, B, C), repeat=3), COLUMNS[:2]):
        base, zookeeper, config_map = state
        action = decide(KeyState(base, zookeeper, config_map), _rules(*column))
        if zookeeper == config_map:
            assert action in (NONE, REC, FOR)
        if action is CM and zookeeper is None:
            assert config_map == base
        if action is ZK and config_map is None:
            assert zookeeper == base


def test_the_guard_holds_by_number_and_by_share() -> None:
    limits = DeletionLimits(max_keys=50, max_percent=30)
    assert not must_hold(4, 4, limits)
    assert must_hold(5, 10, limits)
    assert not must_hold(5, 100, limits)
    assert must_hold(51, 10_000, limits)
    assert must_hold(1, 10_000, DeletionLimits(max_keys=0, max_percent=100))
