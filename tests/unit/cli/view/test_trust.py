"""By what `audit` trusts members with TLS."""

import base64
from typing import Any, cast

import pytest

from zkoperator.cli.view.trust import refuses_plaintext, tls_hosts, trust_in
from zkoperator.errors import InvalidError
from zkoperator.kube.client import KubeClient

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


def api(**objects: Any) -> KubeClient:
    return cast("KubeClient", Api(**objects))


async def test_members_are_trusted_by_the_bundle_under_the_name_of_the_client_service() -> None:
    trust = await trust_in(api(ConfigMap_shop_main_zk_ca=BUNDLE), cluster(), ["127.0.0.1:5000"])
    assert (trust.authorities, trust.identity, trust.names) == ("authorities", "", (("127.0.0.1", "main-zk.shop"),))


async def test_members_that_ask_for_a_certificate_get_that_of_the_operator() -> None:
    objects = api(ConfigMap_shop_main_zk_ca=BUNDLE, Secret_shop_main_zk_ca=SECRET)
    assert (await trust_in(objects, cluster("Required"), [HOSTS])).identity == "identity"


async def test_a_bundle_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidError, match=r"main-zk-ca: there is no such ConfigMap"):
        await trust_in(api(), cluster(), [HOSTS])


def test_a_cluster_says_whether_it_has_tls_and_whether_it_has_anything_else() -> None:
    plain: dict[str, Any] = {"metadata": {}, "spec": {}}
    assert (tls_hosts(cluster()), refuses_plaintext(cluster())) == (HOSTS, True)
    assert (tls_hosts(plain), refuses_plaintext(plain)) == ("", False)
    assert not refuses_plaintext(cluster(plaintext="Allowed"))
