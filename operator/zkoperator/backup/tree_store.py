"""The znodes of one export, on disk, so that its memory does not grow with the tree. I/O."""

import json
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Final

from zkoperator.backup.znode import Znode
from zkoperator.zk.port import Acl, AclRead, Read, Stat

_PRIVATE_FILE: Final = ""
"""SQLite makes a file of its own in the directory for temporary files, and removes it when it is closed."""
_IN_MEMORY: Final = ":memory:"
_SCHEMA: Final = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE znode (path TEXT PRIMARY KEY, stat TEXT NOT NULL, data BLOB, czxid INTEGER NOT NULL,
                        aversion INTEGER NOT NULL, acl INTEGER) WITHOUT ROWID;
    CREATE INDEX unknown_acl ON znode (path) WHERE acl IS NULL;
    CREATE TABLE former (path TEXT PRIMARY KEY, czxid INTEGER NOT NULL, aversion INTEGER NOT NULL,
                         acl INTEGER NOT NULL) WITHOUT ROWID;
"""
# A znode that was created again, or whose ACL has changed, has lost the ACL that was read. An ACL is a function of
# path, czxid and aversion, so an ACL that was read earlier with the same three is the present one.
_PUT: Final = """
    INSERT INTO znode VALUES (:path, :stat, :data, :czxid, :aversion,
        (SELECT acl FROM former WHERE (path, czxid, aversion) = (:path, :czxid, :aversion)))
    ON CONFLICT (path) DO UPDATE SET
        acl = CASE WHEN (czxid, aversion) = (excluded.czxid, excluded.aversion) THEN acl ELSE excluded.acl END,
        stat = excluded.stat, data = excluded.data, czxid = excluded.czxid, aversion = excluded.aversion
"""
_SET_ACL: Final = """
    UPDATE znode SET acl = :acl WHERE path = :path AND czxid = :czxid AND aversion = :aversion
"""


class TreeStore:
    """Znodes by path. The caller closes it; nothing of it stays then."""

    def __init__(self) -> None:
        self._file = sqlite3.connect(_place(), isolation_level=None)
        self._file.executescript(_SCHEMA)
        self._acls: dict[tuple[Acl, ...], int] = {}

    def put(self, found: Iterable[tuple[str, Read]]) -> None:
        """Keep what was read of these paths, in place of what was known."""
        self._file.execute("BEGIN")
        self._file.executemany(_PUT, (_row(path, read) for path, read in found))
        self._file.execute("COMMIT")

    def remove(self, paths: Iterable[str]) -> None:
        """Forget znodes that are not there any more."""
        self._file.executemany("DELETE FROM znode WHERE path = ?", ((path,) for path in paths))

    def weigh(self, paths: Iterable[str]) -> tuple[int, int]:
        """Return how many of these znodes are known, and the bytes of their values."""
        known = size_bytes = 0
        for path in paths:
            row = self._file.execute("SELECT length(data) FROM znode WHERE path = ?", (path,)).fetchone()
            known += row is not None
            size_bytes += (row and row[0]) or 0
        return known, size_bytes

    def set_acl(self, path: str, found: AclRead) -> None:
        """Keep the ACL, unless it was read of another state of the znode than the one that is known."""
        known = {"path": path, "czxid": found.stat.czxid, "aversion": found.stat.aversion}
        self._file.execute(_SET_ACL, known | {"acl": self._acl_id(found.entries)})

    def remember_acls(self, found: Iterable[tuple[str, int, int, tuple[Acl, ...]]]) -> None:
        """Have znodes that are put after this take over ACLs of an earlier export: path, czxid, aversion and ACL."""
        self._file.execute("BEGIN")
        rows = ((path, czxid, aversion, self._acl_id(entries)) for path, czxid, aversion, entries in found)
        self._file.executemany("INSERT OR REPLACE INTO former VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def forget_acls(self) -> None:
        """Forget the remembered ACLs."""
        self._file.execute("DELETE FROM former")

    def acls(self) -> list[tuple[Acl, ...]]:
        """Return the ACLs of all znodes, each once."""
        numbers = {number for (number,) in self._file.execute("SELECT DISTINCT acl FROM znode")}
        return [entries for entries, number in self._acls.items() if number in numbers]

    def without_acl(self, limit: int) -> list[str]:
        """Return paths whose ACL is not known."""
        rows = self._file.execute("SELECT path FROM znode WHERE acl IS NULL LIMIT ?", (limit,))
        return [path for (path,) in rows]

    def znodes(self) -> Iterator[Znode]:
        """Return all znodes in the order of their paths as bytes, so that parents come before their children."""
        acls = {number: entries for entries, number in self._acls.items()}
        with closing(self._file.execute("SELECT path, data, stat, acl FROM znode ORDER BY path")) as rows:
            for path, data, stat, acl in rows:
                yield Znode(path, data, Stat._make(json.loads(stat)), acls[acl])

    def clear(self) -> None:
        """Forget everything."""
        self._file.execute("DELETE FROM znode")

    def __len__(self) -> int:
        """Return the number of znodes."""
        return int(self._file.execute("SELECT count(*) FROM znode").fetchone()[0])

    def close(self) -> None:
        """Remove everything."""
        self._file.close()

    def _acl_id(self, entries: tuple[Acl, ...]) -> int:
        if entries not in self._acls:
            self._acls[entries] = len(self._acls) + 1
        return self._acls[entries]


def _place() -> str:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        # A container with a read-only file system and no volume for temporary files.
        return _IN_MEMORY
    return _PRIVATE_FILE


def _row(path: str, read: Read) -> dict[str, object]:
    stat = json.dumps(read.stat)
    return {"path": path, "stat": stat, "data": read.data, "czxid": read.stat.czxid, "aversion": read.stat.aversion}
