from collections.abc import AsyncIterator

import pytest

from tests.support.worlds.mirror import World, running


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running() as running_world:
        yield running_world
