"""The ZooKeeper side of a ConfigSync: ensemble, subtree, identity and ACL."""

from enum import StrEnum
from typing import Annotated, ClassVar

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, immutable
from zkoperator.api.sync_fields import Hosts, ZnodePath
from zkoperator.api.tls import ZooKeeperTls
from zkoperator.api.types import ObjectName


class ClusterRef(Model):
    """A ZooKeeperCluster in the same namespace."""

    name: ObjectName
    """Name of the ZooKeeperCluster."""


class ZnodeAcl(StrEnum):
    """The ACL of znodes that a push creates."""

    PARENT = "Parent"
    """The ACL of the nearest parent that exists."""
    CREATOR = "Creator"
    """All permissions for the identity of `credentialsSecret`, none for others."""
    CREATOR_ALL_WORLD_READ = "CreatorAllWorldRead"
    """All permissions for the identity of `credentialsSecret`, read permission for everybody."""
    OPEN = "Open"
    """All permissions for everybody."""


class ZooKeeperSide(Model):
    """The subtree of znodes."""

    rules: ClassVar = (
        Rule(
            "write caSecretName with hosts, and leave it out with clusterRef: the ZooKeeperCluster says whom to trust",
            field="tls.caSecretName",
            cel="!has(self.tls) || has(self.tls.caSecretName) == has(self.hosts)",
            holds=lambda side: side.tls is None or (side.tls.ca_secret_name is not None) == (side.hosts is not None),
        ),
        Rule(
            "write Parent or Open, or name a credentialsSecret: without an identity nobody is the creator",
            field="acl",
            cel="!self.acl.startsWith('Creator') || has(self.credentialsSecret)",
            holds=lambda side: not side.acl.startswith("Creator") or side.credentials_secret is not None,
        ),
        Rule(
            "write exactly one of clusterRef (an ensemble of this namespace) and hosts (any other ensemble)",
            cel="has(self.clusterRef) != has(self.hosts)",
            holds=lambda side: (side.cluster_ref is None) != (side.hosts is None),
        ),
    )

    cluster_ref: ClusterRef | None = None
    """The ZooKeeperCluster in the same namespace that runs the ensemble."""
    hosts: Hosts | None = None
    """Connect string of any other ensemble. The operator's `--allowed-hosts` must permit each host."""
    path: Annotated[
        ZnodePath,
        Rules(
            immutable(
                "the ConfigMap holds the state of this subtree; create another ConfigSync for another path, and delete "
                "this one when it is not needed"
            )
        ),
    ]
    """Absolute path of the znode that is the root of the subtree. `/` is the whole tree without `/zookeeper` and
    `/zkoperator`, only with direction `ZooKeeperToConfigMap`."""
    credentials_secret: ObjectName | None = None
    """Name of a Secret in the same namespace with `username` and `password` for digest authentication."""
    tls: ZooKeeperTls | None = None
    """TLS of the connection. With `clusterRef` it is used by itself as soon as all members have a TLS port."""
    acl: ZnodeAcl = ZnodeAcl.PARENT
    """ACL of znodes that a push creates. With `Parent`, the identity that pushes always gets access too."""
