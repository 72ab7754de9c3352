"""The promises of a ConfigSync, one by one, on a real API server and a real ensemble."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl, make_digest_acl

from testbed.api import ApiServer
from testbed.zookeepers import Ensemble
from tests.support.machines.testbed import EnsembleFactory
from tests.support.models.adoptions import ADOPTIONS, KEYS, ZNODES, znodes_after
from tests.support.worlds.mirror_stage import Stage, staged

ABC = {"a": b"1", "b": b"1", "c": b"1"}


@pytest.fixture
async def stage(api_server: ApiServer, zookeeper: Ensemble, namespace: str) -> AsyncIterator[Stage]:
    async with staged(api_server.kubeconfig, zookeeper.hosts, namespace) as opened:
        yield opened


async def _synced(stage: Stage, **spec: object) -> None:
    stage.tree(a="1", b="1", c="1")
    await stage.sync(**spec)  # type: ignore[arg-type]
    await stage.start()
    await stage.until_data(ABC)
    await stage.until_in_sync()


async def test_retained_keys_are_detached_and_stay_so_over_a_restart(stage: Stage) -> None:
    await _synced(stage, deletionPolicy="Retain")
    stage.zk.delete(f"{stage.root}/a")
    await stage.edit(b=None)
    await stage.settle()
    await stage.restart()
    await stage.until_in_sync()
    await stage.settle()
    assert (await stage.data(), stage.at("a"), stage.at("b")) == ({"a": b"1", "c": b"1"}, None, b"1")
    stage.node("a", "again")
    await stage.until_data({"a": b"again", "c": b"1"})


async def test_a_mass_deletion_waits_for_the_approval_of_its_hash(stage: Stage) -> None:
    stage.tree(**{f"k{number}": "1" for number in range(10)})
    await stage.sync()
    await stage.start()
    await stage.until_in_sync()
    transaction = stage.zk.transaction()
    for number in range(6):
        transaction.delete(f"{stage.root}/k{number}")
    transaction.commit()
    await stage.until_ready("DeletionsHeld")
    assert len(await stage.data() or {}) == 10
    pending = (await stage.status())["pending"]
    assert pending["deletes"] == 6
    await stage.annotate(approve_deletions=pending["hash"])
    await stage.until_data({f"k{number}": b"1" for number in range(6, 10)})
    await stage.until_in_sync()


@pytest.mark.parametrize(("policy", "reason", "expected"), ADOPTIONS)
async def test_each_adoption_policy(stage: Stage, policy: str, reason: str, expected: dict[str, bytes]) -> None:
    stage.tree(**ZNODES)
    await stage.config_map(KEYS)
    await stage.sync(adoptionPolicy=policy)
    await stage.start()
    await stage.until_ready(reason)
    await stage.until_data(expected)
    await stage.settle()
    assert {name: stage.at(name) for name in ("mine", "differs")} == znodes_after(policy)


async def test_a_lost_base_is_a_union_that_deletes_nothing(stage: Stage) -> None:
    await _synced(stage)
    await stage.stop()
    lost = {"zkoperator.dev/base": None, "zkoperator.dev/zxid": None}
    patch = {"metadata": {"annotations": lost}, "data": {"a": "mine", "b": None}}
    await stage.kube.request("PATCH", stage.maps("shop"), patch, "application/merge-patch+json")
    stage.zk.delete(f"{stage.root}/c")
    await stage.start()
    message = await stage.until_ready("BaseLost")
    assert "a" in message
    await stage.until_data({"a": b"mine", "b": b"1", "c": b"1"})
    await stage.until_at("c", b"1")
    await stage.annotate(resolve="a=configmap")
    await stage.until_at("a", b"mine")
    await stage.until_in_sync()


async def test_a_replaced_config_map_is_joined(stage: Stage) -> None:
    await _synced(stage)
    await stage.stop()
    await stage.delete(stage.maps("shop"))
    await stage.config_map({"a": "1", "new": "1"})
    await stage.start()
    await stage.until_at("new", b"1")
    await stage.until_data({**ABC, "new": b"1"})
    await stage.until_in_sync()


async def test_a_deleted_config_map_comes_back(stage: Stage) -> None:
    await _synced(stage)
    await stage.delete(stage.maps("shop"))
    await stage.until_data(ABC)
    assert stage.at("a") == b"1"


async def test_a_root_that_vanishes_or_is_replaced_deletes_nothing_unasked(stage: Stage) -> None:
    await _synced(stage)
    stage.zk.delete(stage.root, recursive=True)
    await stage.until_ready("SourceMissing")
    stage.tree()
    await stage.until_ready("DeletionsHeld")
    assert await stage.data() == ABC
    await stage.annotate(approve_deletions=(await stage.status())["pending"]["hash"])
    await stage.until_data({})
    await stage.until_in_sync()


async def test_of_two_that_push_to_one_subtree_one_does_until_it_stops_pushing(stage: Stage) -> None:
    await _synced(stage)
    await stage.sync("second")
    message = await stage.until_ready("SourceClaimed", "second")
    assert f"{stage.namespace}/shop" in message
    await stage.patch_sync({"spec": {"direction": "ZooKeeperToConfigMap"}})
    await stage.until_in_sync("second")
    await stage.edit("second", a="2")
    await stage.until_at("a", b"2")
    await stage.until_data({**ABC, "a": b"2"})


async def test_ephemerals_are_a_live_registry_and_never_written(stage: Stage, zookeeper: Ensemble) -> None:
    stage.tree(a="1")
    service = KazooClient(hosts=zookeeper.hosts)
    service.start(timeout=60)
    try:
        service.create(f"{stage.root}/live", b"here", ephemeral=True)
        pull = "ZooKeeperToConfigMap"
        await stage.sync("registry", direction=pull, keys={"ephemerals": "Include"})
        await stage.sync("plain", direction=pull)
        await stage.start()
        await stage.until_data({"a": b"1", "live": b"here"}, "registry")
        await stage.until_data({"a": b"1"}, "plain")
    finally:
        service.stop()
        service.close()
    await stage.until_data({"a": b"1"}, "registry")


async def _secret(stage: Stage, password: str, method: str = "POST") -> None:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in (("username", "u"), ("password", password))}
    path = f"/api/v1/namespaces/{stage.namespace}/secrets"
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "zk"}, "data": data}
    if method == "POST":
        await stage.kube.create(path, manifest)
    else:
        await stage.kube.request("PATCH", f"{path}/zk", {"data": data}, "application/merge-patch+json")


async def test_a_digest_from_a_secret_reads_and_writes_and_a_corrected_one_is_noticed(stage: Stage) -> None:
    mine = [make_digest_acl("u", "right", all=True)]
    stage.zk.ensure_path(stage.root)
    stage.zk.set_acls(stage.root, [make_acl("world", "anyone", read=True, create=True, delete=True), *mine])
    stage.zk.create(f"{stage.root}/private", b"seen", acl=mine)
    await _secret(stage, "wrong")
    await stage.sync(secret="zk")
    await stage.start()
    message = await stage.until_ready("Forbidden")
    assert "private" in message
    await stage.stop()
    # What the wrong identity has made belongs to it: the ledger goes, as an administrator would have it.
    stage.zk.add_auth("digest", "super:testbed-super")
    uid = (await stage.kube.get(stage.syncs("shop")))["metadata"]["uid"]
    stage.zk.delete(f"/zkoperator/configsyncs/{uid}")
    await stage.delete(stage.maps("shop"))
    await _secret(stage, "right", "PATCH")
    await stage.start()
    await stage.until_data({"private": b"seen"})
    await stage.edit(private="written", made="1")
    await stage.until_at("private", b"written")
    await stage.until_at("made", b"1")
    assert [entry.id.scheme for entry in stage.zk.get_acls(f"{stage.root}/made")[0]] == ["digest"]


async def test_a_permission_granted_meanwhile_is_noticed(stage: Stage) -> None:
    stage.tree(a="1", private="seen")
    stage.zk.set_acls(f"{stage.root}/private", [make_digest_acl("nobody", "x", all=True)])
    await stage.sync(direction="ZooKeeperToConfigMap")
    await stage.start()
    await stage.until_ready("Forbidden")
    stage.zk.add_auth("digest", "nobody:x")
    stage.zk.set_acls(f"{stage.root}/private", [make_acl("world", "anyone", all=True)])
    await stage.until_data({"a": b"1", "private": b"seen"})
    await stage.until_in_sync()


async def test_a_dry_run_writes_nothing_and_shows_its_plan(stage: Stage) -> None:
    stage.tree(a="1", b="1")
    await stage.config_map({"a": "2", "c": "1"})
    await stage.sync(mode="DryRun", adoptionPolicy="PreferZooKeeper")
    await stage.start()
    await stage.until_ready("DryRun")
    pending = (await stage.status())["pending"]
    assert (pending["creates"], pending["updates"], pending["deletes"]) == (2, 1, 0)
    await stage.settle()
    assert (await stage.data(), stage.at("c")) == ({"a": b"2", "c": b"1"}, None)
    await stage.patch_sync({"spec": {"mode": "Active"}})
    await stage.until_data({"a": b"1", "b": b"1", "c": b"1"})
    await stage.until_at("c", b"1")


async def test_the_end_deletes_the_znodes_that_nobody_else_has_edited(stage: Stage) -> None:
    await _synced(stage, onDelete="DeleteZnodes")
    await stage.stop()
    stage.node("b", "edited")
    await stage.start()
    await stage.delete(stage.syncs("shop"))

    async def gone() -> bool:
        return await stage.kube.find(stage.syncs("shop")) is None

    await stage.until(gone)
    assert (stage.at("a"), stage.at("b"), stage.at("c")) == (None, b"edited", None)


async def test_rivals_on_both_sides_are_held_and_one_is_named(stage: Stage) -> None:
    await _synced(stage)
    for _ in range(8):
        if (await stage.ready())[0] == "Flapping":
            break
        await stage.edit(a="cm")
        await stage.settle()
        if stage.at("a") == b"cm":
            stage.node("a", "zk")
        await stage.settle()
    await stage.until_ready("Flapping")
    await stage.edit(a="cm")
    stage.node("a", "zk")

    async def named() -> bool:
        return any(item["manager"] == "tester" for item in (await stage.status()).get("conflicts", []))

    await stage.until(named)


async def test_a_config_map_that_is_full_takes_what_fits_and_names_the_rest(stage: Stage) -> None:
    stage.tree(big="x" * 700_000, small="1")
    stage.node("huge", "y" * 600_000)
    await stage.sync()
    await stage.start()
    message = await stage.until_ready("TooLarge")
    assert "huge" in message
    stage.node("small", "2")
    await stage.until_data({"big": b"x" * 700_000, "small": b"2"})
    stage.node("big", "small now")
    await stage.until_data({"big": b"small now", "small": b"2", "huge": b"y" * 600_000})
    await stage.until_in_sync()


async def test_a_config_map_of_exactly_one_mebibyte_is_taken(stage: Stage) -> None:
    stage.tree(one="x" * 600_000)
    stage.node("two", "y" * (1_048_576 - 600_000))
    await stage.sync(direction="ZooKeeperToConfigMap")
    await stage.start()
    await stage.until_in_sync()
    assert sum(map(len, (await stage.data() or {}).values())) == 1_048_576


async def test_text_that_json_makes_six_times_as_long_is_named_and_the_rest_flows(stage: Stage) -> None:
    """Within the limit of values, and above the API server's for a request."""
    stage.tree(control=b"\x01" * 700_000, small="1")
    await stage.sync(direction="ZooKeeperToConfigMap")
    await stage.start()
    message = await stage.until_ready("TooLarge")
    assert "control" in message
    stage.node("small", "2")
    await stage.until_data({"small": b"2"})


async def test_a_value_that_no_znode_takes_is_named_and_the_rest_flows(stage: Stage) -> None:
    await _synced(stage)
    await stage.edit(huge="x" * 950_000, fine="1")
    message = await stage.until_ready("TooLarge")
    assert "huge" in message
    await stage.until_at("fine", b"1")
    await stage.edit(fine="2")
    await stage.until_at("fine", b"2")


async def test_an_edit_above_the_request_limit_arrives_in_parts(stage: Stage) -> None:
    await _synced(stage)
    edits = {f"l1-{n:04}__l2-{n:04}__l3-{n:04}__{'n' * 20}-{n:04}": "v" * 500 for n in range(1000)}
    await stage.edit(**edits)
    last = max(edits).replace("__", "/")
    await stage.until_at(last, b"v" * 500)
    await stage.until_in_sync()
    assert all(stage.at(key.replace("__", "/")) == b"v" * 500 for key in edits)


@asynccontextmanager
async def _limited(api_server: ApiServer, ensembles: Callable[..., Ensemble], namespace: str) -> AsyncIterator[Stage]:
    """An ensemble that takes half of what others take, and cuts the connection beyond."""
    ensemble = ensembles(1, jvm=("-Djute.maxbuffer=500000",))
    async with staged(api_server.kubeconfig, ensemble.hosts, namespace) as opened:
        yield opened


async def test_a_server_with_a_lower_limit_gets_smaller_parts_and_the_key_it_refuses_is_named(
    api_server: ApiServer, ensembles: EnsembleFactory, namespace: str
) -> None:
    async with _limited(api_server, ensembles, namespace) as stage:
        await _synced(stage)
        await stage.edit(**{f"k{number:03}": "v" * 4_000 for number in range(130)})
        await stage.until(lambda: stage.at("k129") == b"v" * 4_000, within_s=120)
        await stage.edit(huge="x" * 510_000, fine="1")
        message = await stage.until_ready("TooLarge")
        assert "huge" in message
        await stage.until_at("fine", b"1")


async def test_zxids_never_decrease_while_servers_come_and_go(
    api_server: ApiServer, ensembles: EnsembleFactory, namespace: str
) -> None:
    ensemble = ensembles(3)
    async with staged(api_server.kubeconfig, ensemble.hosts, namespace) as stage:
        await _synced(stage, direction="ZooKeeperToConfigMap")
        stamps: list[int] = []
        for number in range(9):
            server = ensemble.servers[number % 3]
            if number % 2:
                server.kill()
            stage.zk.retry(stage.zk.set, f"{stage.root}/a", str(number).encode())  # type: ignore[misc]
            if not number % 2:
                # The connection goes; the session is taken up by another server.
                server.freeze()
            await stage.until_data({**ABC, "a": str(number).encode()})
            found = await stage.kube.get(stage.maps("shop"))
            stamps.append(int(found["metadata"]["annotations"]["zkoperator.dev/zxid"], 16))
            if number % 2:
                server.start()
            else:
                server.thaw()
                server.wait_serving()
        assert stamps == sorted(stamps)
        assert len(set(stamps)) == 9
