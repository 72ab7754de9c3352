"""Reads a snapshot file piece by piece, and finds out whether it is whole. Pure.

Its seals, the digest of its tree and the places of its znodes are checked as a server does when it loads the file.
"""

from collections.abc import Callable, Iterator
from typing import Final

from zkoperator.backup.cursor import Cursor, MoreNeeded
from zkoperator.backup.failure import differs
from zkoperator.backup.snapshot_record import Record, digest_of
from zkoperator.backup.snapshot_writer import DIGEST, DIGEST_MASK, DIGEST_VERSION, END, HEADER, LONG, MAGIC, VERSION
from zkoperator.zk.port import Acl

_MOST_ACLS: Final = 10_000_000


class SnapshotReader:
    """One file. `zxid`, `znodes` and `digest` are known after `end`, `acls` before the first znode is returned."""

    def __init__(self) -> None:
        self.zxid = -1
        self.znodes = 0
        self.digest = 0
        self.acls: dict[int, tuple[Acl, ...]] = {}
        self._cursor = Cursor()
        self._found: list[Record] = []
        self._open: list[str] = []
        self._acls_left = 0
        self._steps: Iterator[Callable[[], bool]] = iter(
            (self._head, self._acl, self._znode, self._seal, self._digest, self._seal, self._last, self._seal)
        )
        self._step: Callable[[], bool] | None = next(self._steps)

    def feed(self, data: bytes) -> list[Record]:
        """Take the next bytes of the file; return the znodes that they complete.

        Raises:
            BackupError: the file is not whole.
        """
        self._cursor.feed(data)
        self._found = []
        try:
            while self._step is not None:
                if self._step():
                    self._step = next(self._steps, None)
                self._cursor.keep()
        except MoreNeeded:
            pass
        except (ValueError, OverflowError) as error:
            raise differs("the snapshot file is damaged") from error
        return self._found

    def end(self) -> None:
        """Note that the file has ended.

        Raises:
            BackupError: it ends too early or too late.
        """
        if self._step is not None:
            raise differs("the snapshot file ends too early")
        if self._cursor.rest:
            raise differs("the snapshot file has more after its end")

    def _head(self) -> bool:
        magic, version, _, sessions = self._cursor.numbers(HEADER)
        if (magic, version) != (MAGIC, VERSION):
            raise differs("it is no snapshot file of ZooKeeper")
        if sessions:
            raise differs("the snapshot file has sessions, as none of a backup has")
        self._acls_left = self._cursor.count()
        if not 0 <= self._acls_left <= _MOST_ACLS:
            raise ValueError("a number of ACLs that cannot be")
        return True

    def _acl(self) -> bool:
        if self._acls_left:
            number, entries = self._cursor.acl()
            self.acls[number] = entries
            self._acls_left -= 1
        return not self._acls_left

    def _znode(self) -> bool:
        path = self._cursor.text()
        if path == END:
            self.digest &= DIGEST_MASK
            return True
        record = self._cursor.record(path)
        self._check_place(record)
        self._found.append(record)
        self.znodes += 1
        self.digest += digest_of(record)
        return False

    def _check_place(self, record: Record) -> None:
        """Check that the parent came before.

        Znodes come in the order of their paths, in which `/a-b` is between `/a` and `/a/b`. A znode is open while one
        below it may still come.
        """
        path = record.path
        while self._open and f"{self._open[-1]}/" < path and not path.startswith(f"{self._open[-1]}/"):
            self._open.pop()
        if self.znodes and path.rpartition("/")[0] not in self._open:
            raise differs("a znode of the snapshot file has no parent")
        if record.acl not in self.acls:
            raise differs("a znode of the snapshot file has no ACL")
        self._open.append(path)

    def _seal(self) -> bool:
        expected = self._cursor.adler()
        (adler,) = self._cursor.numbers(LONG)
        if adler != expected or self._cursor.text() != END:
            raise differs("a seal of the snapshot file does not fit")
        return True

    def _digest(self) -> bool:
        self.zxid, version, digest = self._cursor.numbers(DIGEST)
        if version != DIGEST_VERSION or digest != self.digest:
            raise differs("the digest of the snapshot file does not fit its znodes")
        return True

    def _last(self) -> bool:
        (zxid,) = self._cursor.numbers(LONG)
        if zxid != self.zxid:
            raise differs("the snapshot file names two zxids")
        return True
