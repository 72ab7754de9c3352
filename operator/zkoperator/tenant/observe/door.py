"""Finds how the operator gets at the ensemble of a ZNode, or why it does not. I/O.

Everything is looked up in the ZNode's own namespace, except a ZooKeeperCluster that grants the path to it.
"""

from zkoperator.api.grant import GrantAccess
from zkoperator.api.reasons import ZNodeReason
from zkoperator.controller.cluster_access import tls_hosts
from zkoperator.controller.grant_check import GrantRequest, refusal_of
from zkoperator.controller.secret_texts import text_in
from zkoperator.controller.trust import TrustError, TrustFinder
from zkoperator.kube.port import SECRETS, ZOOKEEPER_CLUSTERS, KubeApi, Manifest
from zkoperator.tenant.model.access import Door
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.zk.port import ClientTls, Credential


class DoorFinder:
    """Finds the ensembles of ZNodes. `domain` is the DNS domain of the Kubernetes cluster."""

    def __init__(self, api: KubeApi, domain: str) -> None:
        self._api = api
        self._domain = domain
        self._trust = TrustFinder(api)

    async def find(self, znode: ValidatedZNode) -> Door | Waiting:
        """Return the door, or why there is none."""
        key = znode.cluster
        cluster = await self._api.get(ZOOKEEPER_CLUSTERS, key.namespace, key.name)
        if key.namespace != znode.meta.namespace:
            request = GrantRequest(znode.meta.namespace, key, GrantAccess.READ_WRITE, (znode.path,))
            if (refusal := await refusal_of(self._api, request, cluster)) is not None:
                return Waiting(ZNodeReason.NOT_GRANTED, refusal)
        if cluster is None:
            message = (
                f"there is no ZooKeeperCluster {key.name} in this namespace; one of another namespace is named by "
                "spec.clusterRef.namespace too"
            )
            return Waiting(ZNodeReason.CLUSTER_NOT_FOUND, message)
        return await self._to(cluster)

    async def _to(self, cluster: Manifest) -> Door | Waiting:
        namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
        status = cluster.get("status") or {}
        hosts = tuple(entry for entry in (tls_hosts(cluster) or str(status.get("hosts") or "")).split(",") if entry)
        if not hosts:
            return _not_ready(f"ZooKeeperCluster {name} has no members yet; see kubectl get zk {name} -n {namespace}")
        secret = await self._api.get(SECRETS, namespace, f"{name}-zk-admin")
        superuser = Credential(text_in(secret, "username"), text_in(secret, "password"))
        if not superuser.username or not superuser.password:
            return _not_ready(f"there is no Secret {name}-zk-admin with the superuser's name and password yet")
        trust = await self._trusted(cluster)
        if isinstance(trust, Waiting):
            return trust
        endpoint = str(status.get("endpoint") or f"{name}-zk.{namespace}.svc.{self._domain}:2181")
        return Door(hosts, superuser, trust, endpoint, enforces_quotas=_enforces_quotas(cluster))

    async def _trusted(self, cluster: Manifest) -> ClientTls | Waiting | None:
        try:
            return await self._trust.of_cluster(cluster)
        except TrustError as error:
            return _not_ready(str(error))


def _enforces_quotas(cluster: Manifest) -> bool:
    """YAML reads `true` as a boolean, not as a text."""
    config = cluster["spec"].get("config") or {}
    return str(config.get("enforceQuota", "")).lower() == "true"


def _not_ready(message: str) -> Waiting:
    return Waiting(ZNodeReason.CLUSTER_NOT_READY, message)
