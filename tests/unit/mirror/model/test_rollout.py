"""Marks, limits and turns of restarts: pure."""

from tests.support.worlds.workload_rollouts import web_workload
from zkoperator.mirror.model.config_map import fold_managers, written_at
from zkoperator.mirror.model.rollout import PendingMarks, RestartLimits


def test_marks_of_one_workload_wait_for_one_another_but_not_for_ever() -> None:
    pending = PendingMarks(longest_s=10)
    pending.want("demo", web_workload(0), "shop", "h1", 100.0)
    assert pending.wait_s("demo", web_workload(0), 100.0) == 0
    pending.want("demo", web_workload(0), "other", "h2", 102.0)
    assert pending.wait_s("demo", web_workload(0), 100.0) == 2
    assert pending.wait_s("elsewhere", web_workload(0), 100.0) == 0
    pending.want("demo", web_workload(0), "other", "h3", 150.0)
    assert pending.wait_s("demo", web_workload(0), 109.0) == 1
    assert pending.marks("demo", web_workload(0)) == {"shop": "h1", "other": "h3"}
    pending.settle("demo", web_workload(0), "other")
    pending.settle("demo", web_workload(0), "shop")
    assert pending.marks("demo", web_workload(0)) == {}


def test_values_were_written_when_the_last_owner_of_a_value_wrote() -> None:
    fields = [
        {"manager": "b", "time": "2026-01-01T00:00:02Z", "fieldsV1": {"f:binaryData": {"f:k": {}}}},
        {"manager": "a", "time": "2026-01-01T00:00:01Z", "fieldsV1": {"f:data": {"f:j": {}}}},
        {"manager": "c", "time": "2026-01-01T00:00:03Z", "fieldsV1": {"f:metadata": {"f:labels": {}}}},
    ]
    manifest = {"metadata": {"name": "shop", "managedFields": fields}}
    assert written_at(manifest) == written_at(fold_managers(manifest)) == "2026-01-01T00:00:02Z"
    assert written_at({"metadata": {"name": "shop"}}) is None


def test_restarts_are_limited_across_config_syncs_and_every_workload_gets_its_turn() -> None:
    limits = RestartLimits(interval_s=10, burst=3, period_s=2)
    assert [limits.wait_s("demo", web_workload(number), 100.0) for number in range(6)] == [0, 0, 0, 2, 4, 6]
    assert limits.wait_s("demo", web_workload(3), 101.0) == 1
    assert limits.wait_s("demo", web_workload(5), 106.0) == 0


def test_a_workload_rests_between_restarts_whoever_asks_for_them() -> None:
    limits = RestartLimits(interval_s=10, burst=3, period_s=2)
    assert limits.wait_s("demo", web_workload(0), 100.0) == 0
    limits.restarts("demo", web_workload(0), 100.0)
    assert limits.wait_s("demo", web_workload(0), 103.0) == 7
    assert limits.wait_s("elsewhere", web_workload(0), 103.0) == 0


def test_turns_that_nobody_used_and_old_restarts_are_forgotten() -> None:
    limits = RestartLimits(interval_s=10, burst=3, period_s=2)
    for number in range(5):
        limits.wait_s("demo", web_workload(number), 0.0)
        limits.restarts("demo", web_workload(10 + number), 0.0)
    limits.wait_s("demo", web_workload(99), 1000.0)
    assert len(limits._slots_s) == 1
    assert not limits._restarted_s
