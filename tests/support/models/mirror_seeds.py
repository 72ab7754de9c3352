"""Claims about one ConfigSync, as seeded bugs call them: each runs in a world of its own, which gives up early."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tests.support.models.seeds import Claim
from tests.support.worlds.mirror import SecretWorld, World, running

_WITHIN_S = 4.0
"""What a bug keeps from happening is waited for no longer than this."""


class _Impatient(World):
    async def until(self, probe: Callable[[], Any], *, within_s: float = _WITHIN_S) -> None:
        await super().until(probe, within_s=min(within_s, _WITHIN_S))


class _ImpatientWithSecrets(_Impatient, SecretWorld):
    pass


def in_world(claim: Callable[..., Awaitable[None]], **given: Any) -> Claim:
    """Return the claim with its parameters and a running world."""
    return partial(_run, _Impatient, claim, given)


def in_secret_world(claim: Callable[..., Awaitable[None]], **given: Any) -> Claim:
    """Return the same in a world whose ConfigSyncs keep Secrets."""
    return partial(_run, _ImpatientWithSecrets, claim, given)


async def _run(kind: type[World], claim: Callable[..., Awaitable[None]], given: dict[str, Any]) -> None:
    async with running(kind=kind) as world:
        await claim(world=world, **given)
