"""Backups of the shared ensemble to a volume claim, and what is restored from them, by Jobs under Pod Security."""

import asyncio
import json
import secrets
from typing import Any

from tests.e2e.conftest import Client, Manifest, Space, kubectl
from tests.support.waiting import eventually

LIST = """
import gzip, json, pathlib
found = {}
for path in pathlib.Path("/store").rglob("*"):
    if path.is_file() and "lost+found" not in path.parts:
        head = path.read_bytes()
        found[str(path.relative_to("/store"))] = json.loads(head) if path.suffix == ".json" else head[:4].hex()
print(json.dumps(found))
"""
"""Prints every file of a volume: a manifest as it is, of others how they begin."""


def claim(name: str) -> Manifest:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def backup(name: str, storage: str) -> Manifest:
    spec = {"clusterRef": {"name": "main"}, "storage": {"persistentVolumeClaim": {"claimName": storage}}}
    meta = {"name": name}
    return {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackup", "metadata": meta, "spec": spec}


def reader(name: str, storage: str, image: str) -> Manifest:
    """A pod of the operator's image, for the Python in it, that looks at a volume and ends."""
    container: dict[str, Any] = {
        "name": "python",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", LIST],
        "volumeMounts": [{"name": "store", "mountPath": "/store", "readOnly": True}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    user = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    volume = {"name": "store", "persistentVolumeClaim": {"claimName": storage}}
    spec = {"restartPolicy": "Never", "containers": [container], "volumes": [volume], "securityContext": user}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


async def stored(space: Space, storage: str) -> dict[str, Any]:
    """The files of the volume."""
    deployment = ("-n", "zkoperator-system", "get", "deployment", "zkoperator", "-o", "json")
    operator = json.loads(await asyncio.to_thread(kubectl, *deployment))
    name = f"reader-{secrets.token_hex(3)}"
    await space.apply(reader(name, storage, operator["spec"]["template"]["spec"]["containers"][0]["image"]))

    async def ended() -> bool:
        pod = await space.get("pods", name)
        return pod is not None and pod["status"].get("phase") in ("Succeeded", "Failed")

    await eventually(ended, within_s=180, every_s=0.5)
    files: dict[str, Any] = json.loads(await space.log(name))
    await asyncio.to_thread(kubectl, "-n", space.name, "delete", "pod", name, "--wait=false")
    return files


async def test_an_ensemble_is_copied_to_a_claim_and_the_copy_goes_with_its_object(shared: Space) -> None:
    name, storage = f"copy-{secrets.token_hex(3)}", f"copies-{secrets.token_hex(3)}"
    async with Client(shared) as zk:
        for number in range(20):
            await asyncio.to_thread(zk.create, f"/{name}/{number}", b"x" * number, makepath=True)
        written = (await asyncio.to_thread(zk.exists, f"/{name}/19")).czxid
        await asyncio.to_thread(zk.create, f"/{name}/here", b"", ephemeral=True)
        try:
            await shared.apply(claim(storage), backup(name, storage))
            await shared.until("zookeeperbackups", name, "Complete", "True", within_s=300)
        finally:
            await asyncio.to_thread(zk.delete, f"/{name}", recursive=True)
    await shared.until("zookeeperbackups", name, "Verified", "True")
    found = await shared.get("zookeeperbackups", name)
    assert found is not None
    status = found["status"]
    assert int(status["zxid"], 16) >= written and status["znodes"] > 20
    assert status["ephemeralsLeftOut"] >= 1 and status["typesKept"] is False
    files = await stored(shared, storage)
    manifest = files[f"{status['location']}/manifest.json"]["backup"]
    assert (manifest["zxid"], manifest["sha256"]) == (status["zxid"], status["sha256"])
    assert any(
        name.startswith(status["location"]) and head.startswith("1f8b")
        for name, head in files.items()
        if isinstance(head, str)
    )
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "zkb", name, "--timeout=240s")
    assert [path for path in await stored(shared, storage) if status["location"] in path] == []
    jobs = json.loads(await asyncio.to_thread(kubectl, "-n", shared.name, "get", "jobs", "-o", "json"))["items"]
    assert [job["metadata"]["name"] for job in jobs if job["metadata"]["name"].startswith(name)] == []
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "pvc", storage, "--wait=false")


async def test_a_schedule_takes_backups_and_ends_those_that_are_not_kept(shared: Space) -> None:
    name, storage = f"dated-{secrets.token_hex(3)}", f"dated-{secrets.token_hex(3)}"
    spec = {
        "clusterRef": {"name": "main"},
        "schedule": "* * * * *",
        "immediate": True,
        "retention": {"last": 1, "daily": 0, "weekly": 0},
        "drill": "* * * * *",
        "template": {"storage": {"persistentVolumeClaim": {"claimName": storage}}},
    }
    kind = {"apiVersion": "zkoperator.dev/v1alpha1", "kind": "ZooKeeperBackupSchedule"}
    await shared.apply(claim(storage), {**kind, "metadata": {"name": name}, "spec": spec})
    ours, seen = ("-l", f"zkoperator.dev/schedule={name}"), set[str]()

    async def one_has_gone() -> bool:
        listed = json.loads(await asyncio.to_thread(kubectl, "-n", shared.name, "get", "zkb", *ours, "-o", "json"))
        there = {item["metadata"]["name"] for item in listed["items"]}
        seen.update(there)
        return bool(seen - there)

    await eventually(one_has_gone, within_s=400, every_s=1)
    drilled = ("-n", shared.name, "get", "zkb", *ours, "-o", "jsonpath={.items[*].status.drilledAt}")
    await eventually(lambda: is_told(*drilled), within_s=400, every_s=1)
    await shared.until("zookeeperbackupschedules", name, "Healthy", "True")
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "zkbs", name)
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "zkb", *ours, "--timeout=240s")
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "pvc", storage, "--wait=false")


async def test_a_new_ensemble_begins_with_a_backup_and_is_put_back_to_it(shared: Space) -> None:
    mark = secrets.token_hex(3)
    name, storage, copy = f"night-{mark}", f"nights-{mark}", f"copy-{mark}"
    async with Client(shared) as zk:
        await asyncio.to_thread(zk.create, f"/{name}/kept", b"of the backup", makepath=True)
        await shared.apply(claim(storage), backup(name, storage))
        try:
            await shared.until("zookeeperbackups", name, "Complete", "True", within_s=300)
        finally:
            await asyncio.to_thread(zk.delete, f"/{name}", recursive=True)
    made = shared.cluster(1, copy, bootstrap={"fromBackup": {"name": name}})
    made["spec"]["storage"]["retention"] = {"whenDeleted": "Delete"}
    await shared.apply(made)
    await shared.until("zookeeperclusters", copy, "Ready", "True", within_s=300)
    async with Client(shared, copy) as zk:
        assert (await asyncio.to_thread(zk.get, f"/{name}/kept"))[0] == b"of the backup"
        await asyncio.to_thread(zk.set, f"/{name}/kept", b"changed")
        await asyncio.to_thread(zk.create, f"/{name}/later", b"")
    approval = f"zkoperator.dev/restore={name}@1"
    await asyncio.to_thread(kubectl, "-n", shared.name, "annotate", "zk", copy, approval)

    async def restored() -> bool:
        found = await shared.get("zookeeperclusters", copy) or {}
        incarnation = found["status"]["incarnation"]
        assert (incarnation["number"], incarnation["approved"]) == (2, f"{name}@1"), found["status"]["conditions"]
        return "completedAt" in incarnation

    await eventually(restored, within_s=300, every_s=0.5)
    await shared.until("zookeeperclusters", copy, "Ready", "True", within_s=120)
    async with Client(shared, copy) as zk:
        assert await asyncio.to_thread(zk.get_children, f"/{name}") == ["kept"]
        assert (await asyncio.to_thread(zk.get, f"/{name}/kept"))[0] == b"of the backup"
    copies = [each for each in await shared.items("zookeeperbackups") if each["metadata"]["name"].startswith(copy)]
    assert [each["status"]["completedAt"] is not None for each in copies] == [True], "what it had is copied first"
    names = [each["metadata"]["name"] for each in copies]
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "zk", copy, "--timeout=120s")
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "zkb", name, *names, "--timeout=240s")
    await asyncio.to_thread(kubectl, "-n", shared.name, "delete", "pvc", storage, "--wait=false")


async def is_told(*command: str) -> bool:
    """Whether kubectl answers anything."""
    return bool(await asyncio.to_thread(kubectl, *command))
