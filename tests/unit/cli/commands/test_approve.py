"""`approve`: only the plan that was looked at."""

from typing import Any

import pytest

from zkoperator.api.sync import Pending
from zkoperator.cli.commands.approve import text, waiting_plan
from zkoperator.cli.view.summary import SyncSummary, sync_summary
from zkoperator.cli.view.terminal import Style
from zkoperator.errors import InvalidError


def summary(**status: Any) -> SyncSummary:
    meta = {"name": "shop", "namespace": "demo"}
    return sync_summary({"kind": "ConfigSync", "metadata": meta, "spec": {}, "status": status})


def test_only_the_plan_that_was_looked_at_is_approved() -> None:
    seen = summary(pending={"deletes": 60, "hash": "new"})
    assert waiting_plan(seen, None) == waiting_plan(seen, "new") == Pending(deletes=60, hash="new")
    with pytest.raises(InvalidError, match="the plan that waits is new now"):
        waiting_plan(seen, "old")
    with pytest.raises(InvalidError, match="no plan waits"):
        waiting_plan(summary(), None)


def test_what_is_approved_does_not_read_like_a_failure() -> None:
    pending = Pending(creates=0, updates=0, deletes=6, hash="h1")
    told = text(pending, None, Style(colours=False))
    assert told.startswith("approved: 0 to create, 0 to change, 6 to delete (plan h1); the operator")
    assert "not carried out" not in told
