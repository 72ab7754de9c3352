"""A cluster repeats what the schedules of its backups say, and knows nothing where nobody has listed them."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import Simulation, raw_cluster, valid
from tests.support.models.seeds import Seed, rewritten
from tests.support.worlds.ensemble import EnsembleWorld, ensemble_world
from zkoperator.ensemble.observe import backups as module
from zkoperator.ensemble.observe.backups import Backups
from zkoperator.ensemble.plan.plan import make_plan
from zkoperator.ensemble.reconcile import EnsembleReconciler
from zkoperator.ensemble.status.status import status_of
from zkoperator.ensemble.validate import Defaults
from zkoperator.kube.port import Manifest

NOW = "2026-12-01T00:00:00Z"


def schedule(name: str, cluster: str = "main", reason: str = "OnSchedule", **status: Any) -> Manifest:
    healthy = {"type": "Healthy", "status": "True", "reason": reason, "message": f"words of {name}"}
    spec = {"clusterRef": {"name": cluster}} if cluster else {"hosts": "a:2181"}
    return {"metadata": {"name": name}, "spec": spec, "status": {**status, "conditions": [healthy]}}


HOURLY = schedule("hourly", lastSuccessTime="2026-11-30T12:00:09Z", lastVerifiedTime="2026-11-30T12:00:10Z", zxid="0x2")
WEEKLY = schedule("weekly", lastSuccessTime="2026-11-29T03:00:00Z", lastVerifiedTime="2026-11-29T03:01:00Z", zxid="0x1")


async def test_the_newest_backup_of_all_schedules_of_a_cluster_is_told() -> None:
    found = module.backups_of("main", [WEEKLY, HOURLY, schedule("other", "b", lastSuccessTime="2026-12-01T00:00:00Z")])
    assert found == Backups("2026-11-30T12:00:09Z", "2026-11-30T12:00:10Z", "0x2")


def test_a_schedule_without_a_backup_and_one_of_hosts_say_nothing() -> None:
    new: Manifest = {"metadata": {"name": "new"}, "spec": {"clusterRef": {"name": "main"}}}
    assert module.backups_of("main", [new, schedule("out", "", lastSuccessTime=NOW)]) == Backups()


async def test_an_overdue_schedule_is_named_with_its_words() -> None:
    overdue = schedule("nightly", reason="BackupOverdue")
    found = module.backups_of("main", [HOURLY, overdue, schedule("failed", reason="BackupFailed")])
    assert found.overdue == "ZooKeeperBackupSchedule nightly: words of nightly"


def told(backups: Backups | None) -> dict[str, Any]:
    world = Simulation(raw_cluster(3))
    world.settle()
    cluster, observed = valid(world.raw), replace(world.observe(), backups=backups)
    return status_of(cluster, observed, make_plan(cluster, observed), NOW)


def degraded(backups: Backups | None) -> tuple[str, str]:
    (found,) = [each for each in told(backups)["conditions"] if each["type"] == "Degraded"]
    return found["status"], found["reason"]


def test_an_overdue_schedule_degrades_the_cluster_and_leaves_it_ready() -> None:
    assert degraded(Backups(overdue="words")) == ("True", "BackupOverdue")
    assert degraded(Backups()) == degraded(None) == ("False", "Healthy")
    ready = [each["status"] for each in told(Backups(overdue="words"))["conditions"] if each["type"] == "Ready"]
    assert ready == ["True"]


def test_what_was_last_known_stays_until_something_is_known() -> None:
    assert "backup" not in told(None)
    assert told(Backups())["backup"] is None
    assert told(Backups("2026-11-30T12:00:09Z", zxid="0x2"))["backup"] == {
        "lastSuccessTime": "2026-11-30T12:00:09Z",
        "zxid": "0x2",
    }


async def test_a_cluster_at_rest_learns_of_a_new_backup() -> None:
    world: EnsembleWorld = ensemble_world(3)
    known: list[Manifest] = [WEEKLY]
    world.operator = EnsembleReconciler(
        world.api,
        world.store,
        world,
        world,
        Defaults("docker.io/library/zookeeper:3.9.5"),
        world.clock,
        wall=world.wall,
        schedules=lambda namespace: known if namespace == "demo" else None,
    )
    await world.rest()
    found = world.cluster()
    assert found is not None and found["status"]["backup"]["zxid"] == "0x1"
    known.append(HOURLY)
    for _ in range(5):
        await world.turn()
    found = world.cluster()
    assert found is not None and found["status"]["backup"] == {
        "lastSuccessTime": "2026-11-30T12:00:09Z",
        "lastVerifiedTime": "2026-11-30T12:00:10Z",
        "zxid": "0x2",
    }


SEEDS = (
    Seed(
        "a schedule of another cluster says nothing",
        rewritten(module, "backups_of", 'if (each["spec"].get("clusterRef") or {}).get("name") == cluster', ""),
        (test_the_newest_backup_of_all_schedules_of_a_cluster_is_told,),
    ),
    Seed(
        "a failed backup is not yet an overdue one",
        rewritten(module, "_overdue", 'if found["reason"] == ScheduleReason.BACKUP_OVERDUE', ""),
        (test_an_overdue_schedule_is_named_with_its_words,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_cluster_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
