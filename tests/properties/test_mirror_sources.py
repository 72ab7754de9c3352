"""Several subtrees together are what all of them were at one zxid, whatever happens on the wire; the later wins."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes.zk import FakeZkServer, Fault
from tests.support.models.seeds import rewritten
from tests.support.models.zk_transactions import History
from zkoperator.mirror.model.keys import written
from zkoperator.mirror.model.merge_base import DIGEST_BYTES, Base, decode_base, encode_base
from zkoperator.mirror.model.meter import UNMETERED
from zkoperator.mirror.model.naming import Naming
from zkoperator.mirror.model.parts import Part
from zkoperator.mirror.model.selected_znodes import select_znodes
from zkoperator.mirror.model.selection import Selection
from zkoperator.mirror.observe import subtree
from zkoperator.mirror.observe.read_timer import ReadTimer
from zkoperator.mirror.observe.subtree import Endpoint, Subtree
from zkoperator.runtime.clock import MONOTONIC
from zkoperator.zk.port import Create, Delete, MultiError, Operation, Set
from zkoperator.zk.read_permits import ReadPermits
from zkoperator.zk.snapshot import Snapshot
from zkoperator.zk.snapshot_builder import SubtreeLimits

ROOTS = ("/a", "/b", "/c")
NAMES = ("x", "y", "x/z")


class _Run:
    """One seeded run: transactions over all subtrees, lost connections, and every snapshot that could be read."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.server = FakeZkServer(rng=self.rng)
        self.histories = {root: History(root) for root in ROOTS}
        self.server.write(*(Create(root, b"") for root in ROOTS), Create("/elsewhere", b""))
        self._note()
        self.snapshots: list[Snapshot] = []
        self.zk = self.server.session()
        timer = ReadTimer(self.zk, ROOTS, UNMETERED, MONOTONIC.now_s)
        endpoint = Endpoint(("zk:2181",), None, ROOTS, is_list=True)
        self.subtree = Subtree(endpoint, self.zk, ReadPermits(8), SubtreeLimits(), self._look, timer)

    def _note(self) -> None:
        for history in self.histories.values():
            history.note(self.server.tree)

    def _look(self) -> None:
        if (snapshot := self.subtree.snapshot()) is not None:
            self.snapshots.append(snapshot)

    def _write(self) -> None:
        ops = [self._operation() for _ in range(self.rng.choice((1, 2, 3)))]
        if self.rng.random() < 0.1:
            ops = [Set("/elsewhere", self.rng.randbytes(2), -1)]
        try:
            self.server.write(*ops)
        except MultiError:
            return
        self._note()

    def _operation(self) -> Operation:
        root = self.rng.choice(ROOTS)
        path = f"{root}/{self.rng.choice(NAMES)}"
        whole: tuple[Operation, ...] = (Delete(root, -1), Create(root, b""))
        return self.rng.choice((Create(path, self.rng.randbytes(2)), Set(path, self.rng.randbytes(2), -1), *whole))

    async def go(self) -> None:
        for _ in range(80):
            self._write()
            if self.rng.random() < 0.05:
                self.rng.choice(
                    (lambda: self.server.disconnect(self.zk), lambda: self.server.inject(Fault.DROP_AFTER))
                )()
            for _ in range(self.rng.randrange(8)):
                await asyncio.sleep(0)
                self._look()
        for _ in range(2000):
            await asyncio.sleep(0)
        self._look()
        await self.subtree.close()

    def check(self) -> None:
        """Compare each snapshot with the states of all subtrees at its zxid."""
        assert self.snapshots
        assert self.snapshots[-1].zxid >= max(history.zxids[-1] for history in self.histories.values())
        for snapshot in self.snapshots:
            expected: dict[str, tuple[object, ...]] = {}
            for root, history in self.histories.items():
                state = history.at(snapshot.zxid)
                expected |= {f"{root}/{path}".rstrip("/")[1:]: znode[:3] for path, znode in state.items()}
                assert (root[1:] in snapshot.nodes) == bool(state)
            found = {path: (node.digest, node.czxid, node.mzxid) for path, node in snapshot.nodes.items()}
            assert found == expected
            assert snapshot.root_exists == all(root[1:] in expected for root in ROOTS)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32))
async def test_several_subtrees_are_what_all_of_them_were_at_one_zxid(seed: int) -> None:
    run = _Run(seed)
    await run.go()
    run.check()
    zxids = [snapshot.zxid for snapshot in run.snapshots]
    assert zxids == sorted(zxids)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if len(parts) < len(self._feeds):", "if not parts:"),
        ("self.zk.last_zxid", "min(part.zxid for part in parts)"),
        ("any(part is not known for", "all(part is not known for"),
    ],
    ids=["composed of what is there", "as old as the oldest", "composed again only when all have changed"],
)
async def test_another_composition_is_noticed(old: str, new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rewritten(subtree, "Subtree.snapshot", old, new)(monkeypatch)
    with pytest.raises(AssertionError):
        await _many()


async def _many() -> None:
    for seed in range(40):
        run = _Run(seed)
        await run.go()
        run.check()


_TREES = st.dictionaries(st.sampled_from(("x", "y", "x/z", "z")), st.binary(min_size=1, max_size=2), max_size=4)
_PREFIXES = st.sampled_from(("", "x", "x__", "y."))


@settings(max_examples=100, deadline=None)
@given(trees=st.lists(st.tuples(_TREES, _PREFIXES), min_size=1, max_size=4))
async def test_the_last_subtree_that_has_a_key_gives_its_value(trees: list[tuple[dict[str, bytes], str]]) -> None:
    """The witness writes the keys of one subtree after the other into one map."""
    server = FakeZkServer()
    expected: dict[str, bytes] = {}
    for number, (tree, prefix) in enumerate(trees):
        server.write(Create(f"/r{number}", b""))
        for path, value in sorted(tree.items()):
            if path == "x/z" and "x" not in tree:
                server.write(Create(f"/r{number}/x", b""))
            server.write(Create(f"/r{number}/{path}", value))
        expected |= {prefix + written(path): value for path, value in tree.items()}
    roots = tuple(f"/r{number}" for number in range(len(trees)))
    zk = server.session()
    timer = ReadTimer(zk, roots, UNMETERED, MONOTONIC.now_s)
    endpoint = Endpoint(("zk:2181",), None, roots, is_list=True)
    whole = Subtree(endpoint, zk, ReadPermits(8), SubtreeLimits(), lambda: None, timer)
    while (snapshot := whole.snapshot()) is None:
        await asyncio.sleep(0)
    await whole.close()
    parts = tuple(Part(root[1:], prefix) for root, (_, prefix) in zip(roots, trees, strict=True))
    selected = select_znodes(snapshot, Selection("/", naming=Naming(shortens=True, parts=parts)))
    assert {key: znode.data for key, znode in selected.keys.items()} == expected


_NAMES = st.sampled_from(("x", "y", "a.b", "a", "b", "conf", "c_d"))
_PATHS = st.lists(_NAMES, max_size=3).map("/".join)


@settings(max_examples=150, deadline=None)
@given(
    paths=st.lists(st.tuples(st.integers(0, 2), _PATHS), max_size=8),
    separator=st.sampled_from(("__", ".")),
    strip=st.sampled_from(("", "conf__", "a")),
)
async def test_a_base_has_the_path_of_every_key(paths: list[tuple[int, str]], separator: str, strip: str) -> None:
    parts = (Part("r0"), Part("deep/r1", "p."), Part("r2", "x"))
    naming = Naming(separator, strip, parts=parts)
    absolute = [f"{parts[number].path}/{path}".rstrip("/") for number, path in paths]
    known = {str(naming.key_of(path)): path for path in absolute}
    digests = dict.fromkeys(known, b"0" * DIGEST_BYTES)
    base = Base("uid", 1, {"/r0": frozenset({1})}, digests=digests, naming=naming, paths=known, path="/r0")
    assert decode_base(encode_base(base)) == base
