"""What the tests of this directory share: one site on the shared servers, and an operator that follows a subtree."""

import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.worlds.following import Following, follow
from tests.support.worlds.site import Site
from tests.support.worlds.site import site as open_site


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(api_server, zookeeper, tmp_path) as opened:
        yield opened


@pytest.fixture
def following(site: Site) -> Following:
    """An operator that has pulled `color: red`; at the end it must be the same process, without unexpected errors."""
    return functools.partial(follow, site)
