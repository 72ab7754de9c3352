"""A snapshot file is written and read whole, and a damaged one is noticed."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.models.seeds import Claim, Seed, claim_with, replaced, rewritten
from zkoperator.backup import snapshot_reader, snapshot_record, snapshot_writer
from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import Reason
from zkoperator.backup.snapshot_reader import SnapshotReader
from zkoperator.backup.snapshot_record import Record, digest_of, record_of
from zkoperator.backup.snapshot_writer import SnapshotWriter
from zkoperator.backup.znode import Znode
from zkoperator.zk.port import OPEN_ACL, Acl, Stat

ZXID = 0x100000A2B
STAT = Stat(1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 8)

names = st.text("ab-.é", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
longs = st.integers(-(2**63), 2**63 - 1)
ints = st.integers(-(2**31), 2**31 - 1)
acls = st.lists(
    st.builds(Acl, ints, st.sampled_from(["world", "digest", "ip", "x509"]), st.text(max_size=5)), max_size=4
).map(tuple)
values = st.none() | st.binary(max_size=40) | st.just(b"y" * 1_000_000)


@st.composite
def trees(draw: st.DrawFn) -> list[Znode]:
    """Parents are there for all, as in any tree, and the znodes come in the order of an export."""
    leaves = draw(st.lists(st.lists(names, min_size=1, max_size=4), max_size=12))
    paths = {"/"} | {"/" + "/".join(parts[:depth]) for parts in leaves for depth in range(1, len(parts) + 1)}
    return [
        Znode(
            path,
            draw(values),
            Stat(
                *draw(st.tuples(longs, longs, longs, longs, ints)),
                # Twice the changes of the children, less the children that are there.
                draw(st.integers(0, 2**30)) * 2 - 3,
                draw(ints),
                0,
                0,
                3,
                draw(longs),
            ),
            draw(acls),
        )
        for path in sorted(paths, key=str.encode)
    ]


@dataclass
class Written:
    bytes: bytes
    writer: SnapshotWriter


def written(znodes: Iterable[Znode]) -> Written:
    known = list(znodes)
    writer = SnapshotWriter(ZXID)
    return Written(b"".join(writer.pieces(dict.fromkeys(znode.acl for znode in known), known)), writer)


def read(file: bytes, sizes: random.Random) -> tuple[list[Record], SnapshotReader]:
    reader, found, at = SnapshotReader(), list[Record](), 0
    while at < len(file):
        size = sizes.choice([1, 7, 100, 4096, 1 << 20])
        found += reader.feed(file[at : at + size])
        at += size
    reader.end()
    return found, reader


@settings(deadline=None, max_examples=60)
@given(trees(), st.randoms(use_true_random=False))
def test_every_tree_reads_back_as_it_was_written(znodes: list[Znode], sizes: random.Random) -> None:
    file = written(znodes)
    records, reader = read(file.bytes, sizes)
    assert [record._replace(acl=0) for record in records] == [record_of(znode, 0) for znode in znodes]
    assert [reader.acls[record.acl] for record in records] == [znode.acl for znode in znodes]
    assert (reader.zxid, reader.znodes, reader.digest) == (ZXID, len(znodes), file.writer.digest)


def known_tree() -> list[Znode]:
    paths = ["/", "/a", "/a-b", "/a/b", "/zookeeper", "/zookeeper/config"]
    return [Znode(path, path.encode(), STAT, OPEN_ACL) for path in paths]


def every_damage() -> None:
    """One flipped bit anywhere, and every length that is too short, is noticed."""
    file = written(known_tree()).bytes
    read(file, random.Random(1))
    for at in range(len(file)):
        # The server reads the number of the database, bytes 8 to 15, and does nothing with it; the seal covers it.
        for bit in (1, 0x80):
            damaged = bytearray(file)
            damaged[at] ^= bit
            is_noticed(bytes(damaged))
        is_noticed(file[:at])
    is_noticed(file + b"\0")


def is_noticed(damaged: bytes) -> None:
    assert flaw_of(damaged) is not None


def flaw_of(file: bytes) -> str | None:
    try:
        read(file, random.Random(1))
    except BackupError as error:
        return str(error) if error.reason is Reason.DIGEST_DIFFERS else None
    return None


def test_every_damage_is_noticed() -> None:
    every_damage()


def test_a_digest_that_does_not_fit_is_noticed_though_the_seals_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_writer, "digest_of", lambda record: digest_of(record) ^ 1)
    file = written([Znode("/", b"", STAT, OPEN_ACL)]).bytes
    assert flaw_of(file) == "the digest of the snapshot file does not fit its znodes"


def orphans_are_noticed() -> None:
    for paths in (["/", "/a/b"], ["/", "/a-b", "/a/b"], ["/", "/a", "/b", "/a/b"], ["/", "/a", "/a-b/c"]):
        file = written(Znode(path, None, STAT, OPEN_ACL) for path in paths).bytes
        assert flaw_of(file) == "a znode of the snapshot file has no parent"


def test_a_znode_without_its_parent_is_noticed() -> None:
    orphans_are_noticed()


def ephemerals_are_left_out() -> None:
    znodes = [*known_tree(), Znode("/z", b"", STAT._replace(ephemeral_owner=1), OPEN_ACL)]
    file = written(znodes)
    assert (file.writer.ephemerals, file.writer.znodes) == (1, len(known_tree()))
    assert [record.path for record in read(file.bytes, random.Random(1))[0]][-1] == "/zookeeper/config"


def test_ephemerals_are_left_out_and_counted() -> None:
    ephemerals_are_left_out()


def test_sequence_numbers_go_on() -> None:
    # Five creations and two deletions of children: clients see 2 * 7 - 3.
    stored = record_of(Znode("/queue", None, STAT._replace(cversion=11, num_children=3), OPEN_ACL), 1)
    assert stored.cversion == 7


def server_znodes_do_not_count() -> None:
    config = record_of(Znode("/zookeeper/config", b"server.1", STAT, OPEN_ACL), 1)
    beside = record_of(Znode("/zookeeper", b"server.1", STAT, OPEN_ACL), 1)
    assert snapshot_record.digest_of(config) == 0 != snapshot_record.digest_of(beside)


def test_what_servers_write_each_for_itself_is_not_in_the_digest() -> None:
    server_znodes_do_not_count()


async def hold_cases() -> None:
    every_damage()
    orphans_are_noticed()
    ephemerals_are_left_out()
    server_znodes_do_not_count()


def no_check(*_: Any) -> None:
    return


CASES: Claim = claim_with(hold_cases)
READER, WRITER = snapshot_reader, snapshot_writer
BUGS = {
    "parents": replaced(SnapshotReader, "_check_place", no_check),
    "what comes after the end": rewritten(READER, "SnapshotReader.end", "if self._cursor.rest", "if False"),
    "a cut file": rewritten(READER, "SnapshotReader.end", "if self._step is not None", "if False"),
    "seals": rewritten(READER, "SnapshotReader._seal", "adler != expected or", ""),
    "ephemerals": rewritten(WRITER, "SnapshotWriter._records", "if znode.stat.ephemeral_owner", "if False"),
    "servers' own": rewritten(snapshot_record, "digest_of", "record.path.startswith(_OF_THE_SERVER)", "False"),
}
SEEDS = [Seed(guard, bug, (CASES,)) for guard, bug in BUGS.items()]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_the_seeded_bug_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
