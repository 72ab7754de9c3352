"""Finds by what an ensemble is trusted, and as whom a ConfigSync connects to it. I/O.

Everything is looked up in the ConfigSync's own namespace, as the endpoint is.
"""

import base64
import binascii
from typing import Any

from zkoperator.kube.port import CONFIG_MAPS, SECRETS, KubeApi, Manifest
from zkoperator.mirror.validate import SourceTls, ValidatedSync
from zkoperator.zk.port import ClientTls

_REQUIRED = "Required"
"""The word of a ZooKeeperCluster whose clients must show a certificate."""


class TrustError(Exception):
    """What is needed for TLS is not there. The text names it."""


class TrustFinder:
    """Finds the trust of ConfigSyncs."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def of_cluster(self, sync: ValidatedSync, cluster: Manifest) -> ClientTls | None:
        """Return the trust in a ZooKeeperCluster whose members all have a TLS port, None for another one.

        Raises:
            TrustError: something is not there.
        """
        if not tls_hosts(cluster):
            return None
        bundle = str(_tls_status(cluster).get("caBundle") or "")
        found = await self._api.get(CONFIG_MAPS, sync.namespace, bundle)
        authorities = str(((found or {}).get("data") or {}).get("ca.crt") or "")
        if not authorities:
            raise TrustError(f"there is no ConfigMap {bundle} with the key ca.crt in this namespace")
        return ClientTls(authorities, await self._identity_at(sync, cluster, bundle))

    async def _identity_at(self, sync: ValidatedSync, cluster: Manifest, bundle: str) -> str:
        """Return the certificate that the ConfigSync names, else that of the operator where the members ask for one."""
        asked = sync.source.tls
        if asked is not None and asked.certificate is not None:
            return await self._certificate(sync, asked.certificate)
        client = ((cluster["spec"].get("tls") or {}).get("client")) or {}
        if client.get("authentication") != _REQUIRED:
            return ""
        return await self._entry(sync, bundle, "operator.pem")

    async def of_hosts(self, sync: ValidatedSync, asked: SourceTls, names: tuple[tuple[str, str], ...]) -> ClientTls:
        """Return the trust in an ensemble outside.

        Args:
            sync: the ConfigSync.
            asked: what its spec says about TLS.
            names: addresses that are dialled in place of the names that the spec has.

        Raises:
            TrustError: something is not there.
        """
        authorities = await self._entry(sync, asked.authorities or "", "ca.crt")
        identity = await self._certificate(sync, asked.certificate) if asked.certificate is not None else ""
        return ClientTls(authorities, identity, names)

    async def _certificate(self, sync: ValidatedSync, name: str) -> str:
        key, certificates = [await self._entry(sync, name, part) for part in ("tls.key", "tls.crt")]
        return f"{key.rstrip()}\n{certificates}"

    async def _entry(self, sync: ValidatedSync, name: str, key: str) -> str:
        text = _text(await self._api.get(SECRETS, sync.namespace, name), key)
        if not text:
            raise TrustError(f"there is no Secret {name} with the key {key} in this namespace")
        return text


def tls_hosts(cluster: Manifest) -> str:
    """Return the connect string for TLS, empty while not all members have the port."""
    return str((_tls_status(cluster).get("client") or {}).get("hosts") or "")


def _tls_status(cluster: Manifest) -> dict[str, Any]:
    return ((cluster.get("status") or {}).get("tls")) or {}


def _text(secret: Manifest | None, key: str) -> str:
    encoded = ((secret or {}).get("data") or {}).get(key) or ""
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
