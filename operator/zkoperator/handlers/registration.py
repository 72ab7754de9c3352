"""Registers the handlers of kopf: one raw event handler a kind, which only wakes a loop.

Other handler types are not used: those that detect changes copy the object into an annotation and add finalizers, an
index takes quadratic time, and none of them notices objects that were deleted while no watch was open.
"""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import kopf
from typing_extensions import override

from zkoperator.kube.credentials import Credentials, CredentialSource
from zkoperator.kube.port import Resource
from zkoperator.runtime.blocking_calls import DaemonThread
from zkoperator.runtime.keys import Key

Wake = Callable[[Key, str], None]
"""Called with a key and the resourceVersion of its object, "" for a deleted one."""

_thread = DaemonThread("kopf's credentials")


def register(registry: kopf.OperatorRegistry, wakes: Mapping[Resource, Wake]) -> None:
    """Register each kind with what its events call, on kopf's own thread."""
    for resource, wake in wakes.items():
        _on_event(registry, resource, wake)


def register_login(registry: kopf.OperatorRegistry, source: CredentialSource) -> None:
    """Let kopf log in with the credentials of our own client; it asks at its start and after every 401."""

    async def login(**_: Any) -> kopf.ConnectionInfo:
        return _connection(await _thread.run(source.renew))

    kopf.on.login(registry=registry)(login)


def _on_event(registry: kopf.OperatorRegistry, resource: Resource, wake: Wake) -> None:
    async def handle(namespace: str | None, name: str | None, meta: Mapping[str, Any], **event: Any) -> None:
        if name is not None:
            is_gone = event["type"] == "DELETED"
            wake(Key(namespace or "", name), "" if is_gone else meta.get("resourceVersion", ""))

    kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id="wake")(handle)


@dataclass(frozen=True, kw_only=True)
class _Connection(kopf.ConnectionInfo):
    """Our credentials for kopf, with our own TLS context: kopf cannot verify a server under another name."""

    credentials: Credentials

    @override
    def as_ssl_context(self) -> ssl.SSLContext:
        return self.credentials.ssl_context() or super().as_ssl_context()


def _connection(credentials: Credentials) -> kopf.ConnectionInfo:
    scheme, _, token = (credentials.authorization or "").partition(" ")
    return _Connection(
        credentials=credentials,
        server=credentials.server,
        scheme=scheme or None,
        token=token or None,
        proxy_url=credentials.proxy,
    )
