"""Volumes that grow, on a real API server with its controllers: what it lets nobody change, and who adopts what."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from testbed.api import ApiServer
from tests.support.worlds.played_cluster import GROWING, RIGID, PlayedCluster, played_cluster
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
