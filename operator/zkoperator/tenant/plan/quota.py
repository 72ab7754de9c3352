"""The quota of a ZNode: its znodes, which the tenant cannot write, and whether it is enforced. Pure."""

from zkoperator.api.reasons import ZNodeReason
from zkoperator.tenant.model.acl import READ_ONLY
from zkoperator.tenant.model.names import LIMITS, STATS, quota_path
from zkoperator.tenant.model.quota import NOTHING_YET, limits_text
from zkoperator.tenant.model.waiting import Waiting
from zkoperator.tenant.observe.seen import QuotaView, Seen, Tree
from zkoperator.tenant.plan.steps import Commit, SetAcl
from zkoperator.tenant.validate import ValidatedZNode
from zkoperator.zk.paths import join
from zkoperator.zk.port import Create, Operation, Set


def quota_step(znode: ValidatedZNode, tree: Tree) -> Commit | SetAcl | None:
    """Return the next write that makes the quota what the spec asks for.

    Everybody may write below `/zookeeper/quota`, so each znode has an ACL that lets nobody raise or remove the quota.
    Without a quota in the spec the znodes exist too: the ensemble counts only where they do.
    """
    quota, place = tree.quota, quota_path(znode.path)
    if _is_limited_above(quota):
        return None
    limits = limits_text(znode.spec.quota)
    created = _missing(quota, place, limits)
    if created:
        return Commit((created,))
    views = ((place, quota.parent), (join(place, LIMITS), quota.limits), (join(place, STATS), quota.stats))
    for path, view in views:
        if view is not None and set(view.acl) != set(READ_ONLY):
            return SetAcl(path, READ_ONLY, view.aversion)
    if quota.limits is not None and quota.limits.data != limits:
        return Commit(((Set(join(place, LIMITS), limits, quota.limits.version),),))
    return None


def quota_problem(znode: ValidatedZNode, seen: Seen) -> Waiting | None:
    """Return why the quota of the spec does not hold, None when it does or there is none."""
    quota = seen.tree.quota
    if znode.spec.quota is None:
        return None
    if _is_limited_above(quota):
        return _not_enforced(
            f"znode {quota.above} has a quota, and ZooKeeper enforces only the lowest one on a path: remove "
            f"spec.quota, or have the owner of the ensemble remove that one (delquota {quota.above})"
        )
    if quota.deeper:
        return _not_enforced(
            f"something below {znode.path} has a quota of its own, which ZooKeeper enforces there in place of this "
            f"one; the owner of the ensemble removes all below {quota_path(znode.path)} but {LIMITS} and {STATS}"
        )
    if not seen.door.enforces_quotas:
        cluster = znode.spec.cluster_ref.name
        return _not_enforced(
            f"the ensemble counts and does not refuse: set spec.config.enforceQuota: true of ZooKeeperCluster {cluster}"
        )
    return None


def _is_limited_above(quota: QuotaView) -> bool:
    """Return whether a quota of a parent holds here, which one of ours would end."""
    return quota.above != "" and quota.limits is None


def _missing(quota: QuotaView, place: str, limits: bytes) -> tuple[Operation, ...]:
    """Return the creations. The server counts what is there when `STATS` comes after `LIMITS`."""
    parents = tuple(Create(path, b"", READ_ONLY) for path in quota.missing)
    own_limits = (Create(join(place, LIMITS), limits, READ_ONLY),) if quota.limits is None else ()
    stats = (Create(join(place, STATS), NOTHING_YET, READ_ONLY),) if quota.stats is None else ()
    return (*parents, *own_limits, *stats)


def _not_enforced(message: str) -> Waiting:
    return Waiting(ZNodeReason.QUOTA_NOT_ENFORCED, message)
