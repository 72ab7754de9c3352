"""Claims about one ConfigSync, as seeded bugs call them: each runs in a world of its own, which gives up early."""

from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.models.seeds import Claim
from tests.support.worlds.mirror import World, running

_WITHIN_S = 4.0
"""What a bug keeps from happening is waited for no longer than this."""


class _ImpatientWorld(World):
    async def until(self, probe: Callable[[], Any], *, within_s: float = _WITHIN_S) -> None:
        await super().until(probe, within_s=min(within_s, _WITHIN_S))


def in_world(claim: Callable[..., Awaitable[None]], **given: Any) -> Claim:
    """Return the claim with its parameters and a running world."""

    async def run() -> None:
        async with running(kind=_ImpatientWorld) as world:
            await claim(world=world, **given)

    return run
