"""Finds the endpoint of a ConfigSync: members, credential and roots, or why they are not known. I/O.

Everything is looked up in the ConfigSync's own namespace, except a ZooKeeperCluster that grants the subtree to it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from zkoperator.api.reasons import SyncReason
from zkoperator.controller.cluster_access import tls_hosts
from zkoperator.controller.secret_texts import text_in
from zkoperator.controller.trust import TrustError, TrustFinder
from zkoperator.errors import InvalidError
from zkoperator.kube.port import SECRETS, ZOOKEEPER_CLUSTERS, KubeApi
from zkoperator.mirror.model.waiting import Waiting
from zkoperator.mirror.observe.grants import GrantChecker
from zkoperator.mirror.observe.host_policy import Permission, permission_of, protected_reason
from zkoperator.mirror.observe.subtree import Endpoint
from zkoperator.mirror.settings import MirrorSettings
from zkoperator.mirror.validate import ValidatedSync
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import LookAgain
from zkoperator.zk import resolver
from zkoperator.zk.hosts import Address, parse_hosts
from zkoperator.zk.port import ClientTls, Credential

Resolve = Callable[[Address], Awaitable[tuple[str, ...]]]

_Door = tuple[tuple[str, ...], ClientTls | None]
"""Members and trust."""

_RESOLVE_S: Final = 5.0


async def resolve(address: Address) -> tuple[str, ...]:
    """Return the addresses of a name, none when it has none or when the name service does not answer."""
    try:
        return await resolver.resolve(address, _RESOLVE_S)
    except OSError:  # a timeout is one
        return ()


class EndpointFinder:
    """Finds the ensembles of ConfigSyncs. `resolve` asks the name service."""

    def __init__(self, api: KubeApi, settings: MirrorSettings, resolve: Resolve = resolve) -> None:
        self._api = api
        self._settings = settings
        self._resolve = resolve
        self._trust = TrustFinder(api)
        self._grants = GrantChecker(api)

    async def find(self, sync: ValidatedSync) -> Endpoint | Waiting:
        """Return the endpoint, or the reason why there is none."""
        key = sync.cluster
        try:
            found = await self._in_cluster(sync, key) if key is not None else await self._outside(sync)
        except TrustError as error:
            return self._wait(SyncReason.CREDENTIALS_NOT_FOUND, str(error))
        if isinstance(found, Waiting):
            return found
        credential = await self._credential(sync)
        if isinstance(credential, Waiting):
            return credential
        hosts, tls = found
        return Endpoint(hosts, credential, sync.source.roots, tls, is_list=bool(sync.source.parts))

    async def _in_cluster(self, sync: ValidatedSync, key: Key) -> _Door | Waiting:
        cluster = await self._api.get(ZOOKEEPER_CLUSTERS, key.namespace, key.name)
        if sync.source.asked is not None:
            refusal = await self._grants.refusal(sync, sync.source.asked, cluster)
            if refusal is not None:
                return self._wait(SyncReason.NOT_GRANTED, refusal)
        if cluster is None:
            message = (
                f"there is no ZooKeeperCluster {key.name} in this namespace; one of another namespace is named by "
                "clusterRef.namespace too, another ensemble by spec.zookeeper.hosts"
            )
            return self._wait(SyncReason.CLUSTER_NOT_FOUND, message)
        plain = str((cluster.get("status") or {}).get("hosts") or "")
        members = tuple(entry for entry in (tls_hosts(cluster) or plain).split(",") if entry)
        service = f"{key.name}-zk.{key.namespace}.svc.{self._settings.cluster_domain}:2181"
        certificate = sync.source.tls.certificate if sync.source.tls is not None else None
        return members or (service,), await self._trust.of_cluster(cluster, certificate, sync.namespace)

    async def _outside(self, sync: ValidatedSync) -> _Door | Waiting:
        """Return the members. A host that only a pattern allows is returned as its checked addresses."""
        try:
            addresses = parse_hosts(sync.source.hosts)
        except InvalidError:
            return self._wait(SyncReason.INVALID_SPEC, "spec.zookeeper.hosts: write host:port,host:port")
        found = await asyncio.gather(*(self._permitted(address) for address in addresses))
        refused = [item for item in found if isinstance(item, str)]
        if refused:
            return self._wait(SyncReason.HOST_NOT_ALLOWED, "; ".join(refused))
        permitted = [item for item in found if not isinstance(item, str)]
        members = tuple(str(address) for item in permitted for address in item)
        names = ((a.host, named.host) for named, item in zip(addresses, permitted, strict=True) for a in item)
        if members:
            return members, await self._trust_outside(sync, tuple(names))
        missing = ", ".join(address.host for address in addresses)
        message = f"spec.zookeeper.hosts: the name service has no address of {missing}"
        return self._wait(SyncReason.DISCONNECTED, message)

    async def _trust_outside(self, sync: ValidatedSync, names: tuple[tuple[str, str], ...]) -> ClientTls | None:
        asked = sync.source.tls
        if asked is None:
            return None
        return await self._trust.of_hosts(sync.namespace, asked.authorities or "", asked.certificate, names)

    async def _permitted(self, address: Address) -> tuple[Address, ...] | str:
        """Return the addresses that the operator may connect to, or the text of a refusal."""
        permission = permission_of(address, self._settings.allowed_hosts)
        if permission is Permission.NONE:
            return f"{address} is not among the hosts that the operator allows (--allowed-hosts)"
        if permission is Permission.BY_NAME:
            return (address,)
        resolved = await self._resolve(address)
        for text in resolved:
            if (reason := protected_reason(text, self._settings.protected_addresses)) is not None:
                return f"{address} is {reason}; the operator's --allowed-hosts must name it exactly"
        return tuple(Address(text, address.port) for text in sorted(set(resolved)))

    async def _credential(self, sync: ValidatedSync) -> Credential | Waiting | None:
        if sync.source.secret is None:
            return None
        secret = await self._api.get(SECRETS, sync.namespace, sync.source.secret)
        username, password = text_in(secret, "username"), text_in(secret, "password")
        if not username or not password:
            message = f"there is no Secret {sync.source.secret} with the keys username and password in this namespace"
            return self._wait(SyncReason.CREDENTIALS_NOT_FOUND, message)
        return Credential(username, password)

    def _wait(self, reason: SyncReason, message: str) -> Waiting:
        return Waiting(reason, message, LookAgain(self._settings.retry_s), connected=False)
