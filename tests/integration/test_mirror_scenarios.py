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
from tests.support.worlds.live_mirror import LiveWorld, live_world

ABC = {"a": b"1", "b": b"1", "c": b"1"}


@pytest.fixture
async def world(api_server: ApiServer, zookeeper: Ensemble, namespace: str) -> AsyncIterator[LiveWorld]:
    async with live_world(api_server.kubeconfig, zookeeper.hosts, namespace) as opened:
        yield opened


async def _synced(world: LiveWorld, **spec: object) -> None:
    world.tree(a="1", b="1", c="1")
    await world.sync(**spec)  # type: ignore[arg-type]
    await world.start()
    await world.until_data(ABC)
    await world.until_in_sync()


async def test_retained_keys_are_detached_and_stay_so_over_a_restart(world: LiveWorld) -> None:
    await _synced(world, deletionPolicy="Retain")
    world.zk.delete(f"{world.root}/a")
    await world.edit(b=None)
    await world.settle()
    await world.restart()
    await world.until_in_sync()
    await world.settle()
    assert (await world.data(), world.at("a"), world.at("b")) == ({"a": b"1", "c": b"1"}, None, b"1")
    world.node("a", "again")
    await world.until_data({"a": b"again", "c": b"1"})


async def test_a_mass_deletion_waits_for_the_approval_of_its_hash(world: LiveWorld) -> None:
    world.tree(**{f"k{number}": "1" for number in range(10)})
    await world.sync()
    await world.start()
    await world.until_in_sync()
    transaction = world.zk.transaction()
    for number in range(6):
        transaction.delete(f"{world.root}/k{number}")
    transaction.commit()
    await world.until_ready("DeletionsHeld")
    assert len(await world.data() or {}) == 10
    pending = (await world.status())["pending"]
    assert pending["deletes"] == 6
    await world.annotate(approve_deletions=pending["hash"])
    await world.until_data({f"k{number}": b"1" for number in range(6, 10)})
    await world.until_in_sync()


@pytest.mark.parametrize(("policy", "reason", "expected"), ADOPTIONS)
async def test_each_adoption_policy(world: LiveWorld, policy: str, reason: str, expected: dict[str, bytes]) -> None:
    world.tree(**ZNODES)
    await world.config_map(KEYS)
    await world.sync(adoptionPolicy=policy)
    await world.start()
    await world.until_ready(reason)
    await world.until_data(expected)
    await world.settle()
    assert {name: world.at(name) for name in ("mine", "differs")} == znodes_after(policy)


async def test_a_lost_base_is_a_union_that_deletes_nothing(world: LiveWorld) -> None:
    await _synced(world)
    await world.stop()
    lost = {"zkoperator.dev/base": None, "zkoperator.dev/zxid": None}
    patch = {"metadata": {"annotations": lost}, "data": {"a": "mine", "b": None}}
    await world.kube.request("PATCH", world.maps("shop"), patch, "application/merge-patch+json")
    forgotten = {"status": {"common": None}}
    await world.kube.request("PATCH", f"{world.syncs('shop')}/status", forgotten, "application/merge-patch+json")
    world.zk.delete(f"{world.root}/c")
    await world.start()
    message = await world.until_ready("BaseLost")
    assert "a" in message
    await world.until_data({"a": b"mine", "b": b"1", "c": b"1"})
    await world.until_at("c", b"1")
    await world.annotate(resolve="a=configmap")
    await world.until_at("a", b"mine")
    await world.until_in_sync()


async def test_a_config_map_that_is_replaced_without_annotations_is_an_edit(world: LiveWorld) -> None:
    await _synced(world)
    await world.stop()
    await world.delete(world.maps("shop"))
    await world.config_map({"a": "2", "b": "1", "new": "1"})
    await world.start()
    await world.until_at("new", b"1")
    await world.until_at("a", b"2")
    await world.until_at("c", None)
    await world.until_data({"a": b"2", "b": b"1", "new": b"1"})
    await world.until_in_sync()


async def test_a_deleted_config_map_comes_back(world: LiveWorld) -> None:
    await _synced(world)
    await world.delete(world.maps("shop"))
    await world.until_data(ABC)
    assert world.at("a") == b"1"


async def test_a_root_that_vanishes_or_is_replaced_deletes_nothing_unasked(world: LiveWorld) -> None:
    await _synced(world)
    world.zk.delete(world.root, recursive=True)
    await world.until_ready("SourceMissing")
    world.tree()
    await world.until_ready("DeletionsHeld")
    assert await world.data() == ABC
    await world.annotate(approve_deletions=(await world.status())["pending"]["hash"])
    await world.until_data({})
    await world.until_in_sync()


async def test_of_two_that_push_to_one_subtree_one_does_until_it_stops_pushing(world: LiveWorld) -> None:
    await _synced(world)
    await world.sync("second")
    message = await world.until_ready("SourceClaimed", "second")
    assert f"{world.namespace}/shop" in message
    await world.patch_sync({"spec": {"direction": "ZooKeeperToConfigMap"}})
    await world.until_in_sync("second")
    await world.edit("second", a="2")
    await world.until_at("a", b"2")
    await world.until_data({**ABC, "a": b"2"})


async def test_ephemerals_are_a_live_registry_and_never_written(world: LiveWorld, zookeeper: Ensemble) -> None:
    world.tree(a="1")
    service = KazooClient(hosts=zookeeper.hosts)
    service.start(timeout=60)
    try:
        service.create(f"{world.root}/live", b"here", ephemeral=True)
        pull = "ZooKeeperToConfigMap"
        await world.sync("registry", direction=pull, keys={"ephemerals": "Include"})
        await world.sync("plain", direction=pull)
        await world.start()
        await world.until_data({"a": b"1", "live": b"here"}, "registry")
        await world.until_data({"a": b"1"}, "plain")
    finally:
        service.stop()
        service.close()
    await world.until_data({"a": b"1"}, "registry")


async def _secret(world: LiveWorld, password: str, method: str = "POST") -> None:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in (("username", "u"), ("password", password))}
    path = f"/api/v1/namespaces/{world.namespace}/secrets"
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "zk"}, "data": data}
    if method == "POST":
        await world.kube.create(path, manifest)
    else:
        await world.kube.request("PATCH", f"{path}/zk", {"data": data}, "application/merge-patch+json")


async def test_a_digest_from_a_secret_reads_and_writes_and_a_corrected_one_is_noticed(world: LiveWorld) -> None:
    mine = [make_digest_acl("u", "right", all=True)]
    world.zk.ensure_path(world.root)
    world.zk.set_acls(world.root, [make_acl("world", "anyone", read=True, create=True, delete=True), *mine])
    world.zk.create(f"{world.root}/private", b"seen", acl=mine)
    await _secret(world, "wrong")
    await world.sync(secret="zk")
    await world.start()
    message = await world.until_ready("Forbidden")
    assert "private" in message
    await world.stop()
    # What the wrong identity has made belongs to it: the ledger goes, as an administrator would have it.
    world.zk.add_auth("digest", "super:testbed-super")
    uid = (await world.kube.get(world.syncs("shop")))["metadata"]["uid"]
    world.zk.delete(f"/zkoperator/configsyncs/{uid}")
    await world.delete(world.maps("shop"))
    await _secret(world, "right", "PATCH")
    await world.start()
    await world.until_data({"private": b"seen"})
    await world.edit(private="written", made="1")
    await world.until_at("private", b"written")
    await world.until_at("made", b"1")
    made, root = (world.zk.get_acls(path)[0] for path in (f"{world.root}/made", world.root))
    assert made == root, "a znode that a push creates has the ACL of its parent"


async def test_a_permission_granted_meanwhile_is_noticed(world: LiveWorld) -> None:
    world.tree(a="1", private="seen")
    world.zk.set_acls(f"{world.root}/private", [make_digest_acl("nobody", "x", all=True)])
    await world.sync(direction="ZooKeeperToConfigMap")
    await world.start()
    await world.until_ready("Forbidden")
    world.zk.add_auth("digest", "nobody:x")
    world.zk.set_acls(f"{world.root}/private", [make_acl("world", "anyone", all=True)])
    await world.until_data({"a": b"1", "private": b"seen"})
    await world.until_in_sync()


async def test_a_dry_run_writes_nothing_and_shows_its_plan(world: LiveWorld) -> None:
    world.tree(a="1", b="1")
    await world.config_map({"a": "2", "c": "1"})
    await world.sync(mode="DryRun", adoptionPolicy="PreferZooKeeper")
    await world.start()
    await world.until_ready("DryRun")
    pending = (await world.status())["pending"]
    assert (pending["creates"], pending["updates"], pending["deletes"]) == (2, 1, 0)
    await world.settle()
    assert (await world.data(), world.at("c")) == ({"a": b"2", "c": b"1"}, None)
    await world.patch_sync({"spec": {"mode": "Active"}})
    await world.until_data({"a": b"1", "b": b"1", "c": b"1"})
    await world.until_at("c", b"1")


async def test_the_end_deletes_the_znodes_that_nobody_else_has_edited(world: LiveWorld) -> None:
    await _synced(world, onDelete="DeleteZnodes")
    await world.stop()
    world.node("b", "edited")
    await world.start()
    await world.delete(world.syncs("shop"))

    async def gone() -> bool:
        return await world.kube.find(world.syncs("shop")) is None

    await world.until(gone)
    assert (world.at("a"), world.at("b"), world.at("c")) == (None, b"edited", None)


async def test_rivals_on_both_sides_are_held_and_one_is_named(world: LiveWorld) -> None:
    await _synced(world)
    for _ in range(8):
        if (await world.ready())[0] == "Flapping":
            break
        await world.edit(a="cm")
        await world.settle()
        if world.at("a") == b"cm":
            world.node("a", "zk")
        await world.settle()
    await world.until_ready("Flapping")
    await world.edit(a="cm")
    world.node("a", "zk")

    async def named() -> bool:
        return any(item["manager"] == "tester" for item in (await world.status()).get("conflicts", []))

    await world.until(named)


async def test_a_config_map_that_is_full_takes_what_fits_and_names_the_rest(world: LiveWorld) -> None:
    world.tree(big="x" * 700_000, small="1")
    world.node("huge", "y" * 600_000)
    await world.sync()
    await world.start()
    message = await world.until_ready("TooLarge")
    assert "huge" in message
    world.node("small", "2")
    await world.until_data({"big": b"x" * 700_000, "small": b"2"})
    world.node("big", "small now")
    await world.until_data({"big": b"small now", "small": b"2", "huge": b"y" * 600_000})
    await world.until_in_sync()


async def test_a_config_map_of_exactly_one_mebibyte_is_taken(world: LiveWorld) -> None:
    world.tree(one="x" * 600_000)
    world.node("two", "y" * (1_048_576 - 600_000))
    await world.sync(direction="ZooKeeperToConfigMap")
    await world.start()
    await world.until_in_sync()
    assert sum(map(len, (await world.data() or {}).values())) == 1_048_576


async def test_text_that_json_makes_six_times_as_long_is_named_and_the_rest_flows(world: LiveWorld) -> None:
    """Within the limit of values, and above the API server's for a request."""
    world.tree(control=b"\x01" * 700_000, small="1")
    await world.sync(direction="ZooKeeperToConfigMap")
    await world.start()
    message = await world.until_ready("TooLarge")
    assert "control" in message
    world.node("small", "2")
    await world.until_data({"small": b"2"})


async def test_a_value_that_no_znode_takes_is_named_and_the_rest_flows(world: LiveWorld) -> None:
    await _synced(world)
    await world.edit(huge="x" * 950_000, fine="1")
    message = await world.until_ready("TooLarge")
    assert "huge" in message
    await world.until_at("fine", b"1")
    await world.edit(fine="2")
    await world.until_at("fine", b"2")


async def test_an_edit_above_the_request_limit_arrives_in_parts(world: LiveWorld) -> None:
    await _synced(world)
    edits = {f"l1-{n:04}__l2-{n:04}__l3-{n:04}__{'n' * 20}-{n:04}": "v" * 500 for n in range(1000)}
    await world.edit(**edits)
    last = max(edits).replace("__", "/")
    await world.until_at(last, b"v" * 500)
    await world.until_in_sync()
    assert all(world.at(key.replace("__", "/")) == b"v" * 500 for key in edits)


@asynccontextmanager
async def _limited(
    api_server: ApiServer, ensembles: Callable[..., Ensemble], namespace: str
) -> AsyncIterator[LiveWorld]:
    """An ensemble that takes half of what others take, and cuts the connection beyond."""
    ensemble = ensembles(1, jvm=("-Djute.maxbuffer=500000",))
    async with live_world(api_server.kubeconfig, ensemble.hosts, namespace) as opened:
        yield opened


async def test_a_server_with_a_lower_limit_gets_smaller_parts_and_the_key_it_refuses_is_named(
    api_server: ApiServer, ensembles: EnsembleFactory, namespace: str
) -> None:
    async with _limited(api_server, ensembles, namespace) as world:
        await _synced(world)
        await world.edit(**{f"k{number:03}": "v" * 4_000 for number in range(130)})
        await world.until(lambda: world.at("k129") == b"v" * 4_000, within_s=120)
        await world.edit(huge="x" * 510_000, fine="1")
        message = await world.until_ready("TooLarge")
        assert "huge" in message
        await world.until_at("fine", b"1")


async def test_zxids_never_decrease_while_servers_come_and_go(
    api_server: ApiServer, ensembles: EnsembleFactory, namespace: str
) -> None:
    ensemble = ensembles(3)
    async with live_world(api_server.kubeconfig, ensemble.hosts, namespace) as world:
        await _synced(world, direction="ZooKeeperToConfigMap")
        stamps: list[int] = []
        for number in range(9):
            server = ensemble.servers[number % 3]
            if number % 2:
                server.kill()
            world.zk.retry(world.zk.set, f"{world.root}/a", str(number).encode())  # type: ignore[misc]
            if not number % 2:
                # The connection goes; the session is taken up by another server.
                server.freeze()
            await world.until_data({**ABC, "a": str(number).encode()})
            found = await world.kube.get(world.maps("shop"))
            stamps.append(int(found["metadata"]["annotations"]["zkoperator.dev/zxid"], 16))
            if number % 2:
                server.start()
            else:
                server.thaw()
                server.wait_serving()
        assert stamps == sorted(stamps)
        assert len(set(stamps)) == 9
