"""Which events of which kinds kopf hands over. A handler only wakes a loop; what happened decides nothing.

No other handler types: those that detect changes copy the object into an annotation and add finalizers, an index is
quadratic, and none of them notices what was deleted while no watch was open.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import kopf

from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.port import CONFIG_SYNCS, ZOOKEEPER_CLUSTERS, Resource
from zkoperator.runtime.keys import Key

Wake = Callable[[Key], None]


def register(registry: kopf.OperatorRegistry, wake_cluster: Wake, wake_sync: Wake) -> None:
    """Register both kinds. The wakes are called on kopf's own thread."""
    _on_event(registry, ZOOKEEPER_CLUSTERS, wake_cluster)
    _on_event(registry, CONFIG_SYNCS, wake_sync)


def register_login(registry: kopf.OperatorRegistry, source: CredentialSource) -> None:
    """Have kopf log in as our own client does; it asks at its start and after every 401."""

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return _connection(await asyncio.to_thread(source.renew))

    kopf.on.login(registry=registry)(login)


def _on_event(registry: kopf.OperatorRegistry, resource: Resource, wake: Wake) -> None:
    async def handle(namespace: str | None, name: str | None, **_: Any) -> None:
        if name is not None:
            wake(Key(namespace or "", name))

    kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id="wake")(handle)


def _connection(credentials: Credentials) -> kopf.ConnectionInfo:
    scheme, _, token = (credentials.authorization or "").partition(" ")
    return kopf.ConnectionInfo(
        server=credentials.server,
        ca_path=credentials.ca_file,
        insecure=not credentials.verify,
        scheme=scheme or None,
        token=token or None,
        certificate_path=credentials.cert_file,
        private_key_path=credentials.key_file,
        proxy_url=credentials.proxy,
    )
