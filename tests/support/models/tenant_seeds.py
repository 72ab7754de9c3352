"""Bugs in functions that the planner of ZNodes calls by a name of its own."""

from types import ModuleType

import pytest

from tests.support.models.seeds import Bug, rewritten


def called(caller: ModuleType, module: ModuleType, name: str, old: str, new: str) -> Bug:
    """Return the bug in a function of `module`, as `caller` calls it."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        rewritten(module, name, old, new)(patch)
        patch.setattr(caller, name, getattr(module, name))

    return bug


def everywhere(modules: tuple[ModuleType, ...], name: str, value: object) -> Bug:
    """Return the bug that replaces a name in each of the modules that use it."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        for module in modules:
            patch.setattr(module, name, value)

    return bug
