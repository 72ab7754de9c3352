"""Seeded bugs: a guard of the package is taken out, and claims of the tests must then fail."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube

Claim = Callable[[], Any]
Bug = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Seed:
    """A guard, the bug that takes it out, and the claims each of which must then fail."""

    guard: str
    bug: Bug
    claims: tuple[Claim, ...]

    async def is_noticed(self, patch: pytest.MonkeyPatch) -> None:
        self.bug(patch)
        for claim in self.claims:
            with pytest.raises(AssertionError):
                await claim()


def claim_with(claim: Callable[..., Any], *given: Any) -> Claim:
    """Return a parametrized claim with its parameters."""
    return lambda: claim(*given)


def replaced(target: object, name: str, value: object) -> Bug:
    """Return the bug that replaces an attribute."""
    return lambda patch: patch.setattr(target, name, value)


def rewritten(module: Any, name: str, old: str, new: str) -> Bug:
    """Return the bug that replaces a passage in the source of a function or method of the module."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        owner = module
        *path, method = name.split(".")
        for part in path:
            owner = getattr(owner, part)
        source = inspect.getsource(getattr(owner, method))
        assert source.count(old) == 1, f"{name} has changed: seed its bug anew"
        found: dict[str, Any] = {}
        exec(dedent(source.replace(old, new)), vars(module), found)
        patch.setattr(owner, method, found[method])

    return bug


def request_without(verb: str, *conditions: str) -> Bug:
    """Return the bug that sends requests without these preconditions."""

    def bug(patch: pytest.MonkeyPatch) -> None:
        send = getattr(FakeKube, verb)

        async def unconditional(self: FakeKube, *given: Any, **more: Any) -> Any:
            return await send(self, *given, **{name: value for name, value in more.items() if name not in conditions})

        patch.setattr(FakeKube, verb, unconditional)

    return bug


async def no_check(*_: Any) -> None:
    """Take the place of a check, and let everything pass."""
