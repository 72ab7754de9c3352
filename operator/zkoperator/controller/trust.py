"""Finds by what an ensemble is trusted, and as whom somebody connects to it. I/O."""

from zkoperator.controller.cluster_access import asks_for_certificate, bundle_of, tls_hosts
from zkoperator.controller.secret_texts import text_in
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, KubeApi, Manifest
from zkoperator.zk.port import ClientTls


class TrustError(Exception):
    """What is needed for TLS is not there. The text names it."""


class TrustFinder:
    """Looks up certificates in one namespace at a time: that of the object, or of the ZooKeeperCluster."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api

    async def of_cluster(self, cluster: Manifest, certificate: str | None = None, owner: str = "") -> ClientTls | None:
        """Return the trust in a ZooKeeperCluster whose members all have a TLS port, None for another one.

        Args:
            cluster: the ZooKeeperCluster.
            certificate: the Secret with the certificate to show; None: that of the operator, where members ask for one.
            owner: the namespace of that Secret.

        Raises:
            TrustError: something is not there.
        """
        if not tls_hosts(cluster):
            return None
        namespace, bundle = cluster["metadata"]["namespace"], bundle_of(cluster)
        found = await self._api.get(CONFIG_MAPS, namespace, bundle)
        authorities = str(((found or {}).get("data") or {}).get("ca.crt") or "")
        if not authorities:
            raise TrustError(f"there is no ConfigMap {bundle} with the key ca.crt in namespace {namespace}")
        if certificate is not None:
            return ClientTls(authorities, await self._certificate(owner, certificate))
        is_asked = asks_for_certificate(cluster)
        return ClientTls(authorities, await self._entry(namespace, bundle, "operator.pem") if is_asked else "")

    async def of_hosts(
        self, namespace: str, authorities: str, certificate: str | None, names: tuple[tuple[str, str], ...]
    ) -> ClientTls:
        """Return the trust in an ensemble outside.

        Args:
            namespace: of the Secrets.
            authorities: the Secret with the certificates to trust.
            certificate: the Secret with the certificate to show, if any.
            names: addresses that are dialled in place of the names that the spec has.

        Raises:
            TrustError: something is not there.
        """
        trusted = await self._entry(namespace, authorities, "ca.crt")
        identity = await self._certificate(namespace, certificate) if certificate is not None else ""
        return ClientTls(trusted, identity, names)

    async def _certificate(self, namespace: str, name: str) -> str:
        key, certificates = [await self._entry(namespace, name, part) for part in ("tls.key", "tls.crt")]
        return f"{key.rstrip()}\n{certificates}"

    async def _entry(self, namespace: str, name: str, key: str) -> str:
        text = text_in(await self._api.get(SECRETS, namespace, name), key)
        if not text:
            raise TrustError(f"there is no Secret {name} with the key {key} in namespace {namespace}")
        return text
