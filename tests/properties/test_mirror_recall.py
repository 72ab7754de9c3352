"""What was common to both sides, after the ConfigMap was written whole, against a witness that knows only the page."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.models import mirror_bugs
from tests.support.models.recall_walk import walk
from tests.support.models.seeds import replaced, rewritten
from zkoperator.mirror.model.merge_base import Base, short
from zkoperator.mirror.model.selected_znodes import SelectedZnodes
from zkoperator.mirror.observe.config_map_cache import ConfigMapCache
from zkoperator.mirror.plan import guard, merge, plan, recall

WALKS, SHARE = 120, 40


@pytest.mark.parametrize("first", range(0, WALKS, SHARE))
def test_a_config_map_that_is_written_whole_becomes_what_the_page_says(first: int) -> None:
    for seed in range(first, first + SHARE):
        assert walk(seed) == [], f"seed {seed}"


@pytest.mark.exhaustive
@pytest.mark.parametrize("first", range(10_000, 14_000, 400))
def test_so_it_does_in_many_further_walks(first: int) -> None:
    for seed in range(first, first + 400):
        assert walk(seed) == [], f"seed {seed}"


_RECALLED = recall.recalled_base


def _with_every_znode(status: Any, uid: Any, ledger: Any, selected: SelectedZnodes) -> Base | None:
    found = _RECALLED(status, uid, ledger, selected)
    if found is None:
        return None
    every = {key: short(znode.digest) for key, znode in selected.keys.items()}
    return replace(found, digests={**every, **found.digests})


def _from_znodes_alone(status: Any, uid: str, ledger: Any, selected: SelectedZnodes) -> Base | None:
    found = _RECALLED(status, uid, ledger, selected)
    digests = {key: short(znode.digest) for key, znode in selected.keys.items()}
    return found if found is not None else Base(uid, 1, digests=digests)


def _history_without_ledger(base: Base | None, *given: Any) -> guard.History:
    return guard.history_of(replace(base, ledger_czxid=0) if base is not None else None, *given)


def _none_pushed(_since: Mapping[str, Any], *_: Any) -> dict[str, bytes]:
    return {}


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "the operator that wrote the ConfigMap last knows what was common": replaced(
        ConfigMapCache, "carried", lambda _: None
    ),
    "a key that the status names has the value of its znode": replaced(recall, "recalled_base", lambda *_: None),
    "the value of a znode that was written since is unknown": replaced(
        recall, "_recalled", mirror_bugs.recalled_as_found
    ),
    "a znode that was deleted since had a value": replaced(recall, "recalled_base", mirror_bugs.without_deleted_znodes),
    "what was pushed since is known": replaced(recall, "_pushed", _none_pushed),
    "what was pushed and written since is unknown": rewritten(
        recall, "_pushed", "digests[key] = UNKNOWN", "digests[key] = item.digest"
    ),
    "a key that waited had a value": replaced(plan, "common_of", mirror_bugs.common_where_equal),
    "the znode of a conflict is no common value": rewritten(recall, "_recalled", "mark == UNKNOWN or ", ""),
    "a key that nobody names is new": replaced(recall, "recalled_base", _with_every_znode),
    "without the status all keys are new": replaced(recall, "recalled_base", _from_znodes_alone),
    "without the ledger nothing is written": replaced(plan, "history_of", _history_without_ledger),
    "one way the source wins over what is unknown": replaced(merge, "_one_way", lambda _: None),
    "deletions that follow from it are counted": replaced(plan, "must_hold", lambda *_: False),
}


@pytest.mark.parametrize("rule", BUGS)
def test_an_operator_without_this_rule_is_noticed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[rule](monkeypatch)
    assert any(walk(seed) for seed in range(WALKS)), "nothing was noticed"
