"""The panels of the dashboard, in their order."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A heading."""

    title: str


@dataclass(frozen=True)
class Panel:
    """A panel; `queries` are expressions with the legend of their series."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    form: str = "timeseries"
    about: str = ""

    @property
    def width(self) -> int:
        """The number of columns."""
        return 4 if self.form == "stat" else 8


def _quantile(histogram: str, share: float, labels: str) -> str:
    return f"histogram_quantile({share}, sum by ({labels}) (rate({histogram}_bucket[$__rate_interval])))"


def _not_ready(conditions: str) -> str:
    return f'max by (namespace, name, reason) ({conditions}{{condition="Ready",status!="True"}})'


def _flush() -> str:
    spent, number = (f"sum by (namespace, pod) (rate(fsynctime_{part}[$__rate_interval]))" for part in ("sum", "count"))
    return f"{spent} / {number}"


PANELS: tuple[Row | Panel, ...] = (
    Row("ConfigSyncs"),
    Panel("Keys in sync", "short", (("sum(zkoperator_sync_keys)", ""),), form="stat"),
    Panel("Bytes in sync", "bytes", (("sum(zkoperator_sync_bytes)", ""),), form="stat"),
    Panel("Conflicts", "short", (("sum(zkoperator_sync_conflicts)", ""),), form="stat"),
    Panel("Deletions held", "short", (("sum(zkoperator_sync_held_deletes)", ""),), form="stat"),
    Panel(
        "Longest unequal",
        "s",
        (("max(zkoperator_sync_lag_seconds)", ""),),
        form="stat",
        about="For how long the ConfigSync that is unequal longest has been so.",
    ),
    Panel("Acting replicas", "short", (("sum(zkoperator_leader)", ""),), form="stat"),
    Panel(
        "From change to write",
        "s",
        (
            (
                _quantile("zkoperator_sync_event_to_write_seconds", 0.5, "le, direction"),
                "{{direction}} p50",
            ),
            (
                _quantile("zkoperator_sync_event_to_write_seconds", 0.99, "le, direction"),
                "{{direction}} p99",
            ),
        ),
    ),
    Panel(
        "Writes to the other side",
        "ops",
        (("sum by (direction, result) (rate(zkoperator_sync_total[$__rate_interval]))", "{{direction}} {{result}}"),),
    ),
    Panel(
        "Why ConfigSyncs are not ready",
        "short",
        (('sum by (reason) (zkoperator_sync_conditions{condition="Ready",status!="True"}) > 0', "{{reason}}"),),
    ),
    Panel(
        "Changes heard and passes without work",
        "ops",
        (
            ("sum(rate(zkoperator_sync_watch_events_total[$__rate_interval]))", "notifications"),
            ("sum(rate(zkoperator_sync_noop_total[$__rate_interval]))", "nothing to write"),
        ),
    ),
    Panel(
        "Refused conditional writes, flaps, renderings",
        "ops",
        (
            ("sum by (side) (rate(zkoperator_sync_cas_failures_total[$__rate_interval]))", "{{side}}"),
            ("sum(rate(zkoperator_sync_flaps_total[$__rate_interval]))", "flaps"),
            ("sum by (result) (rate(zkoperator_sync_renderings_total[$__rate_interval]))", "renderings: {{result}}"),
        ),
    ),
    Panel(
        "Whole subtrees read",
        "s",
        (
            (
                _quantile("zkoperator_sync_snapshot_seconds", 0.99, "le"),
                "p99",
            ),
            ("sum by (reason) (increase(zkoperator_sync_resyncs_total[$__rate_interval]))", "number: {{reason}}"),
            ("sum(increase(zkoperator_sync_snapshot_retries_total[$__rate_interval]))", "cut off"),
        ),
    ),
    Panel(
        "ConfigSyncs that are not ready",
        "short",
        (
            (
                _not_ready("zkoperator_sync_object_condition"),
                "{{namespace}}/{{name}} {{reason}}",
            ),
        ),
        about="Needs kube-state-metrics.yaml or the setting --object-metrics.",
    ),
    Row("Ensembles"),
    Panel(
        "Ensembles that are not ready",
        "short",
        (
            (
                _not_ready("zkoperator_cluster_object_condition"),
                "{{namespace}}/{{name}} {{reason}}",
            ),
        ),
        about="Needs kube-state-metrics.yaml or the setting --object-metrics.",
    ),
    Panel(
        "Available",
        "short",
        (('sum by (status, reason) (zkoperator_cluster_conditions{condition="Available"})', "{{status}} {{reason}}"),),
    ),
    Panel(
        "What is being done",
        "short",
        (('sum by (reason) (zkoperator_cluster_conditions{condition="Progressing",reason!="Settled"})', "{{reason}}"),),
    ),
    Panel(
        "What is wrong",
        "short",
        (('sum by (reason) (zkoperator_cluster_conditions{condition="Degraded",status="True"})', "{{reason}}"),),
    ),
    Panel("Members by role", "short", (("sum by (role) (zkoperator_cluster_members)", "{{role}}"),)),
    Panel(
        "Changes that came to wait",
        "short",
        (("sum by (cause) (increase(zkoperator_cluster_gate_blocks_total[$__rate_interval]))", "{{cause}}"),),
    ),
    Panel(
        "Steps",
        "s",
        (
            (
                _quantile("zkoperator_cluster_step_seconds", 0.99, "le, step"),
                "{{step}} p99",
            ),
        ),
    ),
    Row("Members"),
    Panel(
        "Digest mismatches",
        "short",
        (("max by (namespace, pod) (digest_mismatches_count)", "{{namespace}}/{{pod}}"),),
        about="More than 0: the member's data may have diverged.",
    ),
    Panel(
        "Requests in flight", "short", (("sum by (namespace, pod) (outstanding_requests)", "{{namespace}}/{{pod}}"),)
    ),
    Panel(
        "Log flush",
        "ms",
        (
            (
                _flush(),
                "{{namespace}}/{{pod}}",
            ),
        ),
    ),
    Panel("Znodes", "short", (("max by (namespace, pod) (znode_count)", "{{namespace}}/{{pod}}"),)),
    Panel("Connections", "short", (("sum by (namespace, pod) (num_alive_connections)", "{{namespace}}/{{pod}}"),)),
    Panel("Watches", "short", (("sum by (namespace, pod) (watch_count)", "{{namespace}}/{{pod}}"),)),
    Panel(
        "Data and heap",
        "bytes",
        (
            ("max by (namespace, pod) (approximate_data_size)", "{{namespace}}/{{pod}} data"),
            ('max by (namespace, pod) (jvm_memory_bytes_used{area="heap"})', "{{namespace}}/{{pod}} heap used"),
            ('max by (namespace, pod) (jvm_memory_bytes_max{area="heap"})', "{{namespace}}/{{pod}} heap"),
        ),
    ),
    Panel(
        "Voters, as members see them",
        "short",
        (("max by (namespace, pod) (quorum_size)", "{{namespace}}/{{pod}}"),),
        about="A member that serves nobody has no line.",
    ),
    Row("Backups"),
    Panel(
        "Backups by state",
        "short",
        (('sum by (reason) (zkoperator_backup_conditions{condition="Complete"})', "{{reason}}"),),
    ),
    Panel(
        "Duration of a backup, p99",
        "s",
        (("histogram_quantile(0.99, sum by (le) (rate(zkoperator_backup_duration_seconds_bucket[1d])))", ""),),
    ),
    Panel(
        "Failed Jobs of backups",
        "short",
        (("sum by (reason) (increase(zkoperator_backup_failures_total[1d]))", "{{reason}}"),),
    ),
    Panel(
        "Schedules by state",
        "short",
        (('sum by (reason) (zkoperator_backup_schedule_conditions{condition="Healthy"})', "{{reason}}"),),
    ),
    Panel(
        "Age of the newest backup",
        "s",
        (
            ("time() - min(zkoperator_backup_last_success_timestamp_seconds)", "stored"),
            ("time() - min(zkoperator_backup_last_verified_timestamp_seconds)", "verified"),
            ("min(zkoperator_backup_schedule_interval_seconds)", "interval"),
        ),
        about="Of the schedule that is furthest behind.",
    ),
    Panel(
        "What is stored",
        "bytes",
        (("sum(zkoperator_backup_bytes)", "bytes"), ("sum(zkoperator_backup_znodes)", "znodes")),
    ),
    Row("Tenants"),
    Panel(
        "ZNodes by state",
        "short",
        (('sum by (reason) (zkoperator_znode_conditions{condition="Ready"})', "{{reason}}"),),
    ),
    Panel(
        "Znodes of tenants",
        "short",
        (("sum(zkoperator_znode_usage_znodes)", "all"), ("sum(zkoperator_znode_world_writable)", "open to everybody")),
    ),
    Panel("Data of tenants", "bytes", (("sum(zkoperator_znode_usage_bytes)", ""),)),
    Row("Operator"),
    Panel(
        "Passes",
        "ops",
        (("sum by (kind, outcome) (rate(zkoperator_reconcile_total[$__rate_interval]))", "{{kind}} {{outcome}}"),),
    ),
    Panel(
        "Duration of a pass, p99",
        "s",
        (
            (
                _quantile("zkoperator_reconcile_seconds", 0.99, "le, kind"),
                "{{kind}}",
            ),
        ),
    ),
    Panel("Objects waiting", "short", (("sum by (kind) (zkoperator_queue_depth)", "{{kind}}"),)),
    Panel(
        "Kubernetes API, p99",
        "s",
        (
            (
                _quantile("zkoperator_kube_request_seconds", 0.99, "le, verb"),
                "{{verb}}",
            ),
        ),
    ),
    Panel(
        "ZooKeeper, p99",
        "s",
        (
            (
                _quantile("zkoperator_zookeeper_request_seconds", 0.99, "le, operation"),
                "{{operation}}",
            ),
        ),
    ),
    Panel(
        "Writes to the API for ConfigSyncs",
        "ops",
        (("sum by (object) (rate(zkoperator_sync_api_writes_total[$__rate_interval]))", "{{object}}"),),
    ),
    Panel("Starts of the event source", "short", (("max by (pod) (zkoperator_kopf_starts)", "{{pod}}"),)),
    Panel("Versions", "short", (("count by (version) (zkoperator_build_info)", ""),), form="table"),
    Panel(
        "Replicas that could act, other operators",
        "short",
        (
            ("sum(zkoperator_ready)", "ready"),
            ("max(zkoperator_other_operators)", "other operators"),
        ),
    ),
)
