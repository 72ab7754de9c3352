"""The count of the crash model lets pass what docs/consistency.md lets pass, and nothing else."""

from tests.support.models.deletion_witness import WINDOW_S, DeletionCount

LEFT = frozenset({"kept"})


def counting(max_keys: int) -> DeletionCount:
    count = DeletionCount()
    count.begin(max_keys)
    return count


def deleted(count: DeletionCount, *keys: str, now_s: float = 0.0, left: frozenset[str] = LEFT) -> str:
    return count.deleted(keys, now_s, is_approved=False, left=left)


def test_deletions_within_the_window_count_together() -> None:
    count = counting(2)
    assert deleted(count, "a") == deleted(count, "b", now_s=WINDOW_S) == ""
    assert "['c'] deleted unasked, after ['a', 'b']" in deleted(count, "c", now_s=WINDOW_S)


def test_deletions_before_the_window_count_no_more() -> None:
    count = counting(2)
    assert deleted(count, "a", "b") == deleted(count, "c", now_s=WINDOW_S + 1) == ""


def test_a_key_that_was_created_again_after_its_deletion_counts_no_more() -> None:
    count = counting(2)
    assert deleted(count, "a", "b") == ""
    count.wrote({"a": b"1"})
    assert deleted(count, "c") == ""


def test_a_key_that_was_created_again_before_its_deletion_arrived_counts_no_more() -> None:
    count = counting(2)
    count.wrote({"a": b"1"})
    assert deleted(count, "a", "b", left=LEFT | {"a"}) == deleted(count, "c") == ""
    assert "after ['b', 'c']" in deleted(count, "d")


def test_such_a_key_counts_among_those_of_its_own_write() -> None:
    assert "['a', 'b'] deleted unasked" in deleted(counting(1), "a", "b", left=LEFT | {"a", "b"})


def test_the_last_keys_are_never_deleted_unasked() -> None:
    assert "all that there were" in deleted(counting(9), "a", left=frozenset())


def test_what_was_approved_counts_for_nothing() -> None:
    count = counting(1)
    assert count.deleted(["a", "b", "c"], 0.0, is_approved=True, left=LEFT) == deleted(count, "d") == ""
