"""By what a command trusts the members of an ensemble, with the rights of whoever calls it. I/O."""

import base64
from typing import Any

from zkoperator.ensemble.model.names import Names
from zkoperator.errors import FieldError, InvalidError
from zkoperator.kube.client import KubeClient
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, Manifest
from zkoperator.zk.hosts import parse_hosts
from zkoperator.zk.port import ClientTls


def tls_hosts(raw: Manifest) -> str:
    """Return the connect string for TLS, "" while not all members have the port."""
    status = (raw.get("status") or {}).get("tls") or {}
    return str((status.get("client") or {}).get("hosts") or "")


def refuses_plaintext(raw: Manifest) -> bool:
    """Return whether clients without TLS are refused."""
    return bool(_client(raw).get("plaintext") == "Refused")


async def trust_in(api: KubeClient, raw: Manifest, addresses: list[str]) -> ClientTls:
    """Return the trust in a ZooKeeperCluster with TLS, whatever the addresses at which its members are reached.

    Raises:
        InvalidError: the authorities, or the certificate that the members ask for, cannot be read.
    """
    names = Names(raw["metadata"]["namespace"], raw["metadata"]["name"])
    bundle = str(((raw.get("status") or {}).get("tls") or {}).get("caBundle") or "")
    found = await api.get(CONFIG_MAPS, names.namespace, bundle) or {}
    authorities = str((found.get("data") or {}).get("ca.crt") or "")
    if not authorities:
        raise InvalidError((FieldError(bundle, "there is no such ConfigMap with the key ca.crt"),))
    identity = ""
    if _client(raw).get("authentication") == "Required":
        secret = await api.get(SECRETS, names.namespace, bundle) or {}
        identity = base64.b64decode((secret.get("data") or {}).get("operator.pem") or "").decode()
    # A certificate of a member holds the name of the client Service as well.
    known = tuple((address.host, f"{names.client_service}.{names.namespace}") for address in parse_hosts(addresses))
    return ClientTls(authorities, identity, known)


def _client(raw: Manifest) -> dict[str, Any]:
    return ((raw.get("spec") or {}).get("tls") or {}).get("client") or {}
