"""Bugs in functions that the reconciler of backups calls."""

from types import ModuleType

import pytest

from tests.support.models.seeds import Bug, rewritten
from zkoperator.backup import reconcile


def entry(module: ModuleType, name: str, old: str, new: str) -> Bug:
    """Return the bug in a function that the reconciler calls by its own name for it."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        patch.setattr(reconcile, name, getattr(module, name))

    return bug
