"""The ZooKeeper side of a ConfigSync: ensemble, subtree, identity and ACL."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from zkoperator.api.meta import Model
from zkoperator.api.rules import Rule, Rules, immutable
from zkoperator.api.sync_fields import Hosts, KeyStart, ZnodePath
from zkoperator.api.tls import ZooKeeperTls
from zkoperator.api.types import LabelName, ObjectName


class ClusterRef(Model):
    """A ZooKeeperCluster in the same namespace."""

    name: ObjectName
    """Name of the ZooKeeperCluster."""


class GrantedClusterRef(ClusterRef):
    """A ZooKeeperCluster of this namespace, or one that grants the path to it."""

    namespace: LabelName | None = None
    """Namespace of the ZooKeeperCluster, whose `spec.grants` must permit the path. The default is this namespace."""


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


MAX_SOURCES: Final = 16
"""Most subtrees of one ConfigSync."""


class SubtreeSource(Model):
    """One of several subtrees of an ensemble."""

    path: Annotated[
        ZnodePath,
        Rules(
            Rule(
                "write the path of a subtree such as /apps: the whole tree has all others in it; write path: / instead "
                "of sources",
                cel="self != '/'",
                holds=lambda path: path != "/",
            )
        ),
    ]
    """Absolute path of the znode that is the root of the subtree."""
    prefix: KeyStart = ""
    """Text before each key of this subtree, as it is written: with `shop.`, `db/url` is `shop.db__url`."""


def _are_apart(sources: tuple[SubtreeSource, ...]) -> bool:
    return not any(
        (other.path + "/").startswith(one.path + "/") for one in sources for other in sources if other is not one
    )


class ZooKeeperSide(Model):
    """The subtree of znodes, or several of them."""

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
            "write exactly one of clusterRef (an ensemble of this Kubernetes cluster) and hosts (any other ensemble)",
            cel="has(self.clusterRef) != has(self.hosts)",
            holds=lambda side: (side.cluster_ref is None) != (side.hosts is None),
        ),
        Rule(
            "write exactly one of path (one subtree) and sources (several, pulled into one ConfigMap)",
            cel="has(self.path) != (has(self.sources) && self.sources.size() > 0)",
            holds=lambda side: (side.path is None) != (not side.sources),
        ),
        Rule(
            "cannot be changed into sources, or back: the ConfigMap holds the state of this subtree; create another "
            "ConfigSync",
            field="path",
            cel="has(self.path) == has(oldSelf.path)",
        ),
    )

    cluster_ref: GrantedClusterRef | None = None
    """The ZooKeeperCluster that runs the ensemble."""
    hosts: Hosts | None = None
    """Connect string of any other ensemble. The operator's `--allowed-hosts` must permit each host."""
    path: (
        Annotated[
            ZnodePath,
            Rules(
                immutable(
                    "the ConfigMap holds the state of this subtree; create another ConfigSync for another path, and "
                    "delete this one when it is not needed"
                )
            ),
        ]
        | None
    ) = None
    """Absolute path of the znode that is the root of the subtree. `/` is the whole tree without `/zookeeper` and
    `/zkoperator`, only with direction `ZooKeeperToConfigMap`."""
    sources: Annotated[
        tuple[SubtreeSource, ...],
        Field(max_length=MAX_SOURCES),
        Rules(
            Rule(
                "remove one of two paths that are equal or of which one is below the other: each znode is one key",
                cel="self.all(a, self.filter(b, (b.path + '/').startsWith(a.path + '/')).size() == 1)",
                holds=_are_apart,
            )
        ),
    ] = ()
    """Instead of `path`: several subtrees of the ensemble in one ConfigMap, only with direction `ZooKeeperToConfigMap`.
    Where two of them have the same key, the later one wins. The list can be changed; nothing is deleted by that."""
    credentials_secret: ObjectName | None = None
    """Name of a Secret in the same namespace with `username` and `password` for digest authentication."""
    tls: ZooKeeperTls | None = None
    """TLS of the connection. With `clusterRef` it is used by itself as soon as all members have a TLS port."""
    acl: ZnodeAcl = ZnodeAcl.PARENT
    """ACL of znodes that a push creates. With `Parent`, the identity that pushes always gets access too."""
