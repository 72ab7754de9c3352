"""What the Jobs of a restore are told, mount and may do."""

from typing import Any

import pytest

from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.backup_site import BUCKET
from zkoperator.api.backup import MAX_NAME_LENGTH as MAX_BACKUP_NAME_LENGTH
from zkoperator.api.backup_storage import BackupStorage
from zkoperator.api.cluster import MAX_NAME_LENGTH
from zkoperator.backup.order import S3, VARIABLE, Folder, VerifyOrder, order_from_json
from zkoperator.ensemble.build import restore
from zkoperator.ensemble.build.restore import checking, fetching, safety_copy, seed_claim
from zkoperator.ensemble.build.statefulset import stateful_set
from zkoperator.ensemble.model.restore import Source, check_job, fetch_job
from zkoperator.ensemble.validate import ValidatedCluster
from zkoperator.kube.port import Manifest
from zkoperator.runtime.wall_clock import utc_now

LOCATION = "demo/main/uid/20261129T120000Z-50000002a"
CLAIM = BackupStorage.model_validate({"persistentVolumeClaim": {"claimName": "backups"}})
SOURCE = Source("ZooKeeperBackup night", CLAIM, LOCATION)
PLACEMENT: Manifest = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "zookeeper", "operator": "Exists"}],
    "priorityClassName": "high",
}


def cluster(**pod: Any) -> ValidatedCluster:
    return valid(raw_cluster(3, pod=pod, storage={"storageClassName": "fast", "size": "7Gi"}))


def fetched(source: Source = SOURCE, **pod: Any) -> Manifest:
    found: Manifest = fetching(cluster(**pod), 1, 0x10000, source, "operator:1")["spec"]["template"]["spec"]
    return found


def order_in(pod: Manifest) -> VerifyOrder:
    (container,) = pod["containers"]
    (variable,) = container["env"]
    assert variable["name"] == VARIABLE
    order = order_from_json(variable["value"])
    assert isinstance(order, VerifyOrder)
    return order


def mounts(pod: Manifest) -> dict[str, tuple[str, bool]]:
    return {
        each["name"]: (each["mountPath"], each.get("readOnly", False)) for each in pod["containers"][0]["volumeMounts"]
    }


async def test_a_check_reads_the_backup_and_mounts_no_volume_of_a_member() -> None:
    pod = checking(cluster(), "night@0", SOURCE, "operator:1")["spec"]["template"]["spec"]
    assert order_in(pod).target is None
    assert mounts(pod)["store"] == ("/backup/store", True)
    assert "data" not in mounts(pod)


async def test_a_fetch_puts_the_backup_beside_the_data_of_the_seed() -> None:
    pod = fetched()
    order = order_in(pod)
    assert (order.store, order.location, order.target) == (Folder("/backup/store"), LOCATION, "/data/restore/65536")
    assert order.root == "/", "only a backup of the whole tree"
    assert mounts(pod)["data"] == ("/data", False)
    assert mounts(pod)["store"] == ("/backup/store", True), "it changes nothing where backups are"
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "data-main-zk-0"


async def test_a_fetch_runs_where_the_member_may() -> None:
    assert {key: fetched(**PLACEMENT).get(key) for key in PLACEMENT} == PLACEMENT


async def test_a_fetch_is_in_the_group_of_the_member_and_is_the_user_of_backups() -> None:
    by_default = fetched()["securityContext"]
    assert (by_default["runAsUser"], by_default["runAsGroup"], by_default["fsGroup"]) == (65532, 1000, 1000)
    named = fetched(securityContext={"runAsUser": 7, "fsGroup": 8})["securityContext"]
    assert (named["runAsUser"], named["fsGroup"], named["runAsNonRoot"]) == (7, 8, True)


def test_a_fetch_has_no_rights_and_passes_pod_security() -> None:
    pod = fetched(Source("b", BackupStorage.model_validate({"s3": BUCKET}), LOCATION))
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert isinstance(order_in(pod).store, S3)
    secrets = [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each]
    assert secrets == ["keys", "s3-ca"], "nothing of the ensemble"


def test_members_never_see_where_backups_are() -> None:
    raw = raw_cluster(3, bootstrap={"fromBackup": {"storage": {"s3": BUCKET}, "path": LOCATION}})
    text = str(stateful_set(valid(raw), 1, bootstrap="", secret_id="s"))
    assert "copies" not in text and "keys" not in text


def test_a_claim_is_as_the_stateful_set_would_make_it() -> None:
    made = seed_claim(cluster(), 1)
    (template,) = stateful_set(cluster(), 1, bootstrap="", secret_id="s")["spec"]["volumeClaimTemplates"]
    assert made["metadata"]["name"] == "data-main-zk-0"
    assert made["metadata"]["labels"] == template["metadata"]["labels"]
    assert made["spec"] == template["spec"]


def test_names_are_short_enough_and_another_restore_has_another_job() -> None:
    longest = "a" * MAX_NAME_LENGTH
    names = {
        check_job(longest, "night@0", SOURCE),
        check_job(longest, "night@1", SOURCE),
        fetch_job(longest, 1, SOURCE),
        fetch_job(longest, 2, SOURCE),
        fetch_job(longest, 2, Source("b", CLAIM, f"other/{LOCATION}")),
    }
    assert len(names) == 5
    assert max(map(len, names)) <= 63
    raw = raw_cluster(3)
    raw["metadata"]["name"] = longest
    copy = safety_copy(valid(raw), "night@0", SOURCE, utc_now())
    assert len(copy["metadata"]["name"]) <= MAX_BACKUP_NAME_LENGTH
    assert "ownerReferences" not in copy["metadata"], "it outlives the cluster"


SEEDS = (
    Seed(
        "the store is read only",
        replaced(restore, "_read_only", tuple),
        (
            test_a_fetch_puts_the_backup_beside_the_data_of_the_seed,
            test_a_check_reads_the_backup_and_mounts_no_volume_of_a_member,
        ),
    ),
    Seed(
        "it runs where the member may",
        replaced(restore, "placement", lambda _: {}),
        (test_a_fetch_runs_where_the_member_may,),
    ),
    Seed(
        "it is in the group of the member",
        replaced(restore, "_user", lambda _: {}),
        (test_a_fetch_is_in_the_group_of_the_member_and_is_the_user_of_backups,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_a_job_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
