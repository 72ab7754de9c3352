"""Backup Jobs as processes, against real ensembles and real stores; and servers that start from what they stored."""

import asyncio
import json
import secrets
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from testbed import jars
from testbed.buckets import ACCESS_KEY, REGION, SECRET_KEY, BucketServer
from testbed.processes import free_ports
from testbed.zookeepers import Ensemble
from tests.support.machines.backup_jobs import DIRECTORY, Jobs, waiting_server
from tests.support.machines.testbed import EnsembleFactory
from tests.support.waiting import eventually
from zkoperator.backup.drill import prepare, rehearse
from zkoperator.backup.exact_export import ExactExport
from zkoperator.backup.failure import BackupError
from zkoperator.backup.order import (
    S3,
    Complete,
    DeleteOrder,
    DrillOrder,
    Facts,
    Folder,
    Store,
    VerifyOrder,
)
from zkoperator.backup.snapshot_writer import SnapshotWriter
from zkoperator.backup.tree_store import TreeStore
from zkoperator.backup.znode import Znode
from zkoperator.zk.port import CREATOR_ACL, OPEN_ACL, Acl, Create, Credential, Delete, Set, Zk
from zkoperator.zk.session import SessionSettings, connect

SETTINGS = SessionSettings(session_timeout_s=20, request_timeout_s=60)
TOGETHER = [f"/app/t{number}" for number in range(10)]
READER = Acl(1, "digest", "reader:" + "A" * 27 + "=")
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="the server of buckets is a Go module")


@pytest.fixture(params=["folder", pytest.param("bucket", marks=needs_go)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "folder":
        (tmp_path / "store").mkdir()
        yield Folder(str(tmp_path / "store"))
        return
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "accessKeyId").write_text(ACCESS_KEY)
    (keys / "secretAccessKey").write_text(SECRET_KEY)
    with BucketServer() as server:
        bucket = f"b-{secrets.token_hex(8)}"
        server.bucket(bucket)
        yield S3(bucket, "prefix", server.start().endpoint, REGION, credentials=str(keys))


@asynccontextmanager
async def session(ensemble: Ensemble) -> AsyncIterator[Zk]:
    credential = Credential("super", ensemble.password)
    opened = connect(ensemble.hosts.split(","), credential=credential, settings=SETTINGS)
    try:
        yield opened
    finally:
        await opened.close()


async def fill(zk: Zk) -> None:
    """Each kind of value and of ACL, names that sort oddly, a counter that has to go on, and an ephemeral."""
    await zk.multi([Create("/app", b""), Create("/app-x", b""), Create("/app/é.1", b"\0")])
    await zk.multi([Create(path, b"0") for path in TOGETHER])
    await zk.multi([Create(f"/app/n{number}", b"x" * number) for number in range(300)])
    await zk.create(Create("/app/closed", b"secret", CREATOR_ACL))
    await zk.create(Create("/app/shared", b"", (READER, Acl(31, "world", "anyone"), Acl(2, "ip", "10.0.0.1"))))
    await zk.create(Create("/app/large", b"y" * 1_000_000))
    await zk.create(Create("/queue", b""))
    await zk.multi([Create(f"/queue/s-{number}", b"") for number in range(5)])
    await zk.multi([Delete(f"/queue/s-{number}", -1) for number in range(3)])
    await zk.create(Create("/locks", b""))
    await zk.create(Create("/locks/mine", b"", ephemeral=True))


async def everything(zk: Zk) -> dict[str, Znode]:
    """The whole tree, without what servers write each for itself and what a backup leaves out."""
    with closing(TreeStore()) as tree:
        await ExactExport(zk, tree).run()
        found = {znode.path: znode for znode in tree.znodes() if not znode.path.startswith("/zookeeper")}
    return {path: znode for path, znode in found.items() if path != "/" and not path.startswith("/locks")}


def started_from(file: Path, make: EnsembleFactory) -> Ensemble:
    """A server of its own that starts from a snapshot file."""
    ensemble: Ensemble = make(1, start=False)
    place = ensemble.servers[0].directory / "data" / "version-2"
    place.mkdir(parents=True)
    shutil.copy(file, place)
    return ensemble.start()


def mismatches(ensemble: Ensemble) -> int:
    lines = (line.split("\t") for line in ensemble.servers[0].four_letter("mntr").splitlines())
    return int(float(next(value for key, value in lines if key == "zk_digest_mismatches_count")))


async def test_a_server_that_starts_from_a_backup_has_the_same_tree(
    ensembles: EnsembleFactory, store: Store, tmp_path: Path
) -> None:
    ensemble = ensembles(1)
    jobs = Jobs(ensemble, store, tmp_path)
    async with session(ensemble) as zk:
        await fill(zk)
        first, second = jobs.order("b-1"), jobs.order("b-2", is_encrypted=True)
        facts = await jobs.facts(first)
        before = await everything(zk)
        assert (await zk.get("/locks/mine")).stat.ephemeral_owner
        again = await jobs.facts(jobs.order("b-2", is_encrypted=True, previous=facts.location))
    assert (facts.ephemerals_left_out, facts.member, facts.version) == (1, ensemble.servers[0].hosts, jars.VERSIONS[-1])
    assert (again.digest, again.znodes, facts.verified_at is not None) == (facts.digest, facts.znodes, True)
    for order, taken in ((first, facts), (second, again)):
        file = await jobs.fetch(order, taken.location, tmp_path / "fetched" / order.uid)
        restored = started_from(file, ensembles)
        async with session(restored) as zk:
            assert await everything(zk) == before
            assert await zk.exists("/locks/mine") is None
            await zk.set(Set("/app", b"goes on", -1))
        assert mismatches(restored) == 0
        restored.close()
    assert await jobs.run(DeleteOrder("b-1", store, DIRECTORY)) == Complete()
    assert (await jobs.facts(VerifyOrder(store, again.location, key_file=second.key_file))).sha256 == again.sha256


async def test_a_server_counts_a_digest_that_does_not_fit(ensembles: EnsembleFactory, tmp_path: Path) -> None:
    """So that a count of 0 above says something."""
    ensemble = ensembles(1)
    async with session(ensemble) as zk:
        with closing(TreeStore()) as tree:
            zxid = await ExactExport(zk, tree).run()
            znodes = list(tree.znodes())
    writer = SnapshotWriter(zxid)
    pieces = list(writer.pieces(dict.fromkeys(znode.acl for znode in znodes), znodes))
    forged = SnapshotWriter(zxid)
    forged.digest = 1
    forged_pieces = list(forged.pieces(dict.fromkeys(znode.acl for znode in znodes), znodes))
    assert forged_pieces != pieces
    file = tmp_path / f"snapshot.{zxid:x}"
    file.write_bytes(b"".join(forged_pieces))
    assert mismatches(started_from(file, ensembles)) > 0


async def test_a_backup_under_writes_holds_no_multi_in_part(ensembles: EnsembleFactory, tmp_path: Path) -> None:
    ensemble = ensembles(3)
    (tmp_path / "store").mkdir()
    jobs = Jobs(ensemble, Folder(str(tmp_path / "store")), tmp_path)
    async with session(ensemble) as zk:
        await fill(zk)
        writing = asyncio.create_task(write(zk))
        location: str | None = None
        for number in range(5):
            facts = await jobs.facts(jobs.order(f"b-{number}", previous=location))
            location = facts.location
            assert facts.member in {follower.hosts for follower in ensemble.followers()}
        assert not writing.done()
        writing.cancel()
    file = await jobs.fetch(jobs.order("b-4"), str(location), tmp_path / "fetched")
    restored = started_from(file, ensembles)
    async with session(restored) as zk:
        found = await everything(zk)
    assert len({found[path].data for path in TOGETHER}) == 1
    assert found["/app"].stat.num_children == sum(path.startswith("/app/") for path in found)
    assert mismatches(restored) == 0


async def write(zk: Zk) -> None:
    """Ten znodes always say the same; others come and go, with ACLs that nobody had before."""
    for number in range(1, 1_000_000):
        come = Create(f"/app/new{number}", b"", (*OPEN_ACL, Acl(1, "ip", f"10.0.{number % 200}.{number % 250}")))
        go = [Delete(f"/app/new{number - 20}", -1)] if number > 20 else []
        await zk.multi([*(Set(path, b"%d" % number, -1) for path in TOGETHER), come, *go])


@pytest.mark.parametrize("moment", ["data", "manifest"])
async def test_a_job_that_is_killed_leaves_no_backup_or_a_whole_one(
    zookeeper: Ensemble, tmp_path: Path, moment: str
) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    jobs = Jobs(zookeeper, Folder(str(folder)), tmp_path)
    appeared: dict[str, Callable[[Path], bool]] = {
        "data": lambda path: ".snapshot." in path.name,
        "manifest": lambda path: path.name == "manifest.json",
    }
    killed = jobs.start(jobs.order("b-1"))
    await eventually(lambda: any(appeared[moment](path) for path in folder.rglob("*")), within_s=120, every_s=0.002)
    killed.send_signal(signal.SIGKILL)
    await asyncio.to_thread(killed.communicate)
    facts = await jobs.facts(jobs.order("b-1"))
    await jobs.facts(VerifyOrder(jobs.store, facts.location))
    manifests = [json.loads(path.read_text()) for path in folder.rglob("manifest.json")]
    assert [manifest["backup"]["location"] for manifest in manifests] == [facts.location]


@pytest.fixture
async def taken(ensembles: EnsembleFactory, tmp_path: Path) -> tuple[Jobs, Facts]:
    """A backup of a tree of every kind of znode, in a folder."""
    ensemble = ensembles(1)
    (tmp_path / "store").mkdir()
    jobs = Jobs(ensemble, Folder(str(tmp_path / "store")), tmp_path)
    async with session(ensemble) as zk:
        await fill(zk)
        facts = await jobs.facts(jobs.order("b-1"))
    ensemble.close()
    return jobs, facts


def drill_of(jobs: Jobs, facts: Facts, folder: Path) -> DrillOrder:
    folder.mkdir(parents=True)
    return DrillOrder(jobs.store, facts.location, str(folder), tuple(free_ports("127.0.0.1", 3)), deadline_s=240)


async def test_a_drill_passes_when_a_server_leads_with_the_same_tree_and_takes_a_write(
    taken: tuple[Jobs, Facts], tmp_path: Path
) -> None:
    jobs, facts = taken
    order = drill_of(jobs, facts, tmp_path / "drill" / "shared")
    with waiting_server(Path(order.folder)):
        assert (await jobs.facts(order)).zxid == facts.zxid


async def test_a_server_with_another_tree_fails_the_drill(taken: tuple[Jobs, Facts], tmp_path: Path) -> None:
    """Whole by its seals, and not what the manifest says: only a server that has started can tell."""
    jobs, facts = taken
    order = drill_of(jobs, facts, tmp_path / "drill" / "shared")
    prepare(Path(order.folder), order.ports)
    await jobs.facts(VerifyOrder(jobs.store, facts.location, target=str(Path(order.folder) / "data" / "version-2")))
    with waiting_server(Path(order.folder)), pytest.raises(BackupError, match="znodes, the backup has"):
        await rehearse(Path(order.folder), facts.znodes + 1, order.ports[0])
