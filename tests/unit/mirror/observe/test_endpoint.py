"""Ensembles outside: who may be named, and what a name may turn out to be."""

import asyncio
import base64
import socket
import threading

import pytest

from tests.support.worlds.mirror import FAST, NAMESPACE, ROOT, World, running
from zkoperator.kube.port import SECRETS
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe import endpoint
from zkoperator.mirror.observe.endpoint import EndpointFinder
from zkoperator.mirror.observe.host_policy import Permission, permission_of, protected_reason
from zkoperator.mirror.observe.subtree import Endpoint
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import validate
from zkoperator.zk.hosts import Address
from zkoperator.zk.port import Acl, Create


@pytest.mark.parametrize(
    ("host", "allowed", "permission"),
    [
        ("zk.example.org", (), Permission.NONE),
        ("zk.example.org", ("zk.example.org",), Permission.BY_NAME),
        ("zk.example.org", ("zk.example.org:2181",), Permission.BY_NAME),
        ("zk.example.org", ("zk.example.org:2182",), Permission.NONE),
        ("ZK.example.org.", ("zk.example.org",), Permission.BY_NAME),
        ("zk.example.org", ("*.example.org",), Permission.BY_PATTERN),
        ("example.org", ("*.example.org",), Permission.NONE),
        ("evilexample.org", ("*.example.org",), Permission.NONE),
        ("zk.example.org.evil.net", ("*.example.org",), Permission.NONE),
        ("::1", ("::1",), Permission.BY_NAME),
    ],
)
def test_the_allow_list(host: str, allowed: tuple[str, ...], permission: Permission) -> None:
    assert permission_of(Address(host, 2181), allowed) is permission


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("0.0.0.0", True),
        ("10.96.0.1", True),
        ("10.1.2.3", False),
    ],
)
def test_protected_addresses(address: str, refused: bool) -> None:
    assert (protected_reason(address, frozenset({"10.96.0.1"})) is not None) is refused


def _sync(hosts: str) -> dict[str, object]:
    return {
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {"zookeeper": {"hosts": hosts, "path": ROOT}},
    }


@pytest.mark.parametrize(
    ("resolved", "found"),
    [(("10.1.2.3",), ("10.1.2.3:2181",)), (("10.1.2.3", "127.0.0.1"), None), (("169.254.169.254",), None)],
)
async def test_a_name_allowed_by_a_pattern_is_connected_to_by_its_checked_addresses(
    world: World, resolved: tuple[str, ...], found: tuple[str, ...] | None
) -> None:
    async def resolve(_: Address) -> tuple[str, ...]:
        return resolved

    found_by = EndpointFinder(world.kube, MirrorSettings(allowed_hosts=("*.example.org",)), resolve)
    place = await found_by.find(validate(_sync("zk.example.org")))
    if found is None:
        assert isinstance(place, Waiting)
        assert place.reason == "HostNotAllowed"
    else:
        assert isinstance(place, Endpoint)
        assert place.hosts == found


async def test_hosts_are_refused_unless_allowed(world: World) -> None:
    world.tree(a="1")
    world.sync(zookeeper={"hosts": "zk.example.org:2181"})
    await world.until_reason("HostNotAllowed")
    assert "--allowed-hosts" in world.message()


async def test_allowed_hosts_with_credentials_are_followed() -> None:
    settings = MirrorSettings(**{**{name: getattr(FAST, name) for name in FAST.__slots__}, "allowed_hosts": ("out",)})
    async with running(settings) as world:
        world.tree(a="1")
        world.write(Create(f"{ROOT}/private", b"seen"))
        world.zk.set_acl(f"{ROOT}/private", (Acl(31, "digest", _digest("shop", "pass")),))
        world.sync(zookeeper={"hosts": "out:2181", "credentialsSecret": "shop-zk"})
        await world.until_reason("CredentialsNotFound")
        encoded = {key: base64.b64encode(value).decode() for key, value in _SECRET.items()}
        meta = {"name": "shop-zk", "namespace": NAMESPACE}
        world.kube.put(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded})
        await world.until_in_sync()
        assert world.data() == {"a": b"1", "private": b"seen"}
        assert "pass" not in str(world.status())


async def test_a_name_service_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        released.wait(30)
        return []

    monkeypatch.setattr(endpoint, "_RESOLVE_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        found = await asyncio.wait_for(endpoint.resolve(Address("zk.example.org", 2181)), 10)
    finally:
        released.set()
    assert found == ()


_SECRET = {"username": b"shop", "password": b"pass"}


def _digest(user: str, password: str) -> str:
    from kazoo.security import make_digest_acl_credential

    return str(make_digest_acl_credential(user, password))
