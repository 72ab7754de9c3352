"""A path of the shared ensemble for one application, with the shipped rights of the operator."""

import asyncio
import base64
import secrets

import pytest
from kazoo.exceptions import NoAuthError

from tests.e2e.conftest import Client, Space
from tests.support.models.documents import ROOT, objects_in
from tests.support.waiting import eventually


async def test_an_application_has_its_path_by_the_secret_and_the_path_goes_with_the_znode(shared: Space) -> None:
    (sample,) = objects_in(ROOT / "manifests/samples/tenant.yaml")
    name = f"orders-{secrets.token_hex(3)}"
    path = f"/tenants-{name}/a"
    # The shared ensemble enforces no quotas.
    spec = {**sample["spec"], "path": path, "onDelete": "DeleteZnodes", "quota": None, "acl": []}
    await shared.apply({**sample, "metadata": {"name": name}, "spec": spec})
    await shared.until("znodes", name, "Ready", "True")
    found, secret = await shared.get("znodes", name), await shared.get("secrets", f"{name}-zk")
    assert found is not None and secret is not None
    texts = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert texts["connectionString"] == found["status"]["connectionString"]
    assert texts["connectionString"].endswith(f":2181{path}")
    async with Client(shared) as zk:
        with pytest.raises(NoAuthError):
            await asyncio.to_thread(zk.create, f"{path}/b", b"1")
        await asyncio.to_thread(zk.add_auth, "digest", f"{texts['username']}:{texts['password']}")
        await asyncio.to_thread(zk.create, f"{path}/b", b"1")
        await shared.api.delete(shared.path("znodes", name))

        async def gone() -> bool:
            return await shared.get("znodes", name) is None

        await eventually(gone, within_s=120)
        assert await asyncio.to_thread(zk.exists, path) is None
