"""What a scrape of the operator shows: the names and labels that are contract, and that each of them moves."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube
from tests.support.fakes.zk import FakeZkConnector, FakeZkServer, Fault
from tests.support.models.ensemble_simulation import Simulation, raw_cluster
from tests.support.worlds.mirror import NAMESPACE, ROOT, World
from zkoperator.ensemble.observe.store import LiveStore
from zkoperator.ensemble.plan.gate import Verdict, gate
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.status.meter import Cause, cause_of
from zkoperator.ensemble.validate import Defaults
from zkoperator.errors import TransientError
from zkoperator.kube.port import CONFIG_MAPS, CONFIG_SYNCS, PERSISTENT_VOLUME_CLAIMS, ZOOKEEPER_CLUSTERS
from zkoperator.metrics import Metrics
from zkoperator.runtime.keys import Key
from zkoperator.runtime.outcome import Outcome
from zkoperator.zk.port import ClientTls, Delete

TABLE: dict[str, tuple[str, ...]] = {
    "zkoperator_build_info": ("version",),
    "zkoperator_leader": (),
    "zkoperator_ready": (),
    "zkoperator_other_operators": (),
    "zkoperator_kopf_starts": (),
    "zkoperator_reconcile_total": ("kind", "outcome"),
    "zkoperator_reconcile_seconds": ("kind",),
    "zkoperator_queue_depth": ("kind",),
    "zkoperator_kube_request_seconds": ("verb", "outcome"),
    "zkoperator_zookeeper_request_seconds": ("operation", "result"),
    "zkoperator_sync_total": ("direction", "result"),
    "zkoperator_sync_event_to_write_seconds": ("direction",),
    "zkoperator_sync_cas_failures_total": ("side",),
    "zkoperator_sync_snapshot_seconds": (),
    "zkoperator_sync_snapshot_retries_total": (),
    "zkoperator_sync_resyncs_total": ("reason",),
    "zkoperator_sync_watch_events_total": (),
    "zkoperator_sync_flaps_total": (),
    "zkoperator_sync_renderings_total": ("result",),
    "zkoperator_sync_noop_total": (),
    "zkoperator_sync_api_writes_total": ("object",),
    "zkoperator_sync_conditions": ("condition", "status", "reason"),
    "zkoperator_sync_keys": (),
    "zkoperator_sync_bytes": (),
    "zkoperator_sync_conflicts": (),
    "zkoperator_sync_held_deletes": (),
    "zkoperator_sync_lag_seconds": (),
    "zkoperator_cluster_conditions": ("condition", "status", "reason"),
    "zkoperator_cluster_members": ("role",),
    "zkoperator_cluster_step_seconds": ("step", "result"),
    "zkoperator_cluster_gate_blocks_total": ("cause",),
    "zkoperator_cluster_certificate_expiry_seconds": ("certificate",),
    "zkoperator_backup_conditions": ("condition", "status", "reason"),
    "zkoperator_backup_failures_total": ("reason",),
    "zkoperator_backup_duration_seconds": (),
    "zkoperator_backup_znodes": (),
    "zkoperator_backup_bytes": (),
    "zkoperator_backup_schedule_conditions": ("condition", "status", "reason"),
    "zkoperator_backup_last_success_timestamp_seconds": (),
    "zkoperator_backup_schedule_interval_seconds": (),
    "zkoperator_backup_last_verified_timestamp_seconds": (),
    "zkoperator_znode_conditions": ("condition", "status", "reason"),
    "zkoperator_znode_usage_znodes": (),
    "zkoperator_znode_usage_bytes": (),
    "zkoperator_znode_world_writable": (),
}
"""Contract: dashboards and rules outside this repository name these too."""


def scraped(registry: CollectorRegistry) -> dict[str, float]:
    """Every sample of a scrape, as `name{label="value",...}`."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float:
    labelled = TABLE[name] if name in TABLE else TABLE[name.removesuffix("_count")]
    assert set(labels) == set(labelled), f"{name} has the labels {labelled}"
    return metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def world(metrics: Metrics) -> AsyncIterator[World]:
    made = World()
    made.meter = metrics.syncs
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def test_the_names_and_labels_are_those_of_the_table(metrics: Metrics) -> None:
    exposed = {
        name: tuple(getattr(collector, "_labelnames", ()))
        for collector, names in metrics.registry._collector_to_names.items()
        for name in names
        if name in TABLE
    }
    exposed["zkoperator_build_info"] = ("version",)
    assert exposed == TABLE


def test_nothing_is_exposed_that_the_table_does_not_have(metrics: Metrics) -> None:
    families = {family.name for family in metrics.registry.collect()}
    assert families == {name.removesuffix("_total").removesuffix("_info") for name in TABLE}


def test_no_label_is_a_name_of_an_object() -> None:
    bounded = {"version", "kind", "outcome", "verb", "operation", "result", "direction", "side", "reason", "object"}
    bounded |= {"condition", "status", "role", "step", "cause", "certificate"}
    assert {label for labels in TABLE.values() for label in labels} <= bounded


async def test_a_pull_counts_its_write_its_latency_and_what_is_equal(world: World, metrics: Metrics) -> None:
    world.tree(a="1", b="22")
    world.sync()
    await world.until_in_sync()
    assert value(metrics, "zkoperator_sync_resyncs_total", reason="start") == 1
    assert value(metrics, "zkoperator_sync_snapshot_seconds_count") == 1
    world.node("a", "111")
    await world.until(lambda: (world.data() or {})["a"] == b"111")
    await world.until(lambda: value(metrics, "zkoperator_sync_bytes") == 5)
    assert value(metrics, "zkoperator_sync_keys") == 2
    assert value(metrics, "zkoperator_sync_total", direction="pull", result="success") >= 2
    assert value(metrics, "zkoperator_sync_watch_events_total") >= 1
    assert value(metrics, "zkoperator_sync_event_to_write_seconds_count", direction="pull") == 1
    assert value(metrics, "zkoperator_sync_api_writes_total", object="configmap") >= 2
    assert value(metrics, "zkoperator_sync_api_writes_total", object="status") >= 1
    assert value(metrics, "zkoperator_sync_conditions", condition="Ready", status="True", reason="InSync") == 1


async def test_a_push_counts_its_write_and_its_latency(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.edit(a="2")
    await world.until(lambda: world.at("a") == b"2")
    await world.until(lambda: value(metrics, "zkoperator_sync_event_to_write_seconds_count", direction="push") == 1)
    assert value(metrics, "zkoperator_sync_total", direction="push", result="success") == 1
    assert value(metrics, "zkoperator_sync_event_to_write_seconds_count", direction="pull") == 0


async def test_a_pass_without_work_is_a_noop(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    key = world.sync()
    await world.until_in_sync()
    before = value(metrics, "zkoperator_sync_noop_total")
    world.loop.wake(key)
    await world.until(lambda: value(metrics, "zkoperator_sync_noop_total") > before)


async def test_a_refused_write_counts_for_the_side_that_had_changed(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    raced: list[str] = []

    def race(operation: Any) -> None:
        if operation.verb == "patch" and operation.resource == CONFIG_MAPS and not raced:
            raced.append(operation.name)
            world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"metadata": {"annotations": {"x": "y"}}})

    world.kube.before = race
    world.node("a", "2")
    await world.until(lambda: (world.data() or {})["a"] == b"2")
    assert value(metrics, "zkoperator_sync_cas_failures_total", side="configmap") == 1
    assert value(metrics, "zkoperator_sync_total", direction="pull", result="conflict") == 1


async def test_conflicts_are_counted_while_they_wait(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.config_map(a="2")
    world.sync()
    await world.until_reason("Conflict")
    await world.until(lambda: value(metrics, "zkoperator_sync_conflicts") == 1)
    conflict = {"condition": "Conflicted", "status": "True", "reason": "Conflict"}
    assert value(metrics, "zkoperator_sync_conditions", **conflict) == 1
    await world.until(lambda: value(metrics, "zkoperator_sync_lag_seconds") > 0)
    world.node("a", "2")
    await world.until_in_sync()
    await world.until(lambda: value(metrics, "zkoperator_sync_lag_seconds") == 0)
    assert value(metrics, "zkoperator_sync_conflicts") == 0
    assert value(metrics, "zkoperator_sync_conditions", **conflict) == 0


async def test_held_deletions_are_counted_until_they_run(world: World, metrics: Metrics) -> None:
    world.tree(**{f"k{number}": "1" for number in range(10)})
    world.sync()
    await world.until_in_sync()
    world.write(*(Delete(f"{ROOT}/k{number}", -1) for number in range(6)))
    await world.until(lambda: value(metrics, "zkoperator_sync_held_deletes") == 6)
    world.annotate(approve_deletions=world.status()["pending"]["hash"])
    await world.until(lambda: value(metrics, "zkoperator_sync_held_deletes") == 0)


async def test_rivals_that_revert_one_another_are_counted(world: World, metrics: Metrics) -> None:
    world.tree(a="zk")
    world.sync(direction="ZooKeeperToConfigMap")
    await world.until_in_sync()
    for _ in range(8):
        if world.ready()[1] == "Flapping":
            break
        world.kube.edit(CONFIG_MAPS, NAMESPACE, "shop", {"data": {"a": "cm"}}, manager="rival")
        await world.quiet(6)
    await world.until(lambda: value(metrics, "zkoperator_sync_flaps_total") >= 1)


async def test_renderings_are_counted_by_what_came_of_them(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.sync(direction="ZooKeeperToConfigMap", template={"data": {"f": "{{ getv('/a') | int }}"}})
    await world.until(lambda: value(metrics, "zkoperator_sync_renderings_total", result="rendered") == 1)
    world.spec(template={"data": {"f": "{{ nope }}"}})
    await world.until(lambda: value(metrics, "zkoperator_sync_renderings_total", result="template") == 1)


async def test_a_reconnect_reads_the_subtree_again_and_says_why(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.zk.down()
    world.zk.up()
    await world.until(lambda: value(metrics, "zkoperator_sync_resyncs_total", reason="reconnect") == 1)


async def test_a_read_that_a_lost_connection_cuts_off_is_counted_once(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.zk.inject(Fault.DROP_BEFORE, "get", path=f"{ROOT}/a")
    world.sync()
    await world.until_in_sync()
    assert value(metrics, "zkoperator_sync_snapshot_retries_total") == 1
    world.zk.disconnect()
    await world.until(lambda: value(metrics, "zkoperator_sync_resyncs_total", reason="reconnect") == 1)
    assert value(metrics, "zkoperator_sync_snapshot_retries_total") == 1


async def test_a_deleted_config_sync_counts_nowhere(world: World, metrics: Metrics) -> None:
    world.tree(a="1")
    world.sync()
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: value(metrics, "zkoperator_sync_keys") == 0)
    left = [v for name, v in scraped(metrics.registry).items() if name.startswith("zkoperator_sync_conditions")]
    assert left and not any(left)


def test_a_paused_config_sync_does_not_lag() -> None:
    clock = FakeClock()
    metrics = Metrics(clock)
    metrics.syncs.status_known(Key("demo", "a"), _status("Ready", "False", "Paused"))
    clock.jump(60)
    assert value(metrics, "zkoperator_sync_lag_seconds") == 0
    metrics.syncs.status_known(Key("demo", "b"), _status("Ready", "False", "Disconnected"))
    clock.jump(60)
    assert value(metrics, "zkoperator_sync_lag_seconds") == 60


def _status(kind: str, status: str, reason: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "reason": reason}]}


class SilentMembers:
    async def ask(self, host: str, port: int, word: str, tls: ClientTls | None = None) -> str:
        raise TransientError(f"{word}: nobody answers")


def reconciler(kube: FakeKube, metrics: Metrics) -> EnsembleReconciler:
    return EnsembleReconciler(
        kube,
        LiveStore(kube),
        SilentMembers(),
        FakeZkConnector(FakeZkServer()),
        Defaults("zookeeper:3.9.5"),
        meter=metrics.clusters,
    )


async def test_steps_are_timed_by_their_kind_and_clusters_counted_by_condition(metrics: Metrics) -> None:
    kube = FakeKube()
    key = Key("demo", "main")
    kube.put(ZOOKEEPER_CLUSTERS, raw_cluster())
    ensembles = reconciler(kube, metrics)
    for _ in range(4):
        await ensembles.reconcile(key)
    assert value(metrics, "zkoperator_cluster_step_seconds_count", step="RecordBootstrap", result="success") == 1
    assert value(metrics, "zkoperator_cluster_step_seconds_count", step="ApplyChild", result="success") >= 6
    bootstrapping = {"condition": "Progressing", "status": "True", "reason": "Bootstrapping"}
    assert value(metrics, "zkoperator_cluster_conditions", **bootstrapping) == 1
    assert value(metrics, "zkoperator_cluster_members", role="unknown") == 3
    kube.remove(ZOOKEEPER_CLUSTERS, "demo", "main")
    await ensembles.reconcile(key)
    assert value(metrics, "zkoperator_cluster_conditions", **bootstrapping) == 0
    assert value(metrics, "zkoperator_cluster_members", role="unknown") == 0


async def test_a_blocked_change_is_counted_once_for_its_cause(metrics: Metrics) -> None:
    kube = FakeKube()
    claim = {"name": "data-main-zk-0", "namespace": "demo", "annotations": {"zkoperator.dev/membership": "left"}}
    kube.put(PERSISTENT_VOLUME_CLAIMS, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": claim})
    kube.put(ZOOKEEPER_CLUSTERS, raw_cluster())
    ensembles = reconciler(kube, metrics)
    for _ in range(3):
        await ensembles.reconcile(Key("demo", "main"))
    assert sum(v for name, v in scraped(metrics.registry).items() if "gate_blocks_total" in name) == 1


def test_the_cause_of_a_block_follows_from_the_gates_numbers() -> None:
    simulation = Simulation(raw_cluster())
    assert cause_of(gate(simulation.observe())) is Cause.LEADER
    simulation.settle()
    assert cause_of(gate(simulation.observe())) is Cause.OTHER
    simulation.dark = frozenset({1 if simulation.leader != 1 else 2})
    assert cause_of(gate(simulation.observe())) is Cause.VOTERS
    numbers = {"voters": 3, "needed": 3, "serving": 3, "leaders": 1, "followers": 2}
    assert cause_of(Verdict(False, "", **numbers, synced=1, versions=(1,))) is Cause.SYNC
    assert cause_of(Verdict(False, "", **numbers, synced=2, versions=(1, 2))) is Cause.CONFIGURATION


def test_requests_to_zookeeper_are_counted_by_operation_and_result(metrics: Metrics) -> None:
    metrics.count_zookeeper_request("multi", "refused", 0.01)
    name = "zkoperator_zookeeper_request_seconds_count"
    assert value(metrics, name, operation="multi", result="refused") == 1


def test_what_the_loops_and_the_api_client_report_is_counted(metrics: Metrics) -> None:
    metrics.count_pass("ConfigSync", Outcome.SUCCESS, 0.01)
    metrics.count_kube_request("patch", "2xx", 0.01)
    metrics.watch_queues({"ConfigSync": lambda: 7})
    metrics.watch_leader(lambda: True)
    metrics.watch_kopf(lambda: 2)
    metrics.watch_ready(lambda: True)
    metrics.watch_others(lambda: 3)
    assert value(metrics, "zkoperator_reconcile_total", kind="ConfigSync", outcome="success") == 1
    assert value(metrics, "zkoperator_reconcile_seconds_count", kind="ConfigSync") == 1
    assert value(metrics, "zkoperator_kube_request_seconds_count", verb="patch", outcome="2xx") == 1
    assert value(metrics, "zkoperator_queue_depth", kind="ConfigSync") == 7
    assert value(metrics, "zkoperator_leader") == 1
    assert value(metrics, "zkoperator_kopf_starts") == 2
    assert value(metrics, "zkoperator_ready") == 1
    assert value(metrics, "zkoperator_other_operators") == 3


def test_conditions_of_single_objects_are_shown_only_on_request() -> None:
    metrics = Metrics()
    metrics.clusters.status_known(Key("demo", "main"), status("Ready", "True"))
    assert not any("object" in family.name for family in metrics.registry.collect())


def test_the_conditions_of_an_object_have_its_name_until_it_is_gone() -> None:
    metrics = Metrics(objects=5)
    for kind, meter in (("cluster", metrics.clusters), ("sync", metrics.syncs)):
        name = f"zkoperator_{kind}_object_condition"
        labels = {"namespace": "demo", "name": "main", "condition": "Ready", "status": "False", "reason": "Why"}
        meter.status_known(Key("demo", "main"), status("Ready", "False"))
        assert metrics.registry.get_sample_value(name, labels) == 1
        meter.status_known(Key("demo", "main"), status("Ready", "True"))
        assert metrics.registry.get_sample_value(name, labels) is None
        meter.object_gone(Key("demo", "main"))
        assert not any(found.startswith(name) for found in scraped(metrics.registry))


def test_of_many_objects_as_many_are_shown_as_the_setting_says_those_that_are_not_ready_first() -> None:
    metrics = Metrics(objects=3)
    for number in range(50):
        truth = "False" if number in (30, 40) else "True"
        metrics.syncs.status_known(Key("demo", f"s{number:02}"), status("Ready", truth))
    shown = [name for name in scraped(metrics.registry) if name.startswith("zkoperator_sync_object_condition")]
    assert [re.findall('name="(s..)"', name)[0] for name in shown] == ["s30", "s40", "s00"]


def status(kind: str, truth: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": truth, "reason": "Why"}]}
