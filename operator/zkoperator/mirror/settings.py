"""Settings of the process for all ConfigSyncs: times, limits, and what an administrator allows. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorSettings:
    """Settings for all ConfigSyncs of a process. Times are seconds.

    Args:
        allowed_hosts: `host`, `host:port` or `*.domain` that `spec.zookeeper.hosts` may name; empty allows none.
        cluster_domain: DNS domain of the Kubernetes cluster.
        protected_addresses: addresses of the API server. A host may resolve to one only if the allow-list names the
            host itself. Loopback and link-local addresses are always protected too.
        quiet_s: a burst of changes has ended when there was no change for this time.
        longest_burst_s: a burst is written at the latest when its first change has waited for this time.
        status_lag_s: how long the numbers of a status may be out of date; conditions are always written at once.
        settle_s: content has settled, and is rolled out, when it has not changed for this time.
        rollout_interval_s: shortest time between two restarts of one workload, also by different ConfigSyncs.
        rollout_burst: number of workloads that may be restarted at once.
        rollout_period_s: after each such time, one more workload may be restarted.
        flap_window_s: window in which reverts of a key are counted.
        flap_reverts: number of reverts within the window that make a key flapping.
        flap_hold_s: how long a flapping key is held.
        retry_s: when to look again at a cause that no event announces (another's ConfigMap, a claim, a permission).
        failing_s: the status reports failing writes when all writes have failed for this time.
        recreate_s: with `TwoWay`, a deleted ConfigMap is created again after this time, unless somebody else does so.
        deletion_window_s: how long a deletion counts for `deletionGuard`; longer while deletions wait for approval.
        deletion_quiet_s: deletions in ZooKeeper are pulled when there was no further deletion for this time.
        longest_deletion_s: deletions are pulled at the latest when the first of them has waited for this time.
        reread_s: when to check what events should have announced: the endpoint, all znodes of the subtree, values that
            were too large.
        tree_reads: number of subtrees of one ensemble that may be read completely at the same time.
        tree_znodes: largest number of znodes of a subtree that is followed.
        tree_bytes: largest size of a subtree that is followed, in bytes.
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
