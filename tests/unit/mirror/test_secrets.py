"""A Secret in place of the ConfigMap: what people do with it, and what may be seen of its values."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.mirror_seeds import in_secret_world
from tests.support.models.seeds import Seed, replaced
from tests.support.worlds.mirror import HASH_KEY, NAMESPACE, SecretWorld, running
from tests.support.worlds.workload_rollouts import WEB, entry_of, found_workload, put_workload
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_SYNCS, EVENTS, SECRETS
from zkoperator.mirror.model import seal as seals
from zkoperator.mirror.model.config_map import content_of
from zkoperator.mirror.model.ends.secret import SecretEnd
from zkoperator.mirror.model.merge_base import Base, decode_base, short
from zkoperator.mirror.model.names import BASE_ANNOTATION, INPUTS_ANNOTATION, SYNC_LABEL, ledger_path
from zkoperator.mirror.model.rollout import content_hash
from zkoperator.mirror.observe import targets
from zkoperator.mirror.plan import plan
from zkoperator.zk.snapshot import digest_of

PULL, PUSH, BOTH = "ZooKeeperToConfigMap", "ConfigMapToZooKeeper", "TwoWay"
TLS = "kubernetes.io/tls"
TOKEN = "kubernetes.io/service-account-token"


@pytest.fixture
async def world() -> AsyncIterator[SecretWorld]:
    async with running(kind=SecretWorld) as running_world:
        assert isinstance(running_world, SecretWorld)
        yield running_world


def follow(world: SecretWorld, **spec: Any) -> None:
    world.sync(**{"secret": {}, **spec})


def put_secret(world: SecretWorld, *, type_: str = "Opaque", label: str | None = "shop", **data: str) -> None:
    meta = {"name": "shop", "namespace": NAMESPACE, "labels": {SYNC_LABEL: label} if label else {}}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    world.kube.put(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": type_, "data": encoded})


def base_of(world: SecretWorld, name: str = "shop") -> Base:
    found = decode_base(world.secret(name)["metadata"]["annotations"][BASE_ANNOTATION])
    assert found is not None
    return found


@pytest.mark.parametrize("direction", [PULL, BOTH])
async def test_the_tree_becomes_a_secret_of_bytes(world: SecretWorld, direction: str) -> None:
    world.tree(colour="blue", db__key=b"\xff\0", empty="")
    follow(world, direction=direction)
    await world.until_in_sync()
    secret = world.secret()
    assert {key: base64.b64decode(text) for key, text in secret["data"].items()} == {
        "colour": b"blue",
        "db__key": b"\xff\0",
        "empty": b"",
    }
    assert (secret["type"], secret["metadata"]["labels"][SYNC_LABEL]) == ("Opaque", "shop")
    assert (world.status()["secret"], world.status().get("configMap", "")) == ("shop", "")


@pytest.mark.parametrize("direction", [PUSH, BOTH])
async def test_edits_of_the_secret_become_znodes(world: SecretWorld, direction: str) -> None:
    world.tree()
    put_secret(world, colour="blue", gone="1")
    follow(world, direction=direction)
    await world.until(lambda: (world.at("colour"), world.at("gone")) == (b"blue", b"1"))
    world.edit(colour="red", gone=None, more="2")
    await world.until(lambda: (world.at("colour"), world.at("gone"), world.at("more")) == (b"red", None, b"2"))
    await world.until_in_sync()


async def test_a_file_in_a_secret_is_merged_key_by_key(world: SecretWorld) -> None:
    world.tree(a="1", b="1")
    follow(world, format={"type": "Json", "key": "settings"})
    await world.until_in_sync()
    world.edit(settings='{"a": "2", "b": "1"}')
    world.node("b", "2")
    await world.until(lambda: (world.at("a"), world.at("b")) == (b"2", b"2"))
    await world.until(lambda: b'"b": "2"' in (world.data() or {})["settings"])


# Types.


async def test_a_type_that_needs_keys_is_created_once_all_of_them_are_there(world: SecretWorld) -> None:
    world.tree(**{"tls.crt": "certificate"})
    follow(world, secret={"type": TLS}, direction=PULL)
    await world.until_reason("TargetInvalid")
    assert "Secret shop would have no tls.key, which type kubernetes.io/tls needs" in world.message()
    assert world.secret() == {}
    world.node("tls.key", "key")
    await world.until_in_sync()
    assert (world.secret()["type"], world.data()) == (TLS, {"tls.crt": b"certificate", "tls.key": b"key"})


@pytest.mark.parametrize(
    ("more", "way_out"),
    [
        ({"format": {"type": "Json", "key": "settings"}}, "spec.format.key is this key"),
        ({"template": {"data": {"tls.crt": "x"}}}, "a template of spec.template.data has this name"),
    ],
)
async def test_a_type_that_needs_other_keys_than_the_spec_writes_names_the_field(
    world: SecretWorld, more: dict[str, Any], way_out: str
) -> None:
    world.tree(a="1")
    follow(world, secret={"type": TLS}, direction=PULL, **more)
    await world.until_reason("TargetInvalid")
    assert "tls.key" in world.message() and way_out in world.message()
    assert world.secret() == {}


async def test_a_key_that_the_type_needs_is_not_taken_away(world: SecretWorld) -> None:
    world.tree(**{"tls.crt": "certificate", "tls.key": "key"})
    follow(world, secret={"type": TLS})
    await world.until_in_sync()
    world.drop("tls.key")
    await world.until_reason("TargetInvalid")
    assert "tls.key" in (world.data() or {})
    world.node("tls.key", "another")
    await world.until_in_sync()
    assert (world.data() or {})["tls.key"] == b"another"


@pytest.mark.parametrize("asked", [{}, {"type": "example.com/settings"}])
async def test_an_existing_secret_keeps_its_type(world: SecretWorld, asked: dict[str, str]) -> None:
    world.tree(a="1")
    put_secret(world, type_="example.com/settings")
    follow(world, secret=asked)
    await world.until_in_sync()
    assert (world.secret()["type"], world.data()) == ("example.com/settings", {"a": b"1"})


@pytest.mark.parametrize(
    ("asked", "found", "says"),
    [
        ({"type": TLS}, "Opaque", "the type of a Secret never changes; correct spec.secret.type, or delete"),
        ({}, TOKEN, "choose another Secret"),
    ],
)
async def test_a_secret_of_a_wrong_type_is_left_alone(
    world: SecretWorld, asked: dict[str, str], found: str, says: str
) -> None:
    world.tree(a="1")
    put_secret(world, type_=found, mine="1")
    follow(world, secret=asked)
    await world.until_reason("TargetInvalid")
    assert says in world.message() and "Secret shop" in world.message()
    await world.quiet()
    assert (world.data(), world.at("mine")) == ({"mine": b"1"}, None)


async def test_an_immutable_secret_is_named_and_left_alone(world: SecretWorld) -> None:
    world.tree(a="1")
    put_secret(world, a="0")
    world.kube.edit(SECRETS, NAMESPACE, "shop", {"immutable": True})
    follow(world)
    await world.until_reason("TargetOwned")
    assert "Secret shop is immutable; delete it" in world.message()
    assert world.data() == {"a": b"0"}


async def test_a_secret_is_taken_over_only_with_its_label(world: SecretWorld) -> None:
    world.tree(a="1")
    put_secret(world, label=None, mine="1")
    follow(world)
    await world.until_reason("TargetNotAdopted")
    assert f"kubectl label secret -n {NAMESPACE} shop {SYNC_LABEL}=shop" in world.message()
    world.kube.edit(SECRETS, NAMESPACE, "shop", {"metadata": {"labels": {SYNC_LABEL: "shop"}}})
    await world.until_in_sync()
    assert (world.data(), world.at("mine")) == ({"a": b"1", "mine": b"1"}, b"1")


# What may be seen of values.


def shown_digests(world: SecretWorld) -> set[bytes]:
    """Every digest in the annotation and in the ledger."""
    uid = (world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") or {})["metadata"]["uid"]
    ledger = world.znode(ledger_path(uid)) or b""
    return {*base_of(world).digests.values(), *(bytes.fromhex(word) for word in _hexadecimal(ledger.decode()))}


def _hexadecimal(text: str) -> list[str]:
    return [word for word in text.split('"') if len(word) == 24 and set(word) <= set("0123456789abcdef")]


async def test_no_digest_tells_whether_a_value_was_guessed(world: SecretWorld) -> None:
    world.tree(pulled="hunter2")
    follow(world)
    await world.until_in_sync()
    world.edit(pushed="letmein")
    await world.until(lambda: world.at("pushed") == b"letmein")
    digests = shown_digests(world)
    assert len(digests) > 1
    assert not digests & {short(digest_of(value)) for value in (b"hunter2", b"letmein")}


async def test_files_that_are_rendered_into_a_secret_and_their_inputs_have_keyed_digests(world: SecretWorld) -> None:
    world.tree(user="admin", password="hunter2")
    follow(world, direction=PULL, template={"data": {"login": "{{ getv('/user') }}:{{ getv('/password') }}"}})
    await world.until_in_sync()
    secret = world.secret()
    assert base64.b64decode(secret["data"]["login"]) == b"admin:hunter2"
    inputs = decode_base(secret["metadata"]["annotations"][INPUTS_ANNOTATION])
    assert inputs is not None and set(inputs.digests) == {"user", "password"}
    shown = {*inputs.digests.values(), *base_of(world).digests.values()}
    assert not shown & {short(digest_of(value)) for value in (b"admin", b"hunter2", b"admin:hunter2")}


async def test_equal_values_of_two_config_syncs_have_different_digests(world: SecretWorld) -> None:
    world.tree(guess="hunter2")
    follow(world, direction=PULL)
    world.sync("mine", secret={}, direction=PULL)
    await world.until_in_sync()
    await world.until_in_sync("mine")
    assert not set(base_of(world).digests.values()) & set(base_of(world, "mine").digests.values())


async def test_conflicts_are_shown_by_keyed_hashes_and_can_be_settled(world: SecretWorld) -> None:
    world.tree(a="1")
    follow(world)
    await world.until_in_sync()
    await world.stop()
    world.node("a", "theirs")
    world.edit(a="mine")
    await world.start()
    await world.until_reason("Conflict")
    (shown,) = world.status()["conflicts"]
    plain = {digest_of(value).hex()[:12] for value in (b"theirs", b"mine")}
    assert not {shown["zookeeper"], shown["configMap"]} & plain
    world.annotate(resolve="a=configmap")
    await world.until(lambda: world.at("a") == b"mine")
    await world.until_in_sync()


# Workloads, and the end.


async def test_a_workload_is_restarted_for_a_new_value_and_shows_a_keyed_hash(world: SecretWorld) -> None:
    put_workload(world)
    world.tree(a="1")
    follow(world, rollout=WEB)
    await world.until(lambda: entry_of(world).get("reason") == "RolledOut")
    before = entry_of(world)["hash"]
    assert before != content_hash(content_of(world.secret(), SecretEnd(), digest_of))
    world.node("a", "2")
    await world.until(lambda: entry_of(world)["hash"] not in ("", before))
    (shown,) = found_workload(world)["spec"]["template"]["metadata"]["annotations"].values()
    assert shown == entry_of(world)["hash"] == world.status()["content"]["hash"]


async def test_a_lost_key_restarts_the_workloads_once(world: SecretWorld) -> None:
    put_workload(world)
    world.tree(a="1")
    follow(world, rollout=WEB)
    await world.until(lambda: entry_of(world).get("reason") == "RolledOut")
    before = entry_of(world)["hash"]
    await world.stop()
    world.kube.remove(SECRETS, *HASH_KEY)
    await world.start()
    await world.until(lambda: entry_of(world)["hash"] not in ("", before))
    await world.until_in_sync()
    after = entry_of(world)["hash"]
    await world.restart()
    await world.quiet()
    (shown,) = found_workload(world)["spec"]["template"]["metadata"]["annotations"].values()
    assert shown == entry_of(world)["hash"] == after


async def test_the_end_deletes_the_secret(world: SecretWorld) -> None:
    world.tree(a="1")
    follow(world, onDelete="DeleteConfigMap")
    await world.until_in_sync()
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    assert (world.secret(), world.at("a")) == ({}, b"1")


async def test_a_secret_that_may_not_be_deleted_any_more_stays_and_holds_up_nothing(world: SecretWorld) -> None:
    world.tree(a="1")
    follow(world, onDelete="DeleteConfigMap")
    await world.until_in_sync()

    def refuse(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.verb == "delete":
            raise ForbiddenError("may not delete secrets")

    world.kube.before = refuse
    world.kube.remove(CONFIG_SYNCS, NAMESPACE, "shop")
    await world.until(lambda: world.kube.peek(CONFIG_SYNCS, NAMESPACE, "shop") is None)
    notes = [event["note"] for event in world.kube.every(EVENTS) if event["reason"] == "SecretLeft"]
    assert len(notes) == 1 and f"kubectl delete secret -n {NAMESPACE} shop" in notes[0]
    assert world.data() == {"a": b"1"}


def _plain(key: bytes, _uid: str) -> seals.Seal:
    return seals.Seal(key.hex()[:16], digest_of)


SEEDS = (
    Seed(
        "digests of secrets are keyed",
        replaced(targets, "seal_of", _plain),
        (
            in_secret_world(test_no_digest_tells_whether_a_value_was_guessed),
            in_secret_world(test_conflicts_are_shown_by_keyed_hashes_and_can_be_settled),
        ),
    ),
    Seed(
        "each ConfigSync has a key of its own",
        replaced(targets, "seal_of", lambda key, _uid: seals.seal_of(key, "")),
        (in_secret_world(test_equal_values_of_two_config_syncs_have_different_digests),),
    ),
    Seed(
        "keys that a type needs are waited for",
        replaced(plan, "lacking_keys", lambda *_: ""),
        (
            in_secret_world(test_a_type_that_needs_keys_is_created_once_all_of_them_are_there),
            in_secret_world(test_a_key_that_the_type_needs_is_not_taken_away),
        ),
    ),
    Seed(
        "a Secret of a wrong type is left alone",
        replaced(SecretEnd, "misfit", lambda *_: ""),
        (in_secret_world(test_a_secret_of_a_wrong_type_is_left_alone, asked={}, found=TOKEN, says="another"),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
