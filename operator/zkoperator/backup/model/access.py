"""How a Job gets at an ensemble: its members, and the Secrets and ConfigMaps that the pod needs. Pure."""

from dataclasses import dataclass

from zkoperator.api.backup import ZooKeeperBackupSpec
from zkoperator.api.reasons import BackupReason
from zkoperator.backup.model.waiting import Waiting
from zkoperator.backup.order import Cluster
from zkoperator.controller.cluster_access import asks_for_certificate, bundle_of, tls_hosts
from zkoperator.kube.port import Manifest


@dataclass(frozen=True, slots=True)
class Trust:
    """TLS: the ConfigMap with the authorities, and the Secret with a certificate to show, if any."""

    config_map: str
    identity_secret: str | None


@dataclass(frozen=True, slots=True)
class Access:
    """An ensemble as a Job in its namespace can reach it.

    Args:
        hosts: `host:port` of each member.
        cluster: the ZooKeeperCluster, None for an ensemble outside.
        credentials: Secret with `username` and `password`, None for none.
        trust: None for no TLS.
    """

    hosts: tuple[str, ...]
    cluster: Cluster | None
    credentials: str | None
    trust: Trust | None = None


def access_outside(spec: ZooKeeperBackupSpec) -> Access:
    """Return the access to the ensemble that `hosts` names."""
    hosts = tuple(entry for entry in (spec.hosts or "").split(",") if entry)
    return Access(hosts, None, spec.credentials_secret)


def access_to(name: str, cluster: Manifest | None) -> Access | Waiting:
    """Return the access to a ZooKeeperCluster, or why there is none yet.

    Args:
        name: of the ZooKeeperCluster.
        cluster: as it was read, None when there is none.
    """
    if cluster is None:
        return Waiting(
            BackupReason.CLUSTER_NOT_FOUND,
            f"there is no ZooKeeperCluster {name} in this namespace; spec.clusterRef names one of the same namespace, "
            "another ensemble is named by spec.hosts",
        )
    plain = str((cluster.get("status") or {}).get("hosts") or "")
    secure = tls_hosts(cluster)
    hosts = tuple(entry for entry in (secure or plain).split(",") if entry)
    if not hosts:
        return Waiting(
            BackupReason.CLUSTER_NOT_READY,
            f"ZooKeeperCluster {name} has no members yet; the backup begins when it has. See kubectl get zk {name}",
        )
    meta = cluster["metadata"]
    identity = f"{name}-zk-ca" if asks_for_certificate(cluster) else None
    return Access(
        hosts=hosts,
        cluster=Cluster(meta["namespace"], name, meta["uid"]),
        credentials=f"{name}-zk-admin",
        trust=Trust(bundle_of(cluster), identity) if secure else None,
    )
