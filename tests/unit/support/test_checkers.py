"""Each check catches the violation that it is there for, and nothing in a history without one."""

from typing import Any

import pytest

from tests.support.models.checkers import (
    Check,
    Run,
    check,
    l1_convergence,
    l1_silence,
    s1_provenance,
    s1_snapshots,
    s2_conditional,
    s3_no_lost_update,
    s4_no_time_travel,
    s5_deletions,
    s6_isolation,
)
from tests.support.models.histories import OPERATOR, Commit, config_map_history, replay, zookeeper_history
from tests.support.models.zk_log import Transaction


def theirs(at: int, **changes: bytes | None) -> Commit:
    return Commit(at, "writer", changes)


def ours(at: int, stamp: int | None = None, foreign: tuple[str, ...] = (), **changes: bytes | None) -> Commit:
    return Commit(at, OPERATOR, changes, stamp, foreign)


GOOD = Run(
    zookeeper=(
        theirs(1, a=b"z1", b=b"z2"),
        theirs(2, a=b"z3"),
        ours(4, b=b"c1"),
        theirs(5, a=None),
    ),
    config_map=(
        ours(1, stamp=2, a=b"z3", b=b"z2"),
        theirs(2, b=b"c1"),
        ours(3, stamp=5, a=None),
    ),
    keys=frozenset({"a", "b"}),
)

SEEDED: dict[str, tuple[Check, Run]] = {
    "a value out of nowhere": (
        s1_provenance,
        Run(zookeeper=(theirs(1, a=b"z1"),), config_map=(ours(1, stamp=1, a=b"zz"),)),
    ),
    "a value written under another key": (
        s1_provenance,
        Run(zookeeper=(theirs(1, a=b"z1"),), config_map=(ours(1, stamp=1, b=b"z1"),)),
    ),
    "half of a multi": (
        s1_snapshots,
        Run(zookeeper=(theirs(1, a=b"1", b=b"1"), theirs(2, a=b"2", b=b"2")), config_map=(ours(1, 2, a=b"2", b=b"1"),)),
    ),
    "a deleted znode that the snapshot still has": (
        s1_snapshots,
        Run(zookeeper=(theirs(1, a=b"1"), theirs(2, a=None, b=b"2")), config_map=(ours(1, 2, a=b"1", b=b"2"),)),
    ),
    "no version check: a foreign edit overwritten": (
        s2_conditional,
        Run(
            zookeeper=(theirs(1, a=b"z1"), theirs(2, a=b"z2"), ours(3, a=b"c1")),
            config_map=(ours(1, 1, a=b"z1"), theirs(2, a=b"c1")),
        ),
    ),
    "last writer wins: the earlier one is nowhere": (
        s3_no_lost_update,
        Run(
            zookeeper=(theirs(1, a=b"z1"), ours(2, a=b"c2")),
            config_map=(theirs(1, a=b"c1"), theirs(2, a=b"c2")),
        ),
    ),
    "a ConfigMap edit overwritten by a pull": (
        s3_no_lost_update,
        Run(zookeeper=(theirs(1, a=b"z1"),), config_map=(theirs(1, a=b"c1"), ours(2, 1, a=b"z1"))),
    ),
    "an older zxid after a newer one": (
        s4_no_time_travel,
        Run(zookeeper=(theirs(1, a=b"1"),), config_map=(ours(1, 5, a=b"1"), ours(2, 3, a=b"0"))),
    ),
    "a deletion from a partial read": (
        s5_deletions,
        Run(zookeeper=(theirs(1, a=b"1"),), config_map=(ours(1, 1, a=b"1"), ours(2, 1, a=None))),
    ),
    "a deleted value brought back": (
        s5_deletions,
        Run(
            zookeeper=(theirs(1, a=b"1"), theirs(2, a=None), ours(3, a=b"1")),
            config_map=(ours(1, 1, a=b"1"),),
        ),
    ),
    "a key that nobody selected": (
        s6_isolation,
        Run(zookeeper=(theirs(1, x=b"1"),), config_map=(ours(1, 1, x=b"1"),), keys=frozenset({"a"})),
    ),
    "an annotation of others": (
        s6_isolation,
        Run(zookeeper=(), config_map=(ours(1, 1, ("annotations/team",)),)),
    ),
    "both sides different in the end": (
        l1_convergence,
        Run(zookeeper=(theirs(1, a=b"1"), theirs(2, a=b"2")), config_map=(ours(1, 1, a=b"1"),)),
    ),
    "a key missing in the end": (l1_convergence, Run(zookeeper=(theirs(1, a=b"1"),), config_map=())),
}


def test_a_history_without_a_fault_passes_everything() -> None:
    assert check(GOOD) == ()


@pytest.mark.parametrize("name", SEEDED)
def test_a_seeded_violation_is_caught_by_its_own_check(name: str) -> None:
    one, run = SEEDED[name]
    assert check(run, (one,))


def test_a_config_map_that_the_operator_deleted_as_a_whole_is_its_own_deed() -> None:
    versions: list[dict[str, Any]] = [
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "10", "uid": "one"}, "data": {"a": "1"}}},
        {"type": "DELETED", "object": {"metadata": {"resourceVersion": "11", "uid": "one"}, "data": {"a": "1"}}},
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "12", "uid": "two"}, "data": {"a": "1"}}},
        {"type": "DELETED", "object": {"metadata": {"resourceVersion": "13", "uid": "two"}, "data": {"a": "1"}}},
    ]
    history = config_map_history(versions, {"10", "12"}, {"one"})
    assert [commit.author for commit in history] == [OPERATOR, OPERATOR, OPERATOR, "external"]
    assert history[1].changes == {"a": None}
    run = Run(zookeeper=(theirs(1, a=b"1"),), config_map=history[:2])
    assert [str(found) for found in check(run, (s5_deletions,))] == [
        "S5 a: ConfigMap at 2: deleted, but nobody deleted it"
    ]
    excused = Run(zookeeper=(theirs(1, a=b"1"),), config_map=config_map_history(versions[:2], {"10", "12"}))
    assert check(excused, (s5_deletions,)) == (), "somebody else's deletion is none of the operator's"


def test_a_loser_that_was_reported_is_no_lost_update() -> None:
    _, run = SEEDED["last writer wins: the earlier one is nowhere"]
    told = Run(run.zookeeper, run.config_map, losers=frozenset({("a", b"z1"), ("a", b"c1")}))
    assert check(told, (s2_conditional, s3_no_lost_update)) == ()


def test_an_edit_that_its_own_side_replaced_was_not_lost_by_the_operator() -> None:
    run = Run(zookeeper=(theirs(1, a=b"1"), theirs(2, a=b"2")), config_map=(ours(1, 2, a=b"2"),))
    assert check(run) == ()


def test_writes_in_the_quiet_period_are_counted() -> None:
    assert not list(l1_silence([4, 4, 4]))
    assert list(l1_silence([4, 5]))


def test_a_history_is_replayed_up_to_a_zxid() -> None:
    assert replay(GOOD.zookeeper, 2) == {"a": b"z3", "b": b"z2"}
    assert replay(GOOD.zookeeper) == {"b": b"c1"}


def test_sessions_are_the_authors_of_transactions() -> None:
    log = (
        Transaction(1, 7, 0, 1, (("/app", b""), ("/app/a", b"1"), ("/other", b"x"))),
        Transaction(2, 8, 0, 14, (("/app/a", None), ("/app/sub/b", b"2"))),
        Transaction(3, 8, 0, 5, (("/apple", b"no"),)),
    )
    history = zookeeper_history(log, "/app", {8}, lambda path: path.replace("/", "__") or "__root")
    assert history == (
        Commit(1, "7", {"__root": b"", "a": b"1"}),
        Commit(2, OPERATOR, {"a": None, "sub__b": b"2"}),
    )


def test_a_config_map_history_tells_changes_stamps_and_foreign_parts() -> None:
    def version(revision: str, data: dict[str, str], **annotations: str) -> dict[str, object]:
        metadata = {
            "resourceVersion": revision,
            "annotations": {k.replace("_", "/"): v for k, v in annotations.items()},
        }
        return {"type": "MODIFIED", "object": {"metadata": metadata, "data": data}}

    versions = [
        version("10", {"a": "1"}, **{"zkoperator.dev_zxid": "0x1f"}),
        version("11", {"a": "2", "b": "3"}, **{"zkoperator.dev_zxid": "0x1f", "team": "x"}),
        version("12", {"b": "3"}, **{"zkoperator.dev_zxid": "0x20", "team": "x"}),
    ]
    assert config_map_history(versions, {"10", "12"}) == (
        Commit(1, OPERATOR, {"a": b"1"}, 0x1F),
        Commit(2, "external", {"a": b"2", "b": b"3"}, None, ("annotations/team",)),
        Commit(3, OPERATOR, {"a": None}, 0x20),
    )
