"""Each guard of the planner is taken out by one patch, and the scenario that shows it must fail.

The crash model has its own list, in `tests/properties/test_mirror_seeded_bugs.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from tests.support.worlds.mirror import World
from tests.unit.mirror import test_again as again
from tests.unit.mirror import test_finalize as endings
from tests.unit.mirror import test_handover as handover
from tests.unit.mirror import test_policies as policies
from tests.unit.mirror import test_replaced as replaced
from tests.unit.mirror import test_restored as restored
from tests.unit.mirror import test_stale as stale
from zkoperator.controller import status_writer
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_SYNCS
from zkoperator.mirror import finalize as ending
from zkoperator.mirror import reconcile
from zkoperator.mirror.model.merge_base import short
from zkoperator.mirror.model.names import APPROVE_ANNOTATION
from zkoperator.mirror.observe import observer, resource, subtree
from zkoperator.mirror.plan import decisions, guard, merge, plan, recall, refusal, steps

Scenario = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Bug:
    """What is wrong, where, what stands there instead, and the scenario that must notice."""

    name: str
    where: Any
    what: str
    instead: Any
    scenario: Scenario

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def _any_resolution(key: str, _zookeeper: Any, _config_map: Any, given: Any) -> Any:
    return given.resolve.get(key)


def _approval_kept(planned: Any, sync: Any) -> Any:
    changed = _SPENT(planned, sync)
    changed.pop(APPROVE_ANNOTATION, None)
    return changed


def _without_flapping(state: Any, rules: Any) -> Any:
    return _DECIDE(replace(state, flaps=False), rules)


async def _silence(_self: Any, _sync: Any, _state: Any) -> None:
    return None


async def _current_before_the_answer(self: Any, key: Any, resource: Any) -> Any:
    resource.is_stale = False
    return await self._api.get(CONFIG_SYNCS, *key)


async def _current_whatever_was_heard(self: Any, key: Any, resource: Any) -> Any:
    found = await self._api.get(CONFIG_SYNCS, *key)
    resource.is_stale = False
    return found


async def _status_of_any_version(self: Any, raw: Any, status: Any) -> Any:
    key = raw["metadata"]["namespace"], raw["metadata"]["name"]
    return await self._api.patch(CONFIG_SYNCS, *key, {"status": status}, subresource="status")


def _only_what_is_there(status: Any, uid: Any, ledger: Any, selected: Any) -> Any:
    found = recall.recalled_base(status, uid, ledger, selected)
    if found is None:
        return None
    return replace(found, digests={key: digest for key, digest in found.digests.items() if key not in found.apart})


async def _gone_whoever_it_is(_self: Any, _sync: Any, content: Any) -> bool:
    return content is not None


async def _no_look(_self: Any, _path: str) -> None:
    return None


_SPENT, _DECIDE = reconcile._spent_annotations, merge.decide
BUGS = (
    Bug(
        "the guard counts nothing",
        plan,
        "must_hold",
        lambda *_: False,
        policies.test_a_mass_deletion_waits_for_its_approval_while_other_keys_flow,
    ),
    Bug(
        "one name for every plan",
        plan,
        "plan_hash",
        lambda *_: "0" * 16,
        policies.test_an_approval_is_void_once_the_plan_has_changed,
    ),
    Bug(
        "an approval for ever",
        reconcile,
        "_spent_annotations",
        _approval_kept,
        policies.test_an_approval_is_used_up_and_the_same_loss_later_waits_again,
    ),
    Bug(
        "a resolution of whatever comes",
        decisions,
        "_resolution",
        _any_resolution,
        policies.test_a_resolution_never_settles_an_edit_that_came_after_it,
    ),
    Bug(
        "a resolution for ever",
        reconcile,
        "_spent_annotations",
        lambda *_: {},
        policies.test_a_resolution_loses_each_key_as_it_is_settled,
    ),
    Bug(
        "an adoption of one transaction",
        steps,
        "_adopting",
        lambda *_: frozenset(),
        partial(policies.test_an_adoption_of_more_than_one_transaction_is_carried_out_whole, policy="PreferConfigMap"),
    ),
    Bug(
        "an adoption that is forgotten in a crash",
        steps,
        "_adopting",
        lambda *_: frozenset(),
        policies.test_an_adoption_that_is_interrupted_between_its_writes_goes_on,
    ),
    Bug(
        "a preference that deletes",
        merge,
        "_value",
        lambda *_: b"something",
        partial(policies.test_a_preference_deletes_nothing_that_is_to_be_retained, policy="PreferZooKeeper"),
    ),
    Bug(
        "no detachment",
        steps,
        "_record",
        lambda *_: None,
        policies.test_retained_keys_are_detached_and_stay_so_across_restarts,
    ),
    Bug(
        "a resolution that flapping overrides",
        decisions,
        "decide",
        _without_flapping,
        partial(
            policies.test_a_resolution_of_a_flapping_key_takes_the_side_that_it_names, side="zookeeper", value=b"zk"
        ),
    ),
    Bug(
        "silence while all writes fail",
        reconcile.MirrorReconciler,
        "_report_failing",
        _silence,
        policies.test_writes_that_all_fail_are_told,
    ),
    Bug(
        "a backup taken for news",
        plan,
        "is_reverted",
        lambda *_: False,
        partial(restored.test_a_restored_backup_reverts_nothing_without_approval, direction="TwoWay"),
    ),
    Bug(
        "an absence taken for a deletion",
        guard,
        "_newest_above",
        lambda *_: 1 << 62,
        restored.test_a_restored_backup_deletes_nothing_that_is_younger_than_it,
    ),
    Bug(
        "a conflict taken for a backup",
        steps,
        "_apart",
        lambda *_: frozenset(),
        restored.test_keys_in_conflict_are_no_restored_backup_once_others_have_flowed,
    ),
    Bug(
        "a replaced root taken for another ensemble",
        steps,
        "_held_root",
        lambda *_: 0,
        restored.test_deletions_of_a_replaced_root_stay_held_while_its_keys_flow,
    ),
    Bug(
        "a read that failed taken for an answer",
        reconcile.MirrorReconciler,
        "_get",
        _current_before_the_answer,
        partial(stale.test_a_paused_config_sync_writes_nothing_though_its_first_read_failed, error=TransientError("")),
    ),
    Bug(
        "an answer that hides what came after it",
        reconcile.MirrorReconciler,
        "_get",
        _current_whatever_was_heard,
        stale.test_a_change_that_is_told_while_the_config_sync_is_read_is_not_lost,
    ),
    Bug(
        "a name taken for an identity",
        resource.ResourceState,
        "is_of_another",
        lambda *_: False,
        stale.test_a_config_sync_that_was_replaced_between_two_passes_inherits_no_ledger,
    ),
    Bug(
        "a status for whoever has the name",
        status_writer.StatusWriter,
        "write",
        _status_of_any_version,
        stale.test_a_config_sync_that_was_replaced_during_a_pass_is_told_nothing_of_it,
    ),
    Bug(
        "a policy over a ledger of yesterday",
        plan._Planner,
        "_is_settled",
        lambda *_: False,
        stale.test_an_edit_of_what_another_process_has_pushed_is_not_settled_by_a_policy,
    ),
    Bug(
        "no look at what a push was refused at",
        subtree.Subtree,
        "verify_at",
        _no_look,
        again.test_a_parent_that_hides_a_child_stays_and_the_others_go_on,
    ),
    Bug(
        "an end that deletes in another ensemble",
        ending,
        "history_of",
        lambda *_: guard.History.SAME,
        endings.test_a_replaced_root_is_left_as_it_is_and_told,
    ),
    Bug(
        "a replaced ConfigMap taken for a new one",
        plan,
        "recalled_base",
        lambda *_: None,
        partial(replaced.test_edits_and_deletions_of_a_replaced_config_map_flow, direction="TwoWay", is_down=True),
    ),
    Bug(
        "a written znode taken for the common value",
        recall,
        "_recalled",
        lambda _mark, znode, _zxid: recall.UNKNOWN if znode is None else short(znode.digest),
        replaced.test_a_znode_that_changed_as_well_is_a_conflict,
    ),
    Bug(
        "a deleted znode taken for a key that is new",
        plan,
        "recalled_base",
        _only_what_is_there,
        replaced.test_a_znode_that_was_deleted_as_well_does_not_come_back_unasked,
    ),
    Bug(
        "a source made up by the operator",
        plan._Planner,
        "_missing_source",
        lambda _: None,
        replaced.test_a_source_that_is_gone_is_never_created_by_the_operator,
    ),
    Bug(
        "no time for whoever deleted it",
        observer.Observer,
        "_creation_wait_s",
        lambda *_: 0.0,
        replaced.test_two_ways_the_one_who_deleted_it_may_create_it_again,
    ),
    Bug(
        "keys of another tree taken for the user's",
        refusal,
        "_is_of_another_tree",
        lambda *_: False,
        handover.test_another_path_under_the_same_name_is_no_union_without_consent,
    ),
    Bug(
        "a renamed ensemble taken for another tree",
        refusal,
        "_is_of_another_tree",
        lambda sync, base, _: base.ensemble != sync.source.ensemble,
        handover.test_the_same_tree_by_another_name_of_its_ensemble_is_joined,
    ),
    Bug(
        "a living owner offered to others",
        observer.Observer,
        "_owner_is_gone",
        _gone_whoever_it_is,
        handover.test_what_a_living_config_sync_owns_is_never_offered,
    ),
    Bug(
        "a moved owner taken for a living one",
        observer,
        "config_map_name_of",
        lambda _: "",
        handover.test_a_living_owner_that_has_left_is_one_that_can_be_taken_over,
    ),
    Bug(
        "another ensemble taken for a new root",
        plan,
        "history_of",
        lambda base, snapshot, ledger, _: guard.history_of(base, snapshot, ledger, base.ensemble if base else ""),
        handover.test_another_ensemble_under_the_same_config_sync_waits_for_approval,
    ),
    Bug(
        "an end that deletes from a backup",
        ending,
        "_is_another_history",
        lambda *_: False,
        endings.test_a_backup_that_was_put_back_is_left_as_it_is_and_told,
    ),
)


@pytest.mark.parametrize("bug", BUGS, ids=str)
async def test_the_scenario_notices(bug: Bug, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = World.until
    monkeypatch.setattr(World, "until", lambda self, probe, *, within_s=0.0: waited(self, probe, within_s=4))
    monkeypatch.setattr(bug.where, bug.what, bug.instead)
    with pytest.raises(AssertionError):
        await bug.scenario(world)
