"""`resolve`: which choices are taken, and what they become."""

from typing import Any

import pytest

from zkoperator.cli.commands.resolve import check_conflicts, merged, parse_choices
from zkoperator.cli.view.summary import SyncSummary, sync_summary
from zkoperator.errors import InvalidError


def summary(**status: Any) -> SyncSummary:
    meta = {"name": "shop", "namespace": "demo"}
    return sync_summary({"kind": "ConfigSync", "metadata": meta, "spec": {}, "status": status})


def test_choices_are_read_from_the_last_equals_sign() -> None:
    assert parse_choices(["db__pool=zookeeper", "a=b=ConfigMap"]) == {"db__pool": "zookeeper", "a=b": "configmap"}


@pytest.mark.parametrize("words", [["db__pool"], ["db__pool=both"], ["=zookeeper"], ["a=zookeeper", "a=configmap"]])
def test_a_choice_that_is_none_is_refused(words: list[str]) -> None:
    with pytest.raises(InvalidError):
        parse_choices(words)


def test_only_keys_in_conflict_can_be_resolved() -> None:
    seen = summary(conflicts=[{"key": "a"}], conflictCount=1)
    check_conflicts({"a": "zookeeper"}, seen)
    with pytest.raises(InvalidError, match="b: is not in conflict; in conflict are: a"):
        check_conflicts({"b": "zookeeper"}, seen)
    with pytest.raises(InvalidError, match="there is no conflict"):
        check_conflicts({"b": "zookeeper"}, summary())


def test_keys_beyond_the_listed_conflicts_can_be_resolved() -> None:
    check_conflicts({"b": "zookeeper"}, summary(conflicts=[{"key": "a"}], conflictCount=2))


def test_former_choices_are_kept_while_they_are_open() -> None:
    assert merged("a=zookeeper, gone=configmap", {"b": "configmap"}, {"a", "b"}) == "a=zookeeper,b=configmap"
    assert merged("a=zookeeper", {"a": "configmap"}, {"a"}) == "a=configmap"
    assert merged("", {"a": "configmap"}, set()) == "a=configmap"
