"""The drill of a backup: a Job in which a server of the ensemble's image starts from the copy alone."""

from functools import partial
from typing import Any

import pytest

from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.backup_site import (
    DEFAULT_IMAGE,
    FAILED,
    IMAGE,
    NAMESPACE,
    BackupSite,
    killing,
    living,
    order_of,
)
from tests.support.worlds.kills import survives_kill
from zkoperator.backup.build import drill as container
from zkoperator.backup.order import BackupOrder, DrillOrder, Folder, Reason
from zkoperator.backup.plan import drill, plan
from zkoperator.kube.port import JOBS, PODS, ZOOKEEPER_CLUSTERS, Manifest


async def test_a_drill_follows_the_backup_and_is_what_makes_it_verified() -> None:
    site, seen = BackupSite(), []
    site.create(verification="Drill")
    for _ in range(40):
        await site.reconcile()
        site.run_jobs()
        seen.append(site.condition("Verified")[:2])
    assert list(dict.fromkeys(seen))[-2:] == [("False", "Drilling"), ("True", "Drilled")]
    assert site.condition("Complete")[0] == "True" and site.status()["drilledAt"] == site.status()["verifiedAt"]
    assert site.jobs() == [] and site.status().get("job", "") == ""


async def test_the_backup_itself_is_read_back_before_its_drill() -> None:
    site = BackupSite()
    site.create(verification="Drill")
    while not site.jobs():
        await site.reconcile()
    order = order_of(site.jobs()[0])
    assert isinstance(order, BackupOrder) and order.verification == "Structure"


async def at_the_drill(site: BackupSite, **spec: Any) -> Manifest:
    """The Job of the drill when it has just been made."""
    site.create(verification="Drill", **spec)
    for _ in range(40):
        await site.reconcile()
        found = [job for job in site.jobs() if job["metadata"]["name"] == "main-1-drill"]
        if found:
            return found[0]
        site.run_jobs()
    raise AssertionError("there is no drill")


async def test_the_server_is_of_the_ensemble_s_image_and_the_client_of_the_operator_s() -> None:
    site = BackupSite()
    image = {"spec": {"image": "registry.example/zookeeper:3.9.4", "imagePullSecrets": [{"name": "pull"}]}}
    site.kube.edit(ZOOKEEPER_CLUSTERS, NAMESPACE, "main", image)
    job = await at_the_drill(site)
    pod = job["spec"]["template"]["spec"]
    ((server,), (client,)) = pod["initContainers"], pod["containers"]
    assert (server["image"], server["restartPolicy"]) == ("registry.example/zookeeper:3.9.4", "Always")
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert client["image"] == IMAGE
    order = order_of(job)
    assert isinstance(order, DrillOrder)
    assert (order.store, order.location) == (Folder("/backup/store"), site.status()["location"])
    shared = [{mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]} for each in (server, client)]
    assert [mounts[order.folder] for mounts in shared] == ["drill", "drill"]
    assert "store" not in shared[0].values(), "the server sees the copy, and not the storage"


async def test_the_server_is_restricted_too() -> None:
    pod = (await at_the_drill(BackupSite()))["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["securityContext"] == pod["containers"][0]["securityContext"]
    assert pod["automountServiceAccountToken"] is False


async def test_an_ensemble_that_is_gone_or_outside_is_drilled_with_the_default_image() -> None:
    job = await at_the_drill(BackupSite(), clusterRef=None, hosts="a:2181")
    assert job["spec"]["template"]["spec"]["initContainers"][0]["image"] == DEFAULT_IMAGE
    site = BackupSite()
    site.create(verification="Drill")
    while site.condition("Complete")[0] != "True":
        await site.reconcile()
        site.run_jobs()
    site.kube.remove(ZOOKEEPER_CLUSTERS, NAMESPACE, "main")
    await site.settle()
    assert site.condition("Verified")[:2] == ("True", "Drilled")


async def test_a_larger_tree_gets_more_memory() -> None:
    def memory(file_bytes: int) -> int:
        made = container.server_container(container.Server("a"), file_bytes)
        return int(made["resources"]["limits"]["memory"].removesuffix("Mi"))

    assert memory(0) >= 512 and memory(200 * 1024 * 1024) >= 1024 + 256


async def test_a_failed_drill_leaves_the_copy_and_says_why() -> None:
    site = BackupSite()
    site.drills = [FAILED[Reason.DIGEST_DIFFERS]]
    site.create(verification="Drill")
    await site.settle()
    assert site.condition("Verified")[:2] == ("False", "DrillFailed")
    assert "DigestDiffers: words about DigestDiffers" in site.condition("Verified")[2]
    assert "kubectl logs job/main-1-drill" in site.condition("Verified")[2]
    assert site.condition("Complete")[0] == "True" and "drilledAt" not in site.status()
    await site.settle()
    assert [job["metadata"]["name"] for job in site.jobs()] == ["main-1-drill"]
    assert len(site.storage.locations) == 1 and site.drills == []


async def test_with_the_object_goes_the_drill_that_has_failed_or_is_under_way() -> None:
    for turns in (1, 3, 40):
        site = BackupSite()
        site.drills = [FAILED[Reason.INVALID]]
        await at_the_drill(site)
        for _ in range(turns):
            await site.reconcile()
            site.run_jobs()
        site.delete()
        await site.settle()
        assert site.object() is None and site.storage.locations == {}
        site.kube.collect_garbage()
        assert site.kube.every(JOBS) == ()


async def test_an_image_that_cannot_be_pulled_is_told() -> None:
    site = BackupSite()
    site.starts_pods = True
    await at_the_drill(site)
    site.starts_pods = False
    site.run_jobs()
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    status = {"initContainerStatuses": [{"name": "server", **waiting}]}
    site.kube.edit(PODS, NAMESPACE, "main-1-drill-abcde", {"status": status}, subresource="status")
    await site.reconcile()
    assert site.condition("Verified")[1] == "Drilling" and "ImagePullBackOff" in site.condition("Verified")[2]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_write_makes_one_drill_and_leaves_nothing(after: bool) -> None:
    async def live(site: BackupSite) -> None:
        if site.object() is None and not site.storage.taken:
            site.create(verification="Drill")
        await site.settle()
        assert site.object() is None or site.condition("Verified")[1] == "Drilled"

    whole = BackupSite()
    count = killing(whole, 0, after=False)
    await live(whole)
    for number in range(1, count() + 1):
        site = BackupSite()
        killing(site, number, after=after)
        assert await survives_kill(partial(live, site), partial(living, site)), number
        assert site.condition("Verified")[:2] == ("True", "Drilled"), number
        assert site.jobs() == [] and max(site.storage.taken.values()) == 1, number


SEEDS = (
    Seed(
        "a failed drill is told as such, and not tried again",
        rewritten(drill, "_ended", "BackupReason.DRILL_FAILED", "BackupReason.DRILLING"),
        (test_a_failed_drill_leaves_the_copy_and_says_why,),
    ),
    Seed(
        "a failed drill verifies nothing",
        rewritten(drill, "_ended", "if isinstance(outcome, Waiting):", "if False:"),
        (test_a_failed_drill_leaves_the_copy_and_says_why,),
    ),
    Seed(
        "the Job of a failed drill stays for its log",
        rewritten(plan, "_tidy", " or backup.has_failed_drill", ""),
        (test_a_failed_drill_leaves_the_copy_and_says_why,),
    ),
    Seed(
        "memory follows the size of the tree",
        replaced(container, "_TIMES", 0),
        (test_a_larger_tree_gets_more_memory,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
