"""A backup Job: what it answers, which member it reads, and which ACLs it need not read again."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes.zk import FakeZkServer
from tests.support.models.seeds import Seed
from tests.support.worlds.busy_tree import ACLS, ensemble, superuser, whole
from zkoperator.backup import source, tree_store
from zkoperator.backup.archive import Archive
from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.job import carry_out
from zkoperator.backup.members import candidate, is_too_old, ranked
from zkoperator.backup.order import (
    VARIABLE,
    BackupOrder,
    Complete,
    DeleteOrder,
    DrillOrder,
    Facts,
    Failed,
    Folder,
    Order,
    Reason,
    Source,
    VerifyOrder,
    order_to_json,
    result_from_json,
)
from zkoperator.backup.source import is_of_one_history
from zkoperator.backup.stores.folder import FolderStore
from zkoperator.cli import main
from zkoperator.errors import ForbiddenError, TransientError
from zkoperator.zk.admin import SocketProbe
from zkoperator.zk.hosts import Address
from zkoperator.zk.port import Acl, Create, Delete, Set

DIRECTORY = "demo/main/c-1"
SRVR = "Zookeeper version: 3.9.4-7246445ec281f3dbf53dc54e970c914f39713903, built on 2025\nZxid: {zxid}\nMode: {mode}\n"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> FakeZkServer:
    """An ensemble in memory that every Job reads."""
    server, _ = ensemble(1)

    async def srvr(*_: Any) -> str:
        return SRVR.format(zxid=f"{server.zxid:#x}", mode="follower")

    monkeypatch.setattr(SocketProbe, "ask", srvr)
    monkeypatch.setattr(source, "connect", lambda *_, **__: superuser(server))
    return server


def order(folder: Path, uid: str = "b-1", **more: Any) -> BackupOrder:
    return BackupOrder(uid, Source(("zk-0:2181",)), Folder(str(folder)), DIRECTORY, **more)


async def facts(order: Order) -> Facts:
    result = await carry_out(order)
    assert isinstance(result, Complete) and result.backup is not None, result
    return result.backup


async def reason(order: Order) -> Reason:
    result = await carry_out(order)
    assert isinstance(result, Failed), result
    return result.reason


@pytest.mark.usefixtures("served")
async def test_a_backup_is_taken_verified_fetched_and_deleted(tmp_path: Path) -> None:
    store, target = tmp_path / "store", tmp_path / "target"
    store.mkdir()
    target.mkdir()
    taken = await facts(order(store))
    assert (taken.member, taken.version, taken.types_kept) == ("zk-0:2181", "3.9.4", False)
    fetch = VerifyOrder(Folder(str(store)), taken.location, target=str(target))
    assert (await facts(fetch)).sha256 == taken.sha256
    assert [path.name for path in target.iterdir()] == [f"snapshot.{int(taken.zxid, 16):x}.gz"]
    assert await carry_out(DeleteOrder("b-1", Folder(str(store)), DIRECTORY)) == Complete()
    assert list(store.iterdir()) == []
    assert await reason(fetch) is Reason.INVALID
    assert await carry_out(DeleteOrder("b-1", Folder(str(store)), DIRECTORY)) == Complete()


async def test_a_drill_of_a_copy_with_a_flipped_byte_fails_before_a_server_starts(
    tmp_path: Path, served: FakeZkServer
) -> None:
    store, folder = tmp_path / "store", tmp_path / "drill"
    store.mkdir()
    taken = await facts(order(store))
    (file,) = store.rglob("*.snapshot.gz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert await reason(DrillOrder(Folder(str(store)), taken.location, str(folder))) is Reason.DIGEST_DIFFERS
    assert (folder / "conf" / "zoo.cfg").exists() and not (folder / "ready").exists()


async def test_a_job_that_is_started_again_answers_with_the_backup_that_is_there(
    tmp_path: Path, served: FakeZkServer
) -> None:
    taken = await facts(order(tmp_path))
    served.write(Create("/later", b""))
    assert await facts(order(tmp_path)) == taken
    assert (await facts(order(tmp_path, "b-2"))).znodes == taken.znodes + 1


async def hold_acls(tmp_path: Path, served: FakeZkServer) -> None:
    first = await facts(order(tmp_path))
    before = served.served["get_acl"]
    changed = Acl(1, "world", "anyone")
    served.write(Create("/app/new", b"", ACLS[1]), Create("/app/again", b"", ACLS[1]), Set("/app", b"changed", -1))
    served.set_acl("/app", (changed,))
    second = await facts(order(tmp_path, "b-2", previous=first.location))
    assert await acls_in(tmp_path, second) == {znode.path: znode.acl for znode in whole(served)}
    # Those of the two new znodes, and the one that was changed.
    assert served.served["get_acl"] - before == 3
    served.write(Delete("/app/again", -1))
    served.write(Create("/app/again", b"", ACLS[2]))
    third = await facts(order(tmp_path, "b-3", previous=second.location))
    assert await acls_in(tmp_path, third) == {znode.path: znode.acl for znode in whole(served)}


async def acls_in(folder: Path, backup: Facts) -> dict[str, tuple[Acl, ...]]:
    archive = Archive(FolderStore(folder), None, lambda: datetime.now(UTC))
    found: dict[str, tuple[Acl, ...]] = {}
    async for records, acls in archive.records(await archive.manifest(backup.location)):
        found |= {record.path or "/": acls[record.acl] for record in records}
    return found


async def test_acls_that_cannot_have_changed_are_taken_over(tmp_path: Path, served: FakeZkServer) -> None:
    await hold_acls(tmp_path, served)


@pytest.mark.parametrize(
    ("former", "present"), [("path, czxid", ":path, :czxid"), ("path, aversion", ":path, :aversion")]
)
async def test_the_seeded_bug_is_noticed(
    tmp_path: Path, served: FakeZkServer, monkeypatch: pytest.MonkeyPatch, former: str, present: str
) -> None:
    condition = "(path, czxid, aversion) = (:path, :czxid, :aversion)"
    assert condition in tree_store._PUT

    def bug(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(tree_store, "_PUT", tree_store._PUT.replace(condition, f"({former}) = ({present})"))

    await Seed("ACLs of another state", bug, (lambda: hold_acls(tmp_path, served),)).is_noticed(monkeypatch)


async def test_a_previous_backup_that_is_gone_is_no_failure(tmp_path: Path, served: FakeZkServer) -> None:
    assert (await facts(order(tmp_path, previous=f"{DIRECTORY}/gone"))).znodes == len(whole(served))


def test_histories_before_and_after_a_restore_are_told_apart() -> None:
    assert is_of_one_history(0x100000001, 0x200000001)
    assert not is_of_one_history(0x200000001, 0x100000001)
    assert not is_of_one_history(0x100000001, 0x1000100000001)


@pytest.mark.usefixtures("served")
async def test_failures_have_their_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await reason(order(tmp_path / "not-mounted")) is Reason.STORAGE_REFUSED
    key = tmp_path / "key"
    assert await reason(order(tmp_path, key_file=str(key))) is Reason.INVALID
    key.write_bytes(b"short")
    assert await reason(order(tmp_path, key_file=str(key))) is Reason.INVALID
    errors = {
        Reason.ACCESS_DENIED: ForbiddenError("/app: no permission"),
        Reason.UNREACHABLE: TransientError("lost"),
        Reason.STORAGE_FULL: sqlite_full(),
    }
    for expected, error in errors.items():

        async def fail(*_: Any, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr(ExactExport, "run", fail)
        assert await reason(order(tmp_path)) is expected


def sqlite_full() -> sqlite3.Error:
    with closing(sqlite3.connect(":memory:")) as file:
        file.execute("PRAGMA max_page_count = 1")
        try:
            file.execute("CREATE TABLE a (b)")
        except sqlite3.Error as error:
            return error
    raise AssertionError("there was room")


@pytest.mark.usefixtures("served")
async def test_a_full_folder_is_told_and_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("zkoperator.backup.stores.folder.os.fsync", full)
    assert await reason(order(tmp_path)) is Reason.STORAGE_FULL
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("served")
async def test_a_store_that_stalls_meets_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stall(_: FolderStore, name: str, pieces: Iterable[bytes]) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(FolderStore, "write", stall)
    result = await carry_out(order(tmp_path, deadline_s=1))
    assert isinstance(result, Failed) and result.reason is Reason.STORAGE_REFUSED
    assert "storing the backup" in result.message


async def test_a_credential_that_sees_acls_in_part_is_refused(tmp_path: Path, served: FakeZkServer) -> None:
    served.set_acl("/app", (Acl(31, "digest", "alice:x"),))
    assert await reason(order(tmp_path)) is Reason.ACCESS_DENIED


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["This ZooKeeper instance is not currently serving requests\n"] * 2, Reason.NO_SYNCED_MEMBER),
        ([SRVR.format(zxid="0x1", mode="read-only"), TransientError("refused")], Reason.NO_SYNCED_MEMBER),
        ([TransientError("refused"), TransientError("refused")], Reason.UNREACHABLE),
        ([SRVR.format(zxid="0x1", mode="follower").replace("3.9.4", "3.5.9")] * 2, Reason.INVALID),
    ],
)
async def test_without_a_member_to_read_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[str | TransientError], expected: Reason
) -> None:
    left = iter(answers)

    async def ask(*_: Any) -> str:
        answer = next(left)
        if isinstance(answer, TransientError):
            raise answer
        return answer

    monkeypatch.setattr(SocketProbe, "ask", ask)
    two = BackupOrder("b-1", Source(("zk-0:2181", "zk-1:2181")), Folder(str(tmp_path)), DIRECTORY)
    assert await reason(two) is expected


def test_the_most_advanced_follower_is_read_and_the_leader_last() -> None:
    known = [("leader", 9), ("follower", 7), ("observer", 8), ("follower", 8)]
    found = [candidate(Address(f"{mode}-{zxid}", 1), SRVR.format(zxid=hex(zxid), mode=mode)) for mode, zxid in known]
    silent = candidate(Address("silent", 1), "srvr is not executed because it is not in the whitelist.\n")
    best = ranked(item for item in [silent, *found] if item is not None)
    assert [item.address.host for item in best] == ["follower-8", "follower-7", "observer-8", "leader-9", "silent"]
    assert is_too_old("3.5.10") and not is_too_old("3.10.0") and not is_too_old("")


@pytest.mark.usefixtures("served")
def test_the_command_writes_the_result_and_its_exit_status_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tmp_path / "result"
    (tmp_path / "store").mkdir()
    monkeypatch.setenv(VARIABLE, order_to_json(order(tmp_path / "store")))
    assert main(["backup-job", "--result", str(result)]) == 0
    assert isinstance(result_from_json(result.read_text()), Complete)
    monkeypatch.setenv(VARIABLE, json.dumps({"kind": "BackupOrder"}))
    assert main(["backup-job", "--result", str(result)]) == 1
    failed = result_from_json(result.read_text())
    assert isinstance(failed, Failed) and failed.reason is Reason.INVALID and "uid" in failed.message
