"""Each rule about keys, values and restarts is taken out by one patch, and the scenario that shows it must fail."""

import re
from functools import partial
from typing import Any

import pytest

from tests.support.worlds.mirror import World
from tests.unit.mirror import test_keys, test_parents, test_rollout
from tests.unit.mirror.test_seeded_guards import Bug
from zkoperator.api.workloads import WorkloadKind, WorkloadRollout
from zkoperator.mirror.apply import rollout as apply
from zkoperator.mirror.model import keys, merge_base, selected_znodes, selection
from zkoperator.mirror.model import rollout as restarts
from zkoperator.mirror.plan import decisions, push
from zkoperator.mirror.status import rollouts, status

_REASON, _HASH = restarts.reason_without_restart, restarts.content_hash
_NOW = rollouts.rollouts_now


def _by_the_mark_alone(workload: Any, _known: Any, content: Any, sync: str) -> Any:
    return _REASON(
        workload,
        WorkloadRollout(kind=WorkloadKind.DEPLOYMENT, name="web", uid=workload["metadata"]["uid"], hash="x"),
        content,
        sync,
    )


BUGS = (
    Bug(
        "whatever has no children is a key",
        selected_znodes,
        "holds_children",
        lambda znode: znode.num_children > 0,
        partial(
            test_parents.test_a_lock_beside_the_configuration_is_no_key_and_restarts_nothing,
            direction="ZooKeeperToConfigMap",
        ),
    ),
    Bug(
        "an empty key of the ConfigMap taken for one of a leaf",
        push,
        "EMPTY_PUSHED",
        merge_base.EMPTY_DIGEST,
        test_parents.test_an_empty_key_of_the_config_map_stays_whoever_comes_and_goes_below_its_znode,
    ),
    Bug(
        "an empty key of both sides taken for one of a leaf",
        decisions,
        "_as_recorded",
        lambda _action, zookeeper, _rules: zookeeper,
        test_parents.test_an_empty_key_on_both_sides_at_first_stays_when_its_znode_becomes_a_parent,
    ),
    Bug(
        "a pushed empty key that outlives its znode",
        decisions,
        "value_digest",
        lambda digest: None if digest == merge_base.EMPTY_PUSHED else digest,
        test_parents.test_an_empty_key_that_the_config_map_had_first_goes_with_its_znode,
    ),
    Bug(
        "restarts decided by the mark alone",
        apply,
        "reason_without_restart",
        _by_the_mark_alone,
        test_rollout.test_a_workload_that_was_created_after_the_content_is_not_restarted_for_it,
    ),
    Bug(
        "a new workload takes the marks of now for news",
        restarts,
        "has_content",
        lambda *_: False,
        test_rollout.test_a_manifest_that_is_applied_again_restarts_nothing_also_after_a_restart_of_the_operator,
    ),
    Bug(
        "every young workload has everything",
        apply,
        "reason_without_restart",
        lambda workload, _known, content, sync: _REASON(workload, None, content, sync),
        test_rollout.test_a_workload_that_was_created_after_the_content_is_not_restarted_for_it,
    ),
    Bug(
        "a hash of all keys",
        restarts,
        "content_hash",
        lambda content, _selection=None: _HASH(content),
        test_rollout.test_a_key_that_is_not_selected_restarts_nothing,
    ),
    Bug(
        "another selection taken for other values",
        status,
        "rollouts_now",
        lambda known, workloads, _former, content, found: _NOW(known, workloads, "", content, found),
        test_rollout.test_selecting_fewer_keys_restarts_nothing,
    ),
    Bug(
        "each ConfigSync for itself",
        restarts.PendingMarks,
        "marks",
        lambda *_: {},
        test_rollout.test_one_transaction_over_two_config_syncs_of_a_workload_restarts_it_once,
    ),
    Bug(
        "a missing workload in silence",
        apply,
        "_failed",
        lambda _workload, _known, _reason: 60.0,
        test_rollout.test_a_workload_that_is_missing_is_told_and_holds_up_nothing,
    ),
    Bug(
        "globs for paths alone",
        selection.Selection,
        "takes_key",
        lambda *_: True,
        partial(test_keys.test_a_key_that_is_no_path_is_left_out_as_its_message_says, key="__init__.py"),
    ),
    Bug(
        "the meant path forgotten",
        selected_znodes,
        "literal_path",
        lambda key: key,
        test_keys.test_a_selected_key_that_is_no_path_is_still_told,
    ),
    Bug(
        "advice that decodes",
        keys,
        "literal_path",
        lambda key: keys._decode(key) or key,
        partial(test_keys.test_the_advice_about_a_key_that_is_no_path_makes_the_znode_of_that_name, key="tls_x509.pem"),
    ),
    Bug(
        "a text for whatever is UTF-8",
        keys,
        "_NOT_IN_YAML",
        re.compile(r"(?!)"),
        partial(test_keys.test_a_value_that_yaml_cannot_carry_stands_in_binary_data, value="\x7f"),
    ),
)


@pytest.mark.parametrize("bug", BUGS, ids=str)
async def test_the_scenario_notices(bug: Bug, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = World.until
    monkeypatch.setattr(World, "until", lambda self, probe, *, within_s=0.0: waited(self, probe, within_s=4))
    monkeypatch.setattr(bug.where, bug.what, bug.instead)
    with pytest.raises(AssertionError):
        await bug.scenario(world)
