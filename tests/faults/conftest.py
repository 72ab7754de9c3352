"""What the tests of this directory share: one site on the shared servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.site import Site
from tests.support.site import site as open_site


@pytest.fixture
async def site(api_server: ApiServer, zookeeper: Ensemble, tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(api_server, zookeeper, tmp_path) as opened:
        yield opened
