"""Each of these bugs is put into the real code by one patch, and the crash model must notice it.

A model that lets one of them through has lost its teeth.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.fakes.kube_secrets import KubeWithSecrets
from tests.support.models.mirror_episode import episode
from tests.support.models.mirror_walk import Model
from tests.support.worlds import mirror
from zkoperator.errors import ZkOperatorError
from zkoperator.mirror.apply import applier as apply
from zkoperator.mirror.apply import claims as ledgers
from zkoperator.mirror.model.config_map import Content
from zkoperator.mirror.model.decision import Action
from zkoperator.mirror.model.ledger import Ledger
from zkoperator.mirror.model.merge_base import encode_base
from zkoperator.mirror.model.names import claim_path
from zkoperator.mirror.observe import config_map_cache as target
from zkoperator.mirror.observe import observer as observe
from zkoperator.mirror.plan import decisions, merge, plan, pull, push, steps
from zkoperator.zk import subtree_feed as feed
from zkoperator.zk.port import Set
from zkoperator.zk.snapshot import Snapshot

EPISODES = 150
STEPS = 100

Patch = Callable[[pytest.MonkeyPatch], None]


def _where(sync: Any) -> tuple[Any, str, str]:
    return sync.target.end.resource, sync.namespace, sync.target.name


def no_znode_version(patch: pytest.MonkeyPatch) -> None:
    """Push over any version of the znode."""
    original = push._Builder._set

    def blind(self: Any, path: str, value: bytes, znode: Any) -> None:
        original(self, path, value, znode)
        self._operations[-1] = replace(self._operations[-1], version=-1)

    patch.setattr(push._Builder, "_set", blind)


def no_resource_version(patch: pytest.MonkeyPatch) -> None:
    """Write the ConfigMap over any version."""

    async def send(self: Any, step: Any, values: Any, sync: Any, sides: Any) -> Any:
        if isinstance(step, pull.CreateConfigMap):
            whole = pull.manifest(step, values, sync.target.end, sync.name)
            return await self._api.create(sync.target.end.resource, sync.namespace, whole)
        patch_ = pull.merge_patch(step, values, sync.target.end, sides.config_map.binary_keys())
        return await self._api.patch(*_where(sync), patch_)

    patch.setattr(apply.Applier, "_send", send)


def no_ledger_version(patch: pytest.MonkeyPatch) -> None:
    """A stale owner's push succeeds: neither fenced nor conditional on the ledger."""
    original = push._Builder.build

    def build(self: Any, *, rest: int) -> Any:
        built = original(self, rest=rest)
        last: Any = built.operations[-1]
        return replace(built, operations=(*built.operations[:-1], replace(last, version=-1)))

    patch.setattr(push._Builder, "build", build)
    patch.setattr(push._Builder, "_set", _without_version)


def _without_version(self: Any, path: str, value: bytes, znode: Any) -> None:
    self._operations.append(Set(self._absolute(path), value, -1))


def no_czxid_check(patch: pytest.MonkeyPatch) -> None:
    """Do not notice that another znode of the same version was overwritten."""
    patch.setattr(apply, "_overwritten", lambda _step, _committed: ())


def no_read_after_reconnect(patch: pytest.MonkeyPatch) -> None:
    """Take the snapshot from before a lost connection for the present."""
    original = feed.SubtreeFeed.snapshot
    kept: dict[str, Snapshot] = {}

    def snapshot(self: Any) -> Snapshot | None:
        fresh = original(self)
        if fresh is not None:
            kept[self._root] = fresh
        return fresh or kept.get(self._root)

    patch.setattr(feed.SubtreeFeed, "snapshot", snapshot)


def no_watch_after_reconnect(patch: pytest.MonkeyPatch) -> None:
    """Believe that a persistent watch survives its connection."""
    original = feed.SubtreeFeed._discard

    def lose(self: Any) -> None:
        if self._is_live and self._is_consistent:
            return
        original(self)

    patch.setattr(feed.SubtreeFeed, "_discard", lose)


def base_after_the_data(patch: pytest.MonkeyPatch) -> None:
    """Write the ConfigMap's data first and its base in a second request."""
    original = apply.Applier._send

    async def send(self: Any, step: Any, values: Any, sync: Any, sides: Any) -> Any:
        if isinstance(step, pull.CreateConfigMap):
            return await original(self, step, values, sync, sides)
        whole = pull.merge_patch(step, values, sync.target.end, sides.config_map.binary_keys())
        data = {key: value for key, value in whole.items() if key != "metadata"}
        where = _where(sync)
        written = await self._api.patch(*where, data, resource_version=step.resource_version)
        version = written["metadata"]["resourceVersion"]
        return await self._api.patch(*where, {"metadata": whole["metadata"]}, resource_version=version)

    patch.setattr(apply.Applier, "_send", send)


def base_before_the_data(patch: pytest.MonkeyPatch) -> None:
    """Write the base first: a crash in between pushes the old value back."""
    original = apply.Applier._send

    async def send(self: Any, step: Any, values: Any, sync: Any, sides: Any) -> Any:
        if isinstance(step, pull.CreateConfigMap):
            return await original(self, step, values, sync, sides)
        whole = pull.merge_patch(step, values, sync.target.end, sides.config_map.binary_keys())
        where = _where(sync)
        written = await self._api.patch(*where, {"metadata": whole["metadata"]}, resource_version=step.resource_version)
        data = {key: value for key, value in whole.items() if key != "metadata"}
        return await self._api.patch(*where, data, resource_version=written["metadata"]["resourceVersion"])

    patch.setattr(apply.Applier, "_send", send)


def ledger_after_the_data(patch: pytest.MonkeyPatch) -> None:
    """Push the data in one transaction and the ledger in another."""
    original = apply.Applier._push

    async def push_twice(self: Any, step: Any, sides: Any) -> Any:
        await sides.subscription.subtree.zk.multi(step.operations[:-1])
        return await original(self, replace(step, operations=step.operations[-1:], expected_czxid={}), sides)

    patch.setattr(apply.Applier, "_push", push_twice)


def ledger_ignored(patch: pytest.MonkeyPatch) -> None:
    """Merge with the annotation's base only."""
    patch.setattr(plan, "effective_digests", lambda base, _ledger: dict(base.digests))


def stale_ledger_entries_revived(patch: pytest.MonkeyPatch) -> None:
    """Take ledger entries for newer than the annotation whatever their zxid."""
    patch.setattr(Ledger, "zxid_of", lambda self, _pushed: max(self.mzxid, 1 << 62))
    patch.setattr(Ledger, "last_push_zxid", property(lambda _self: 0))


def picture_older_than_the_push(patch: pytest.MonkeyPatch) -> None:
    """Merge with a snapshot from before the last push."""
    original = feed.SubtreeFeed.snapshot
    kept: dict[int, Snapshot] = {}

    def snapshot(self: Any) -> Snapshot | None:
        fresh = original(self)
        before = kept.get(id(self))
        if fresh is not None:
            kept[id(self)] = fresh
        return before or fresh

    async def recent(_self: Any, subtree: Any, _base: Any, _cache: Any) -> Snapshot | None:
        found: Snapshot | None = subtree.snapshot()
        return found

    patch.setattr(feed.SubtreeFeed, "snapshot", snapshot)
    patch.setattr(observe.Observer, "_recent", recent)


def deletes_from_partial_reads(patch: pytest.MonkeyPatch) -> None:
    """Take the znodes read so far for all there are."""

    def snapshot(self: Any) -> Snapshot | None:
        drawn: Snapshot = self._builder.snapshot(self._zk.last_zxid)
        return drawn if drawn.root_exists else None

    patch.setattr(feed.SubtreeFeed, "snapshot", snapshot)


def last_writer_wins(patch: pytest.MonkeyPatch) -> None:
    """Let ZooKeeper win whenever both sides have changed."""
    original = merge.decide

    def decide(state: Any, rules: Any) -> Action:
        action = original(state, rules)
        return Action.TO_CONFIG_MAP if action is Action.CONFLICT else action

    patch.setattr(decisions, "decide", decide)


def echo_not_recognised(patch: pytest.MonkeyPatch) -> None:
    """Copy a value that both sides have already instead of recording it."""
    original = merge.decide

    def decide(state: Any, rules: Any) -> Action:
        action = original(state, rules)
        return Action.TO_ZOOKEEPER if action is Action.RECORD and rules.pushes else action

    patch.setattr(decisions, "decide", decide)


def record_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Do not write down that both sides have become equal by themselves."""
    patch.setattr(steps, "_record", lambda _item, _digests, _detached: None)


def two_way_without_base(patch: pytest.MonkeyPatch) -> None:
    """Compare both sides only: what is missing on one is created again."""
    patch.setattr(plan, "effective_digests", lambda _base, _ledger: {})


def stale_config_map(patch: pytest.MonkeyPatch) -> None:
    """Trust the informer's store although a later version was written by us, and the ledger knows of it."""
    patch.setattr(Content, "number", property(lambda _self: 0))
    patch.setattr(target.ConfigMapCache, "newest", lambda _self, stored, _now_s: stored)
    patch.setattr(observe.Observer, "_read_config_map", _stored)


async def _stored(self: Any, sync: Any, cache: Any, stored: Any) -> Any:
    cache.must_read = False
    if stored is not None:
        return stored
    return await self._api.get(*_where(sync))


def unknown_outcome_taken_for_success(patch: pytest.MonkeyPatch) -> None:
    """Go on as if a push whose answer was lost had happened."""
    original = apply.Applier._push

    async def hopeful(self: Any, step: Any, sides: Any) -> tuple[str, ...]:
        try:
            overwritten: tuple[str, ...] = await original(self, step, sides)
        except ZkOperatorError:
            sides.ledger.ledger = replace(step.ledger, version=step.ledger.version + 1)
            sides.ledger.is_known = sides.ledger.is_mine = True
            return ()
        return overwritten

    patch.setattr(apply.Applier, "_push", hopeful)


def zxid_of_now_for_an_older_state(patch: pytest.MonkeyPatch) -> None:
    """Stamp the ConfigMap with a zxid that it has not seen yet, and go back later."""
    numbers = iter(range(10**9))

    def stamp(base: Any) -> dict[str, str]:
        return {
            "zkoperator.dev/zxid": f"{base.zxid - next(numbers) % 3:#x}",
            "zkoperator.dev/base": encode_base(base),
        }

    patch.setattr(pull, "_annotations", stamp)


def wrong_side_resolved(patch: pytest.MonkeyPatch) -> None:
    """A deletion on one side is undone instead of carried over."""
    original = merge.decide

    def decide(state: Any, rules: Any) -> Action:
        action = original(state, rules)
        if action is Action.TO_ZOOKEEPER and state.config_map is None and rules.pulls:
            return Action.TO_CONFIG_MAP
        return action

    patch.setattr(decisions, "decide", decide)


def unfenced_takeover(patch: pytest.MonkeyPatch) -> None:
    """A new owner does not fence pushes of a dead one that are still under way, nor does a push check the ledger."""

    original = ledgers.take_ledger

    async def read_only(zk: Any, root: str, claimant: Any, judge: Any, acl: Any, ledger: Ledger | None) -> Any:
        if ledger is None:
            return await original(zk, root, claimant, judge, acl, ledger)
        return replace(ledger, claim_version=(await zk.get(claim_path(root))).stat.version)

    patch.setattr(apply, "take_ledger", read_only)
    no_ledger_version(patch)


BUGS: tuple[Patch, ...] = (
    no_znode_version,
    no_resource_version,
    no_ledger_version,
    no_czxid_check,
    no_read_after_reconnect,
    no_watch_after_reconnect,
    base_after_the_data,
    base_before_the_data,
    ledger_after_the_data,
    ledger_ignored,
    stale_ledger_entries_revived,
    picture_older_than_the_push,
    deletes_from_partial_reads,
    last_writer_wins,
    echo_not_recognised,
    record_forgotten,
    two_way_without_base,
    stale_config_map,
    unknown_outcome_taken_for_success,
    zxid_of_now_for_an_older_state,
    wrong_side_resolved,
    unfenced_takeover,
)


SAMPLE: tuple[Patch, ...] = (
    no_resource_version,
    base_after_the_data,
    base_before_the_data,
    ledger_ignored,
    two_way_without_base,
    stale_config_map,
)
"""Bugs of what an object in Kubernetes is read and written by."""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: str(bug.__name__))
def test_the_model_notices(bug: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    monkeypatch.setattr(Model, "DIRECTIONS", ("TwoWay",))
    assert any(episode(seed, STEPS).violations for seed in range(EPISODES)), "nothing was noticed"


@pytest.mark.parametrize("bug", SAMPLE, ids=lambda bug: str(bug.__name__))
def test_the_model_notices_over_secrets(bug: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "FakeKube", KubeWithSecrets)
    test_the_model_notices(bug, monkeypatch)
