"""Namespaces with ZNodes in memory: API server, one ensemble, and the real reconciler."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from testbed.zookeepers import Ensemble
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube
from tests.support.fakes.zk import FakeZk, FakeZkConnector, FakeZkServer
from tests.support.fakes.zk_tree import Principal
from tests.support.worlds.kills import KillAt
from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.kube.port import SECRETS, ZNODES, ZOOKEEPER_CLUSTERS, Manifest
from zkoperator.runtime.keys import Key
from zkoperator.tenant.model.names import QUOTAS
from zkoperator.tenant.reconcile import ZNodeReconciler
from zkoperator.zk.pool import SessionConnector, SessionPool
from zkoperator.zk.port import Acl, ClientTls, Create, Credential, NoNodeError, Zk
from zkoperator.zk.port import Operation as ZkOperation

NAMESPACE, OWNER, SHOP = "shop", "platform", "orders"
PATH = f"/{NAMESPACE}/{SHOP}"
ENDPOINT = "main-zk.{}.svc.cluster.local:2181"
SUPER = Principal(is_super=True)
PASSES = 40


class TenantSite:
    """One operator process and its surroundings. Nothing happens but by a call of a method.

    `ensemble`: real servers in place of the one in memory, which what is seen and made in `zk` is then not about.
    """

    def __init__(self, ensemble: Ensemble | None = None) -> None:
        self.kube = FakeKube()
        self.zk = FakeZkServer() if ensemble is None else FakeZkServer(super_password=ensemble.password)
        self.hosts = ensemble.hosts if ensemble is not None else "main-zk-0:2181"
        self.is_real = ensemble is not None
        self.clock = FakeClock()
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[], None] = lambda: None
        self.cluster()
        self.start()

    def start(self) -> None:
        """A new process, which remembers nothing."""
        self.sessions = SessionPool(SessionConnector() if self.is_real else _CountedConnector(self))
        self.operator = ZNodeReconciler(self.kube, self.sessions, clock=self.clock)

    # The operator.

    async def reconcile(self, name: str = SHOP, namespace: str = NAMESPACE) -> float:
        """One pass; returns after how many seconds the next is due."""
        try:
            return (await self.operator.reconcile(Key(namespace, name))).after_s
        except ConflictError:
            return 0.0

    async def settle(self, name: str = SHOP, namespace: str = NAMESPACE) -> float:
        """Reconcile until nothing is due at once."""
        for _ in range(PASSES):
            if (due_s := await self.reconcile(name, namespace)) > 0:
                return due_s
        raise AssertionError("the operator does not come to rest")

    # What users do.

    def cluster(self, namespace: str = NAMESPACE, *, grants: Sequence[Manifest] = (), **config: Any) -> None:
        """Have a ZooKeeperCluster `main` in this namespace, whose ensemble is the one of this world."""
        if self.kube.peek(ZOOKEEPER_CLUSTERS, namespace, "main") is not None:
            self.kube.remove(ZOOKEEPER_CLUSTERS, namespace, "main")
        meta = {"name": "main", "namespace": namespace}
        spec = {"replicas": 3, "config": {"enforceQuota": "true", **config}, "grants": list(grants)}
        status = {"hosts": self.hosts, "endpoint": ENDPOINT.format(namespace)}
        self.kube.put(ZOOKEEPER_CLUSTERS, {"metadata": meta, "spec": spec, "status": status})
        if self.kube.peek(SECRETS, namespace, "main-zk-admin") is None:
            self.secret("main-zk-admin", namespace, username="super", password=self.zk.super_password)

    def secret(self, name: str, namespace: str = NAMESPACE, **texts: str) -> None:
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        self.kube.put(SECRETS, {"metadata": {"name": name, "namespace": namespace}, "data": data})

    def create(self, name: str = SHOP, namespace: str = NAMESPACE, **spec: Any) -> None:
        whole = {"clusterRef": {"name": "main"}, **spec}
        meta = {"name": name, "namespace": namespace}
        self.kube.put(
            ZNODES, {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZNode", "metadata": meta, "spec": whole}
        )

    def edit(self, name: str = SHOP, **spec: Any) -> None:
        self.kube.edit(ZNODES, NAMESPACE, name, {"spec": spec})

    def delete(self, name: str = SHOP, namespace: str = NAMESPACE) -> None:
        self.kube.remove(ZNODES, namespace, name)

    # What is seen.

    def object(self, name: str = SHOP, namespace: str = NAMESPACE) -> Manifest | None:
        return self.kube.peek(ZNODES, namespace, name)

    def status(self, name: str = SHOP, namespace: str = NAMESPACE) -> Manifest:
        found = self.object(name, namespace)
        assert found is not None
        return found.get("status") or {}

    def ready(self, name: str = SHOP, namespace: str = NAMESPACE) -> tuple[str, str]:
        """Status and reason of Ready."""
        each = self._condition(name, namespace)
        return each.get("status", ""), each.get("reason", "")

    def message(self, name: str = SHOP, namespace: str = NAMESPACE) -> str:
        return str(self._condition(name, namespace).get("message", ""))

    def credential(self, name: str = f"{SHOP}-zk", namespace: str = NAMESPACE) -> Credential:
        texts = self.texts(name, namespace)
        return Credential(texts["username"], texts["password"])

    def texts(self, name: str = f"{SHOP}-zk", namespace: str = NAMESPACE) -> dict[str, str]:
        found = self.kube.peek(SECRETS, namespace, name)
        assert found is not None
        return {key: base64.b64decode(text).decode() for key, text in found["data"].items()}

    def acl(self, path: str) -> tuple[Acl, ...]:
        return self.zk.tree.get_acl(path, SUPER)

    def data(self, path: str) -> bytes | None:
        try:
            return self.zk.tree.get(path, SUPER).data
        except NoNodeError:
            return None

    def limits(self, path: str = PATH) -> bytes | None:
        return self.data(f"{QUOTAS}{path}/zookeeper_limits")

    def node(self, path: str, data: bytes = b"", **more: Any) -> None:
        """What some application creates, with its parents."""
        parts = path.split("/")[1:]
        for count in range(1, len(parts)):
            parent = "/" + "/".join(parts[:count])
            if self.data(parent) is None:
                self.zk.write(Create(parent, b""))
        self.zk.write(Create(path, data, **more))

    def _condition(self, name: str, namespace: str) -> Manifest:
        found = self.status(name, namespace).get("conditions", ())
        return next((each for each in found if each["type"] == "Ready"), {})


class _CountedConnector:
    """Opens sessions whose writes are announced to the world, before and after they take effect."""

    def __init__(self, site: TenantSite) -> None:
        self._site = site
        self._inner = FakeZkConnector(site.zk)

    async def open(self, hosts: Sequence[str], credential: Credential | None, tls: ClientTls | None = None) -> Zk:
        zk = await self._inner.open(hosts, credential, tls)
        assert isinstance(zk, FakeZk)
        for name in ("multi", "set_acl"):
            setattr(zk, name, self._counted(getattr(zk, name)))
        return zk

    def _counted(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*given: Sequence[ZkOperation]) -> Any:
            self._site.before_write()
            done = await call(*given)
            self._site.after_write()
            return done

        return counted


async def is_refused(call: Awaitable[Any]) -> bool:
    """Whether the ensemble lets somebody not do this."""
    try:
        await call
    except ForbiddenError:
        return True
    return False


def grant(path: str, access: str = "ReadWrite", namespace: str = NAMESPACE) -> Manifest:
    return {"name": "a", "namespaces": {"names": [namespace]}, "paths": [path], "access": access}


def killing(site: TenantSite, number: int, *, after: bool) -> Callable[[], int]:
    """Have the operator killed at its write of this number, before or after it takes effect. Returns a counter."""
    kill = KillAt(number)
    if after:
        site.kube.after, site.after_write = kill.request, kill.write
    else:
        site.kube.before, site.before_write = kill.request, kill.write
    return lambda: kill.writes


def living(site: TenantSite) -> None:
    """Nobody is killed any more, and the operator starts again."""
    site.kube.before = site.kube.after = lambda _: None
    site.before_write = site.after_write = lambda: None
    site.start()
