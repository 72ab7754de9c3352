"""What people do with a Secret that a ConfigSync keeps, on a real API server and a real ensemble."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.worlds.live_mirror import LiveSecrets, live_world

ABC = {"a": b"1", "b": b"1", "c": b"1"}
TLS = "kubernetes.io/tls"
PUSH, BOTH = "ConfigMapToZooKeeper", "TwoWay"


@pytest.fixture
async def world(api_server: ApiServer, zookeeper: Ensemble, namespace: str) -> AsyncIterator[LiveSecrets]:
    async with live_world(api_server.kubeconfig, zookeeper.hosts, namespace, LiveSecrets) as opened:
        assert isinstance(opened, LiveSecrets)
        yield opened


async def _synced(world: LiveSecrets, direction: str = BOTH, **spec: object) -> None:
    world.tree()
    await world.config_map(dict.fromkeys("abc", "1"))
    await world.sync(direction=direction, **spec)  # type: ignore[arg-type]
    await world.start()
    for key in "abc":
        await world.until_at(key, b"1")
    await world.until_in_sync()


async def _follows(world: LiveSecrets, direction: str) -> None:
    """Edits still flow, in each direction that there is."""
    await world.edit(a="edited")
    await world.until_at("a", b"edited")
    if direction == BOTH:
        world.node("b", b"\xff\0")
        await world.until_data({**(await world.data() or {}), "b": b"\xff\0"})
    await world.until_in_sync()


async def test_bytes_of_any_kind_are_the_same_on_both_sides(world: LiveSecrets) -> None:
    values = {"text": b"blue", "bytes": bytes(range(256)), "empty": b"", "db__key": "\u00e9\n\u0085".encode()}
    world.tree(**values)
    await world.sync()
    await world.start()
    await world.until_data(values)
    await world.until_in_sync()
    found = await world.kube.get(world.maps("shop"))
    assert (found["type"], found["metadata"]["labels"]["zkoperator.dev/sync"]) == ("Opaque", "shop")


async def test_a_secret_of_exactly_one_mebibyte_is_taken(world: LiveSecrets) -> None:
    world.tree(a="x" * 600_000, b="x" * (1_048_576 - 600_000))
    await world.sync()
    await world.start()
    await world.until_in_sync()
    assert sum(map(len, (await world.data() or {}).values())) == 1_048_576


# Writers of the whole object.


@pytest.mark.parametrize("direction", [BOTH, PUSH])
async def test_a_secret_that_is_replaced_is_an_edit(world: LiveSecrets, direction: str) -> None:
    await _synced(world, direction)
    await world.kube.replace(world.maps("shop"), world.whole({"a": "2", "b": "1", "new": "1"}, type="Opaque"))
    await world.until_at("a", b"2")
    await world.until_at("new", b"1")
    await world.until_at("c", None)
    await world.until_in_sync()
    await _follows(world, direction)


@pytest.mark.parametrize("direction", [BOTH, PUSH])
async def test_a_secret_that_is_deleted_and_created_is_an_edit(world: LiveSecrets, direction: str) -> None:
    await _synced(world, direction)
    await world.stop()
    await world.delete(world.maps("shop"))
    await world.config_map({"a": "2", "b": "1"})
    await world.start()
    await world.until_at("a", b"2")
    await world.until_at("c", None)
    await world.until_in_sync()
    await _follows(world, direction)


async def test_a_secret_that_is_the_source_is_never_created(world: LiveSecrets) -> None:
    await _synced(world, PUSH)
    await world.delete(world.maps("shop"))
    assert "Secret shop does not exist" in await world.until_ready("SourceMissing")
    await world.settle()
    assert (await world.data(), world.at("a")) == (None, b"1")


async def test_keys_go_one_at_a_time_and_the_last_one_waits(world: LiveSecrets) -> None:
    await _synced(world)
    for key in "ab":
        await world.edit(**{key: None})
        await world.until_at(key, None)
    await world.edit(c=None)
    await world.until_ready("DeletionsHeld")
    assert world.at("c") == b"1"
    await world.annotate(approve_deletions=(await world.status())["pending"]["hash"])
    await world.until_at("c", None)


async def test_a_config_sync_of_another_name_gets_the_secret_by_its_label(world: LiveSecrets) -> None:
    await _synced(world)
    await world.delete(world.syncs("shop"))
    world.targets["store"] = {"name": "shop"}
    await world.sync("store")
    told = await world.until_ready("TargetOwned", "store")
    assert f"kubectl label secret -n {world.namespace} shop zkoperator.dev/sync=store --overwrite" in told
    await world.kube.merge(world.maps("shop"), {"metadata": {"labels": {"zkoperator.dev/sync": "store"}}})
    await world.until_in_sync("store")
    assert (await world.data(), world.at("a")) == (ABC, b"1")
    await world.edit(a="2")
    await world.until_at("a", b"2")


async def test_immutable_generations_can_be_the_source(world: LiveSecrets) -> None:
    world.tree()
    await world.config_map({"a": "1", "b": "1"}, "shop-1", immutable=True)
    world.targets["shop"] = {"name": "shop-1"}
    await world.sync(direction=PUSH)
    await world.start()
    await world.until_at("a", b"1")
    await world.config_map({"a": "2"}, "shop-2", immutable=True)
    await world.patch_sync({"spec": {"secret": {"name": "shop-2"}}})
    await world.until_at("a", b"2")
    await world.until_at("b", None)
    await world.until_in_sync()


# What the API server says of Secrets.


async def test_an_immutable_secret_is_named_until_it_is_deleted(world: LiveSecrets) -> None:
    world.tree(a="1")
    await world.config_map({"a": "0"}, immutable=True)
    await world.sync(adoptionPolicy="PreferZooKeeper")
    await world.start()
    assert "Secret shop is immutable" in await world.until_ready("TargetOwned")
    await world.delete(world.maps("shop"))
    await world.until_data({"a": b"1"})


async def test_a_type_with_keys_is_created_in_one_write_and_keeps_them(world: LiveSecrets) -> None:
    world.tree(**{"tls.crt": "certificate"})
    world.targets["shop"] = {"type": TLS}
    await world.sync()
    await world.start()
    assert "tls.key, which type kubernetes.io/tls needs" in await world.until_ready("TargetInvalid")
    assert await world.data() is None
    world.node("tls.key", "key")
    await world.until_data({"tls.crt": b"certificate", "tls.key": b"key"})
    await world.until_in_sync()
    assert (await world.kube.get(world.maps("shop")))["type"] == TLS
    world.zk.delete(f"{world.root}/tls.key")
    await world.until_ready("TargetInvalid")
    assert "tls.key" in (await world.data() or {})


async def test_a_wrong_type_is_named_until_the_secret_is_deleted(world: LiveSecrets) -> None:
    world.tree(**{"tls.crt": "certificate", "tls.key": "key"})
    await world.config_map({"mine": "1"})
    world.targets["shop"] = {"type": TLS}
    await world.sync()
    await world.start()
    assert "Secret shop has type Opaque, and spec.secret.type is" in await world.until_ready("TargetInvalid")
    await world.settle()
    assert (await world.data(), world.at("mine")) == ({"mine": b"1"}, None)
    await world.delete(world.maps("shop"))
    await world.until_data({"tls.crt": b"certificate", "tls.key": b"key"})


async def test_a_value_that_its_type_refuses_is_told_without_the_value(world: LiveSecrets) -> None:
    world.tree(**{".dockerconfigjson": "{canary"})
    world.targets["shop"] = {"type": "kubernetes.io/dockerconfigjson"}
    await world.sync()
    await world.start()
    told = await world.until_ready("KeyInvalid")
    assert ".dockerconfigjson" in told and "canary" not in told
    world.node(".dockerconfigjson", '{"auths": {}}')
    await world.until_data({".dockerconfigjson": b'{"auths": {}}'})


async def test_what_is_no_base64_never_gets_into_a_secret(world: LiveSecrets) -> None:
    await _synced(world)
    with pytest.raises(aiohttp.ClientResponseError) as refused:
        await world.kube.merge(world.maps("shop"), {"data": {"a": "%%%"}})
    assert refused.value.status in (400, 422)
    await world.until_data(ABC)


async def test_the_target_of_a_config_sync_stays_of_its_kind(world: LiveSecrets) -> None:
    await _synced(world)
    for patch in ({"secret": None}, {"secret": {"name": "other"}}, {"configMap": {"name": "shop"}}):
        with pytest.raises(aiohttp.ClientResponseError) as refused:
            await world.patch_sync({"spec": patch})
        assert refused.value.status == 422
