"""Volumes that grow or are replaced, on a real API server with its controllers: what changes, and who makes what."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from testbed.api import ApiServer
from tests.support.worlds.played_cluster import GROWING, RIGID, PlayedCluster, played_cluster
from zkoperator.ensemble.model.names import REPLACE_VOLUME
from zkoperator.errors import InvalidError
from zkoperator.kube.port import STATEFUL_SETS, ZOOKEEPER_CLUSTERS


@pytest.fixture
async def played(api_server: ApiServer, namespace: str) -> AsyncIterator[PlayedCluster]:
    async with played_cluster(api_server, namespace) as cluster:
        yield cluster


async def test_volumes_grow_and_the_set_that_is_made_again_has_the_same_pods(played: PlayedCluster) -> None:
    await played.make(storage={"size": "1Gi", "storageClassName": GROWING})
    first, before = await played.stateful_set(), await played.pods()
    larger: dict[str, Any] = {"spec": {"volumeClaimTemplates": []}}
    with pytest.raises(InvalidError, match="updates to statefulset spec"):
        await played.api.patch(STATEFUL_SETS, played.names.namespace, played.names.stateful_set, larger)
    await played.edit(storage={"size": "2Gi"})
    await played.ready()
    live, after = await played.stateful_set(), await played.pods()
    assert live["metadata"]["uid"] != first["metadata"]["uid"]
    assert live["spec"]["volumeClaimTemplates"][0]["spec"]["resources"] == {"requests": {"storage": "2Gi"}}
    assert {m: pod["metadata"]["uid"] for m, pod in after.items()} == {
        m: pod["metadata"]["uid"] for m, pod in before.items()
    }
    owners = {reference["uid"] for pod in after.values() for reference in pod["metadata"]["ownerReferences"]}
    assert owners == {live["metadata"]["uid"]}
    assert live["status"]["updateRevision"] == first["status"]["updateRevision"], "nothing of the pods differs"
    claims = [await played.claim(member) for member in (1, 2, 3)]
    assert {claim["status"]["capacity"]["storage"] for claim in claims} == {"2Gi"}
    assert [member["volume"]["state"] for member in (await played.cluster())["status"]["members"]] == ["Bound"] * 3


async def test_a_class_that_cannot_expand_is_told_in_the_servers_words_and_the_size_is_taken_back(
    played: PlayedCluster,
) -> None:
    await played.make(storage={"size": "2Gi", "storageClassName": RIGID})
    first = await played.stateful_set()
    await played.edit(storage={"size": "3Gi"})
    told = await played.says("Progressing", "Blocked")
    assert "only dynamically provisioned pvc can be resized" in told
    assert f"of StorageClass {RIGID} stays at 2Gi" in told and "write spec.storage.size: 2Gi again" in told
    assert (await played.stateful_set())["metadata"]["uid"] == first["metadata"]["uid"]
    smaller = {"spec": {"storage": {"size": "1Gi"}}}
    with pytest.raises(InvalidError, match="volumes do not shrink"):
        await played.api.patch(ZOOKEEPER_CLUSTERS, played.names.namespace, "main", smaller)
    await played.edit(storage={"size": "2Gi"})
    await played.ready()


async def test_a_volume_that_a_person_names_is_replaced_with_its_pod_and_nothing_else(played: PlayedCluster) -> None:
    await played.make(storage={"size": "1Gi", "storageClassName": GROWING})
    claims, pods = await uids(played), {m: pod["metadata"]["uid"] for m, pod in (await played.pods()).items()}
    await played.annotate(REPLACE_VOLUME, f"main-zk-1={claims[1]}")
    assert f"has the uid {claims[2]}" in await played.says("Progressing", "ReplacementRefused")
    assert await uids(played) == claims
    await played.annotate(REPLACE_VOLUME, f"main-zk-1={claims[2]}")
    await played.says("Progressing", "ReplacingVolumes")
    await played.ready()
    after, now = await uids(played), {m: pod["metadata"]["uid"] for m, pod in (await played.pods()).items()}
    assert {m for m in claims if after[m] != claims[m]} == {m for m in pods if now[m] != pods[m]} == {2}
    assert (await played.cluster())["status"]["volumeReplacement"]["approved"] == f"main-zk-1={claims[2]}"


async def test_another_class_replaces_each_claim_once_from_a_set_with_the_new_template(played: PlayedCluster) -> None:
    await played.make(storage={"size": "1Gi", "storageClassName": RIGID})
    claims = await uids(played)
    await played.edit(storage={"size": "2Gi", "storageClassName": GROWING})
    await played.ready()
    after = [await played.claim(member) for member in claims]
    assert {(c["spec"]["storageClassName"], c["status"]["capacity"]["storage"]) for c in after} == {(GROWING, "2Gi")}
    assert not set(claims.values()) & {claim["metadata"]["uid"] for claim in after}


async def test_attributes_are_asked_for_by_each_claim_and_by_those_to_come(played: PlayedCluster) -> None:
    await played.make(storage={"size": "1Gi", "storageClassName": GROWING})
    pods = {m: pod["metadata"]["uid"] for m, pod in (await played.pods()).items()}
    await played.edit(storage={"volumeAttributesClassName": "gold"})
    await played.ready()
    claims = [await played.claim(member) for member in (1, 2, 3)]
    template = (await played.stateful_set())["spec"]["volumeClaimTemplates"][0]
    assert {each["spec"]["volumeAttributesClassName"] for each in (*claims, template)} == {"gold"}
    assert {m: pod["metadata"]["uid"] for m, pod in (await played.pods()).items()} == pods


async def uids(played: PlayedCluster) -> dict[int, str]:
    return {member: (await played.claim(member))["metadata"]["uid"] for member in (1, 2, 3)}
