"""The numbers that decide how a ConfigSync behaves in time, and what an administrator allows. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSettings:
    """Settings of all ConfigSyncs of a process.

    Args:
        allowed_hosts: `host`, `host:port` or `*.domain` that `spec.zookeeper.hosts` may name; empty: none.
        cluster_domain: DNS domain of the Kubernetes cluster.
        protected_addresses: addresses that hosts may resolve to only if the allow-list names the host itself: those of
            the API server. Loopback and link-local addresses are always among them.
        quiet_s: a burst of changes is written once it has been quiet for so long,
        longest_burst_s: or when its first change has waited for so long.
        status_lag_s: how far the numbers of a status may lag behind; conditions never lag.
        settle_s: content that did not change for so long is rolled out.
        rollout_interval_s: shortest time between two restarts of one workload, by whichever ConfigSyncs.
        rollout_burst, rollout_period_s: so many workloads are restarted at once, and one more after each such time.
        flap_window_s, flap_reverts: so many reverts of one key within the window are flapping,
        flap_hold_s: for which the key is held.
        retry_s: when to look again at what no event announces (a foreign ConfigMap, a claim, a missing permission).
        failing_s: once all writes have failed for so long, the status says it.
        recreate_s: a ConfigMap that was deleted is created again after so long, both ways, unless somebody else does.
        deletion_window_s: so long a deletion counts for `deletionGuard`, together with later ones.
        deletion_quiet_s: deletions in ZooKeeper are carried out when there was no other for so long,
        longest_deletion_s: or when the first of them has waited for so long.
        reread_s: when to look again at what events should have announced: the endpoint, all znodes of the subtree,
            values that were too large.
        tree_reads: subtrees of one ensemble that are read as a whole at the same time.
        tree_znodes, tree_bytes: a larger subtree is not followed.
    """

    allowed_hosts: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    protected_addresses: frozenset[str] = frozenset()
    quiet_s: float = 0.05
    longest_burst_s: float = 2.0
    status_lag_s: float = 5.0
    settle_s: float = 2.0
    rollout_interval_s: float = 10.0
    rollout_burst: int = 10
    rollout_period_s: float = 1.0
    flap_window_s: float = 60.0
    flap_reverts: int = 4
    flap_hold_s: float = 300.0
    retry_s: float = 30.0
    failing_s: float = 10.0
    recreate_s: float = 5.0
    deletion_window_s: float = 300.0
    deletion_quiet_s: float = 1.0
    longest_deletion_s: float = 10.0
    reread_s: float = 500.0
    tree_reads: int = 32
    tree_znodes: int = 200_000
    tree_bytes: int = 64 * 1024 * 1024
