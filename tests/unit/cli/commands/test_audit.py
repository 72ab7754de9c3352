"""`audit`: by what it trusts members with TLS."""

import base64
from typing import Any, cast

import pytest

from zkoperator.cli.commands.audit import members_of, trust_in
from zkoperator.errors import InvalidError
from zkoperator.kube.port import KubeApi

BUNDLE = {"data": {"ca.crt": "authorities"}}
SECRET = {"data": {"operator.pem": base64.b64encode(b"identity").decode()}}
HOSTS = "main-zk-0.main-zk-members.shop.svc:2281"


class Api:
    def __init__(self, **objects: Any) -> None:
        self.objects = objects

    async def get(self, resource: Any, namespace: str, name: str) -> Any:
        return self.objects.get(f"{resource.kind}_{namespace}_{name}".replace("-", "_"))


def cluster(authentication: str = "None", plaintext: str = "Refused") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "main"},
        "spec": {"tls": {"client": {"authentication": authentication, "plaintext": plaintext}}},
        "status": {"tls": {"client": {"hosts": HOSTS}, "caBundle": "main-zk-ca"}},
    }


def api(**objects: Any) -> KubeApi:
    return cast("KubeApi", Api(**objects))


async def test_a_member_at_a_forwarded_port_is_known_by_the_name_of_the_client_service() -> None:
    trust = await trust_in(api(ConfigMap_shop_main_zk_ca=BUNDLE), cluster(), ["127.0.0.1:5000"])
    assert trust is not None
    assert (trust.authorities, trust.identity, trust.names) == ("authorities", "", (("127.0.0.1", "main-zk.shop"),))


async def test_a_member_that_is_dialled_by_its_name_must_have_that_name() -> None:
    trust = await trust_in(api(ConfigMap_shop_main_zk_ca=BUNDLE), cluster(), [])
    assert trust is not None
    assert (trust.authorities, trust.names) == ("authorities", ())


async def test_members_that_ask_for_a_certificate_get_that_of_the_operator() -> None:
    objects = api(ConfigMap_shop_main_zk_ca=BUNDLE, Secret_shop_main_zk_ca=SECRET)
    trust = await trust_in(objects, cluster("Required"), [])
    assert trust is not None
    assert trust.identity == "identity"


async def test_what_is_not_there_is_named() -> None:
    with pytest.raises(InvalidError, match=r"there is no ConfigMap main-zk-ca with the key ca\.crt"):
        await trust_in(api(), cluster(), [])
    with pytest.raises(InvalidError, match=r"there is no Secret main-zk-ca with the key operator\.pem"):
        await trust_in(api(ConfigMap_shop_main_zk_ca=BUNDLE), cluster("Required"), [])


async def test_forwarded_ports_are_those_of_plaintext_while_it_is_open() -> None:
    objects = api(ConfigMap_shop_main_zk_ca=BUNDLE)
    assert await trust_in(objects, cluster(plaintext="Allowed"), ["127.0.0.1:5000"]) is None
    assert await trust_in(objects, cluster(plaintext="Allowed"), []) is not None


async def test_members_without_tls_are_asked_in_plaintext() -> None:
    plain: dict[str, Any] = {"metadata": {"namespace": "shop", "name": "main"}, "spec": {}}
    assert await trust_in(api(), plain, []) is None
    assert await trust_in(api(), plain, ["127.0.0.1:5000"]) is None


def test_members_are_dialled_at_their_tls_port_where_all_have_one() -> None:
    raw = cluster()
    raw["status"]["tls"]["client"]["hosts"] = f"{HOSTS},main-zk-1.main-zk-members.shop.svc:2281"
    assert members_of(raw, None)["main-zk-0"] == HOSTS


def test_observers_that_serve_are_compared_too() -> None:
    raw = cluster()
    raw["status"]["tls"]["client"]["hosts"] = f"{HOSTS},main-zk-1.main-zk-members.shop.svc:2281"
    raw["status"]["members"] = [
        {"name": "main-zk-0", "id": 1, "role": "leader"},
        {"name": "main-zk-1", "id": 2, "role": "follower"},
        {"name": "main-zk-observers-0", "id": 101, "role": "observer"},
        {"name": "main-zk-observers-1", "id": 102, "role": "unknown"},
    ]
    found = members_of(raw, None)
    assert set(found) == {"main-zk-0", "main-zk-1", "main-zk-observers-0"}
    assert found["main-zk-observers-0"] == "main-zk-observers-0.main-zk-members.shop.svc:2281"


def test_one_voter_and_its_observer_are_no_ensemble_that_could_be_compared() -> None:
    raw = cluster()
    raw["status"]["members"] = [{"name": "main-zk-observers-0", "id": 101, "role": "observer"}]
    with pytest.raises(InvalidError, match="two are the fewest"):
        members_of(raw, None)
