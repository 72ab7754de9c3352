"""What is too large, or refused: it alone stays behind, it is named, and the rest flows."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.fakes.zk import FakeZk, Fault
from tests.support.worlds.mirror import FAST, ROOT, World, running
from zkoperator.errors import FieldError, InvalidError, TooLargeError
from zkoperator.kube.port import CONFIG_MAPS, Manifest, Resource
from zkoperator.mirror.model.config_map import Content, Held
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.push_limits import MAX_REQUEST_BYTES, PushLimits
from zkoperator.mirror.model.selected_znodes import select_znodes
from zkoperator.mirror.model.selection import Selection
from zkoperator.mirror.plan.pull import STORED_LIMIT, fit_values
from zkoperator.mirror.plan.push import Edit, PushInput, plan_push
from zkoperator.runtime.outcome import Outcome, Pass
from zkoperator.zk.codes import Subject, error_of
from zkoperator.zk.port import Acl, Children, Committed, ConnectionState, Create, Delete, MultiError, Operation, Set
from zkoperator.zk.request_sizes import multi_bytes
from zkoperator.zk.snapshot import Snapshot, Znode, digest_of
from zkoperator.zk.snapshot_builder import SnapshotBuilder

LONG_ROOT = "/" + "r" * 56
READ_ONLY = (Acl(1, "world", "anyone"),)


def _given(root: str = LONG_ROOT, limits: PushLimits | None = None) -> PushInput:
    snapshot = Snapshot(root, 10, {"": Znode(digest_of(b""), b"", 1, 1, 1, 0, 0, 0, 0)})
    return PushInput(
        selected=select_znodes(snapshot, Selection(root)),
        ledger=Ledger(version=3, czxid=1, mzxid=1),
        sync_uid="0" * 36,
        annotated_zxid=1,
        resource_version="1",
        limits=limits or PushLimits(),
    )


def _deep(number: int) -> Edit:
    path = f"level-one-{number:04}/level-two-{number:04}/level-three-{number:04}/{'n' * 20}-{number:04}"
    return Edit(path.replace("/", "__"), path, b"v" * 500)


def test_root_parents_and_ledger_count_towards_the_size_of_a_push() -> None:
    left, keys, transactions = [_deep(number) for number in range(1000)], set[str](), 0
    while left:
        push, oversized = plan_push(left, _given())
        assert push is not None
        assert not oversized
        assert multi_bytes(push.operations) <= MAX_REQUEST_BYTES
        keys |= set(push.keys)
        left = [edit for edit in left if edit.key not in keys]
        assert push.rest == len(left)
        transactions += 1
    assert len(keys) == 1000
    assert 1 < transactions < 6


def test_a_key_that_no_transaction_has_room_for_is_left_out_and_the_rest_is_pushed() -> None:
    edits = [Edit("a", "a", b"x" * 5000), Edit("b", "b", b"1"), Edit("c", "c", b"2")]
    push, oversized = plan_push(edits, _given(limits=PushLimits(split_bytes=1500, request_bytes=2000)))
    assert oversized == {"a"}
    assert push is not None
    assert set(push.keys) == {"b", "c"}


async def test_a_large_edit_of_deep_keys_arrives_whole(world: World) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    edits = [_deep(number) for number in range(1000)]
    world.edit(**{edit.key: "v" * 500 for edit in edits})
    await world.until(lambda: all(world.at(edit.path) == b"v" * 500 for edit in edits), within_s=30)
    await world.until_in_sync()


async def test_a_push_that_is_refused_for_its_size_is_halved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ensemble whose limit is lower than ours."""
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    original = FakeZk.multi

    async def strict(self: FakeZk, ops: Sequence[Operation]) -> Committed:
        if multi_bytes(ops) > 200_000:
            raise TooLargeError((FieldError("multi", "too large"),))
        return await original(self, ops)

    monkeypatch.setattr(FakeZk, "multi", strict)
    world.edit(**{f"k{number:03}": "v" * 4_000 for number in range(120)})
    await world.until(lambda: world.at("k119") == b"v" * 4_000, within_s=30)
    await world.until_in_sync()


async def test_a_key_whose_push_always_costs_the_connection_is_named_and_the_rest_flows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server cuts the connection on what is larger than its jute.maxbuffer."""
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    original = FakeZk.multi

    async def cut(self: FakeZk, ops: Sequence[Operation]) -> Committed:
        if multi_bytes(ops) > 250_000:
            world.zk.inject(Fault.DROP_BEFORE, "multi")
        return await original(self, ops)

    monkeypatch.setattr(FakeZk, "multi", cut)
    world.edit(huge="x" * 300_000, fine="1")
    await world.until_reason("TooLarge")
    assert "huge" in world.message()
    await world.until(lambda: world.at("fine") == b"1")
    world.edit(fine="2")
    await world.until(lambda: world.at("fine") == b"2")


def _held(length: int) -> Held:
    return Held(digest_of(b""), length, binary=False)


def _znode(length: int) -> Znode:
    return Znode(digest_of(b""), None, 1, 1, 1, 0, 0, 0, length)


def test_names_and_annotations_count_towards_what_etcd_takes() -> None:
    names = {f"{number:05}-{'n' * 240}": _znode(10) for number in range(6000)}
    content = Content("shop", "1", "1", {"held": _held(900_000)}, "", 100_000, "shop", None, immutable=False)
    fitting, refused = fit_values(names, frozenset(), content)
    assert fitting
    assert refused
    assert 1_000_000 + sum(2 * len(key) + 10 for key in fitting) < STORED_LIMIT


async def test_a_value_that_the_api_server_does_not_take_is_named_and_the_rest_flows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tree(small="1", other="1")
    world.sync()
    await world.until_in_sync()
    taken = world.kube.patch

    async def strict(resource: Resource, namespace: str, name: str, patch: Manifest, **options: Any) -> Manifest | None:
        if resource is CONFIG_MAPS and "huge" in (patch.get("data") or {}):
            raise TooLargeError((FieldError("ConfigMap", "etcdserver: request is too large"),))
        return await taken(resource, namespace, name, patch, **options)

    monkeypatch.setattr(world.kube, "patch", strict)
    world.write(Create(f"{ROOT}/huge", b"x" * 9_000), Set(f"{ROOT}/small", b"2", -1))
    await world.until(lambda: world.data() == {"small": b"2", "other": b"1"})
    await world.until_reason("TooLarge")
    assert "huge" in world.message()
    world.node("other", "2")
    await world.until(lambda: (world.data() or {})["other"] == b"2")


async def test_a_first_push_below_a_parent_without_permission_is_told_with_its_path(world: World) -> None:
    world.write(Create("/locked", b"", READ_ONLY))
    world.config_map(a="1")
    world.sync(path="/locked/deep/root", direction="ConfigMapToZooKeeper")
    await world.until_reason("Forbidden")
    assert "/locked/deep" in world.message()
    world.zk.set_acl("/locked", (Acl(31, "world", "anyone"),))
    await world.until(lambda: world.znode("/locked/deep/root/a") == b"1")
    await world.until_in_sync()


async def test_a_parent_that_may_not_be_pruned_stays_and_the_key_goes(world: World) -> None:
    world.tree(keep="1")
    world.sync()
    await world.until_in_sync()
    world.edit(ours__x="1")
    await world.until(lambda: world.at("ours/x") == b"1")
    await world.until_in_sync()
    world.zk.set_acl(ROOT, (Acl(31 - 8, "world", "anyone"),))
    world.edit(ours__x=None, keep="2")
    await world.until(lambda: world.at("ours/x") is None)
    await world.until(lambda: world.at("keep") == b"2")
    assert world.at("ours") == b""


async def test_a_key_that_breaks_a_quota_is_named_and_the_rest_flows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    original = FakeZk.multi

    async def limited(self: FakeZk, ops: Sequence[Operation]) -> Committed:
        for index, op in enumerate(ops):
            if op.path.endswith("/fat"):
                raise MultiError(index, InvalidError((FieldError(op.path, "the quota is exceeded"),)))
        return await original(self, ops)

    monkeypatch.setattr(FakeZk, "multi", limited)
    world.edit(fat="x" * 100, fine="1")
    await world.until(lambda: world.at("fine") == b"1")
    await world.until_reason("KeyInvalid")
    assert "fat" in world.message()
    assert "quota" in world.message()


async def test_a_subtree_over_its_budget_is_told_and_deletes_nothing_and_others_go_on() -> None:
    async with running(dataclasses.replace(FAST, tree_znodes=50)) as world:
        world.tree(a="1")
        world.write(Create("/apps/other", b""), Create("/apps/other/z", b"1"))
        world.sync()
        world.sync("other", path="/apps/other")
        await world.until_in_sync()
        await world.until_in_sync("other")
        world.write(*(Create(f"{ROOT}/k{number}", b"") for number in range(60)))
        await world.until_reason("TooLarge")
        assert "50 znodes" in world.message()
        assert (world.data() or {})["a"] == b"1"
        world.write(Set("/apps/other/z", b"2", -1))
        await world.until(lambda: world.data("other") == {"z": b"2"})
        world.write(*(Delete(f"{ROOT}/k{number}", -1) for number in range(60)))
        await world.until_in_sync()


async def test_a_subtree_with_more_bytes_than_its_budget_is_told() -> None:
    async with running(dataclasses.replace(FAST, tree_bytes=10_000)) as world:
        world.tree(a="x" * 6_000, b="x" * 6_000)
        world.sync(direction="ZooKeeperToConfigMap")
        await world.until_reason("TooLarge")
        assert world.data() is None
        world.node("a", "small")
        await world.until_in_sync()


async def test_a_listing_that_is_too_long_is_told_and_others_on_the_session_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = FakeZk.children

    async def children(self: FakeZk, path: str) -> Children:
        if path == ROOT:
            raise TooLargeError((FieldError(path, "the answer has 17000000 bytes"),))
        return await original(self, path)

    monkeypatch.setattr(FakeZk, "children", children)
    world.tree(a="1")
    world.write(Create("/apps/other", b""), Create("/apps/other/z", b"1"))
    world.sync("other", path="/apps/other")
    await world.until_in_sync("other")
    world.sync()
    await world.until_reason("TooLarge")
    world.write(Set("/apps/other/z", b"2", -1))
    await world.until(lambda: world.data("other") == {"z": b"2"})
    await world.until_in_sync("other")


@pytest.mark.parametrize(("code", "reason"), [(-124, "Forbidden"), (-8, "Disconnected")])
async def test_an_ensemble_that_refuses_to_be_followed_is_asked_ever_more_rarely(
    world: World, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    """With `enforce.auth.enabled`, a session without a known identity is ended at its first request."""

    async def add_watch(self: FakeZk, path: str, *, recursive: bool = True) -> None:
        await self.sync(path)
        raise error_of(code, Subject(path, is_write=False))

    monkeypatch.setattr(FakeZk, "add_watch", add_watch)
    world.tree(a="1")
    world.sync()
    await world.until_reason(reason)
    assert ("credentialsSecret" in world.message()) is (reason == "Forbidden")
    assert world.condition("Connected")[0] == "False"
    await asyncio.sleep(0.6)
    assert world.zk._sessions <= 5
    monkeypatch.undo()
    await world.until_in_sync()


async def test_a_defect_while_reading_surfaces_and_is_survived(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[Pass] = []
    world.loop._report = passes.append

    def store(_self: SnapshotBuilder, _path: str, _node: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(SnapshotBuilder, "store", store)
    world.tree(a="1")
    world.sync()
    await world.until(lambda: any(done.outcome is Outcome.UNEXPECTED for done in passes))
    monkeypatch.undo()
    await world.until_in_sync()


async def test_a_closed_session_is_never_handed_out_again(world: World) -> None:
    hosts = ("main:2181",)
    first = await world.pool.lease(hosts, None)
    await first.close()
    second = await world.pool.lease(hosts, None)
    assert second.state is not ConnectionState.CLOSED
    await world.pool.release(first)
    assert await world.pool.lease(hosts, None) is second


async def test_a_pass_that_is_cancelled_while_it_stops_following_gives_the_session_back(world: World) -> None:
    world.tree(a="1")
    key = world.sync()
    await world.until_in_sync()
    await world.quiet()  # a pass that is under way would follow the subtree again
    detaching = asyncio.create_task(world.reconciler._observer.detach(world.reconciler._states.of(key).sides))
    await asyncio.sleep(0)
    detaching.cancel()
    await asyncio.wait((detaching,))
    assert detaching.cancelled()
    assert len(world.pool) == 0


async def test_an_unselected_or_foreign_znode_with_a_long_name_is_nobodys_business(world: World) -> None:
    world.tree(a="1")
    client = world.zk.session()
    await client.create(Create(f"{ROOT}/{'e' * 300}", b"", ephemeral=True))
    world.sync()
    await world.until_in_sync()
    world.write(Create(f"{ROOT}/{'x' * 300}", b"1"))
    await world.until_reason("KeyInvalid")
    world.spec(direction="ConfigMapToZooKeeper")
    await world.until_in_sync()
    await client.close()
