"""The bench of backups knows an exact one by the traces of the multis, and is not content with less."""

import pytest

from bench.backup_writers import COMES_EVERY, LIVES, TOGETHER, TRACES, is_exact, transaction
from zkoperator.backup.snapshot_record import Record
from zkoperator.zk.port import Create, Delete, Set

LAST, MORE = 3 * LIVES + 2, 7
COMMITS = {number: 0x100000000 + 3 * number for number in range(1, LAST + MORE)}
ZXID = COMMITS[LAST] + 1


def record(path: str, data: bytes, czxid: int, mzxid: int) -> Record:
    return Record(path, data, 1, czxid, mzxid, 0, 0, 0, 0, 0, 0, mzxid)


def traces(last: int) -> dict[str, Record]:
    """What there is after the multi with this number."""
    found = {f"{TRACES}/t{number}": record(f"{TRACES}/t{number}", b"0", 1, 1) for number in range(TOGETHER)}
    for number in range(1, last + 1):
        for operation in transaction(number):
            apply(found, operation, COMMITS[number])
    return found


def apply(found: dict[str, Record], operation: object, zxid: int) -> None:
    match operation:
        case Create(path, data):
            found[path] = record(path, data, zxid, zxid)
        case Set(path, data):
            found[path] = found[path]._replace(data=data, mzxid=zxid)
        case Delete(path):
            del found[path]


@pytest.mark.parametrize("last", [1, COMES_EVERY - 1, COMES_EVERY, LIVES, LIVES + COMES_EVERY, LAST])
def test_a_backup_with_all_multis_up_to_its_zxid_is_exact(last: int) -> None:
    assert is_exact(traces(last).values(), COMMITS[last], COMMITS)
    assert is_exact(traces(last).values(), COMMITS[last + 1] - 1, COMMITS)


def torn(found: dict[str, Record]) -> None:
    apply(found, Set(f"{TRACES}/t3", b"%d" % (LAST - 1), -1), COMMITS[LAST - 1])


def lacks_one(found: dict[str, Record]) -> None:
    del found[f"{TRACES}/new-{LIVES * 3}"]


def has_a_deleted_one(found: dict[str, Record]) -> None:
    found["gone"] = record(f"{TRACES}/new-{LIVES}", b"", 1, 1)


def has_another_zxid(found: dict[str, Record]) -> None:
    for number in range(TOGETHER):
        apply(found, Set(f"{TRACES}/t{number}", b"%d" % LAST, -1), COMMITS[LAST] + 1)


def lacks_a_set_one(found: dict[str, Record]) -> None:
    del found[f"{TRACES}/t0"]


@pytest.mark.parametrize("spoil", [torn, lacks_one, has_a_deleted_one, has_another_zxid, lacks_a_set_one])
def test_a_backup_with_part_of_a_multi_is_not_exact(spoil: object) -> None:
    found = traces(LAST)
    assert callable(spoil)
    spoil(found)
    assert not is_exact(found.values(), ZXID, COMMITS)


@pytest.mark.parametrize("zxid", [COMMITS[LAST] - 1, COMMITS[LAST + 1]])
def test_a_backup_of_another_moment_than_its_zxid_is_not_exact(zxid: int) -> None:
    assert not is_exact(traces(LAST).values(), zxid, COMMITS)
