"""Histories read from real servers hold every committed write, in order, with its author."""

import asyncio
import secrets
from typing import Any

from kazoo.client import KazooClient

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.api_client import ApiClient, Recorder
from tests.support.models.histories import config_map_history, replay, values, zookeeper_history
from tests.support.models.zk_log import read_log
from tests.support.waiting import eventually


def _key(path: str) -> str:
    return path or "__root"


def _write(zk: Any, root: str) -> None:
    zk.create(root, b"")
    zk.create(f"{root}/a", b"1")
    zk.create(f"{root}/gone", b"1")
    zk.create(f"{root}/ephemeral", b"1", ephemeral=True)
    zk.set(f"{root}/a", b"2")
    committed = zk.transaction()
    committed.set_data(f"{root}/a", b"3")
    committed.create(f"{root}/b", b"4")
    committed.delete(f"{root}/gone")
    committed.commit()
    rolled_back = zk.transaction()
    rolled_back.set_data(f"{root}/a", b"never")
    rolled_back.check(f"{root}/b", 99)
    rolled_back.commit()


async def test_the_transaction_log_holds_every_committed_znode_and_its_session(zookeeper: Ensemble) -> None:
    root = f"/history-{secrets.token_hex(4)}"
    zk = KazooClient(zookeeper.hosts)
    await asyncio.to_thread(zk.start)
    session = zk.client_id[0]
    await asyncio.to_thread(_write, zk, root)
    last = zk.get(f"{root}/b")[1].mzxid
    await asyncio.to_thread(zk.stop)
    zk.close()

    def logged() -> bool:
        history = zookeeper_history(read_log(zookeeper.servers[0].directory / "data"), root, (), _key)
        return bool(history) and history[-1].changes == {"ephemeral": None}

    await eventually(logged)
    history = zookeeper_history(read_log(zookeeper.servers[0].directory / "data"), root, {session}, _key)
    assert [dict(commit.changes) for commit in history] == [
        {"__root": b""},
        {"a": b"1"},
        {"gone": b"1"},
        {"ephemeral": b"1"},
        {"a": b"2"},
        {"a": b"3", "b": b"4", "gone": None},
        {"ephemeral": None},
    ]
    assert all(commit.by_operator for commit in history)
    assert history[5].at == last
    assert replay(history) == {"__root": b"", "a": b"3", "b": b"4"}


async def test_a_recorder_keeps_every_version_of_a_config_map(api_server: ApiServer, namespace: str) -> None:
    collection = f"/api/v1/namespaces/{namespace}/configmaps"
    async with ApiClient(api_server.kubeconfig) as client, Recorder(client, collection) as recorder:
        made = await client.create(collection, {"metadata": {"name": "m"}, "data": {"n": "0"}})
        revisions = [made["metadata"]["resourceVersion"]]
        for number in range(1, 40):
            merged = await client.merge(f"{collection}/m", {"data": {"n": str(number)}})
            revisions.append(merged["metadata"]["resourceVersion"])
        await client.delete(f"{collection}/m")
        await eventually(lambda: recorder.of("m")[-1:] and recorder.of("m")[-1]["type"] == "DELETED")
    history = config_map_history(recorder.of("m"), revisions[::2])
    assert [commit.changes["n"] for commit in history] == [*(b"%d" % n for n in range(40)), None]
    assert [commit.by_operator for commit in history[:4]] == [True, False, True, False]
    assert values(recorder.of("m")[3]["object"]) == {"n": b"3"}
