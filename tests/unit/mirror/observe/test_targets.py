"""Secrets as targets: what the installation grants, and the key of its digests."""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.mirror_seeds import in_secret_world
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.mirror import HASH_KEY, NAMESPACE, SecretWorld, running
from zkoperator.errors import ForbiddenError, UngrantedError
from zkoperator.kube import informer
from zkoperator.kube.port import CONFIG_SYNCS, SECRETS
from zkoperator.mirror.model.merge_base import Base, decode_base
from zkoperator.mirror.model.names import BASE_ANNOTATION, SYNC_LABEL
from zkoperator.mirror.model.seal import seal_of
from zkoperator.mirror.observe import hash_key as _hash_key
from zkoperator.mirror.plan import base_of_pass, inputs, plan, recall


@pytest.fixture
async def world() -> AsyncIterator[SecretWorld]:
    async with running(kind=SecretWorld) as running_world:
        assert isinstance(running_world, SecretWorld)
        yield running_world


def base_of(world: SecretWorld, name: str = "shop") -> Base:
    found = decode_base(world.secret(name)["metadata"]["annotations"][BASE_ANNOTATION])
    assert found is not None
    return found


# What the installation grants.


async def test_an_installation_that_does_not_grant_secrets_says_so_and_asks_for_none() -> None:
    async with running(kind=_Ungranted) as world:
        world.tree(a="1")
        world.sync(secret={})
        await world.until_reason("SecretsNotGranted")
        assert "component manifests/secrets" in world.message() and "secrets.enabled" in world.message()
        assert world.zk._clients == []
        assert not [each for each in world.kube.operations if each.resource is SECRETS]


class _Ungranted(SecretWorld):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.grants_secrets = False


@pytest.mark.parametrize("verb", ["list", "create"])
async def test_a_right_that_is_missing_is_named_and_comes_later(world: SecretWorld, verb: str) -> None:
    await world.stop()
    world.kube.remove(SECRETS, *HASH_KEY) if world.kube.peek(SECRETS, *HASH_KEY) else None

    def refuse(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.verb == verb:
            raise ForbiddenError(f"may not {verb} secrets")

    world.kube.before = refuse
    await world.start()
    world.tree(a="1")
    world.sync(secret={})
    await world.until_reason("SecretsNotGranted")
    assert f"may not {verb} secrets" in world.message() and "secrets.enabled" in world.message()
    world.kube.before = lambda _: None
    await world.until_in_sync()
    assert world.data() == {"a": b"1"}


@pytest.mark.parametrize("verb", ["watch", "patch"])
async def test_a_right_that_is_taken_away_is_named_and_comes_back(world: SecretWorld, verb: str) -> None:
    world.tree(a="1")
    world.sync(secret={})
    await world.until_in_sync()

    def refuse(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.verb == verb:
            raise UngrantedError(f"may not {verb} secrets")

    world.kube.before = refuse
    world.kube.cut_watches(SECRETS)
    if verb == "patch":
        world.node("a", "2")
    await world.until_reason("SecretsNotGranted")
    assert f"may not {verb} secrets" in world.message() and "component manifests/secrets" in world.message()
    world.edit(b="mine")
    world.kube.before = lambda _: None
    await world.until(lambda: world.at("b") == b"mine")
    await world.until_in_sync()
    assert world.data() == {"a": b"2" if verb == "patch" else b"1", "b": b"mine"}


async def test_a_refusal_that_no_role_ends_does_not_name_the_component(world: SecretWorld) -> None:
    def refuse(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.name == "shop" and operation.verb == "create":
            raise ForbiddenError("exceeded quota")

    world.kube.before = refuse
    world.tree(a="1")
    world.sync(secret={})
    await world.until_reason("Forbidden")
    assert world.message() == "exceeded quota"


# The key of the installation.


def hash_key(world: SecretWorld) -> dict[str, Any]:
    return world.kube.peek(SECRETS, *HASH_KEY) or {}


async def test_the_key_is_made_once_and_a_restart_writes_nothing(world: SecretWorld) -> None:
    world.tree(a="1")
    world.sync(secret={})
    await world.until_in_sync()
    before, version = hash_key(world), world.secret()["metadata"]["resourceVersion"]
    assert before["immutable"] is True and len(base64.b64decode(before["data"]["key"])) == 32
    await world.restart()
    world.node("b", "2")
    await world.until(lambda: world.data() == {"a": b"1", "b": b"2"})
    assert hash_key(world) == before
    written = [each for each in world.kube.operations if each.resource is SECRETS and each.is_write]
    assert [each.verb for each in written] == ["create", "create", "patch"]
    assert world.secret()["metadata"]["resourceVersion"] != version


async def test_a_key_that_was_lost_costs_no_value_and_no_decision(world: SecretWorld) -> None:
    """What was common is recalled from the status, as after the loss of the annotation."""
    world.tree(a="1", b="1", c="1")
    world.sync(secret={})
    await world.until_in_sync()
    await world.until(lambda: world.status().get("common", "") != "")
    await world.stop()
    seal = base_of(world).seal
    world.kube.remove(SECRETS, *HASH_KEY)
    world.edit(b="mine", c=None)
    await world.start()
    await world.until(lambda: (world.at("b"), world.at("c")) == (b"mine", None))
    await world.until_in_sync()
    assert world.data() == {"a": b"1", "b": b"mine"}
    await world.until(lambda: base_of(world).seal != seal)
    world.node("a", "2")
    await world.until(lambda: world.data() == {"a": b"2", "b": b"mine"})
    await world.until_in_sync()


async def test_a_push_whose_key_was_lost_before_it_was_folded_is_still_what_was_common(world: SecretWorld) -> None:
    """The ledger has a digest that was made with the lost key; the znode is as it was pushed."""
    await _pushed_and_not_folded(world)
    world.kube.remove(SECRETS, *HASH_KEY)
    world.edit(pushed="2")
    await world.start()
    await world.until(lambda: world.at("pushed") == b"2")
    await world.until_in_sync()


async def test_the_key_of_another_installation_costs_no_decision_either(world: SecretWorld) -> None:
    await _pushed_and_not_folded(world)
    world.kube.remove(SECRETS, *HASH_KEY)
    put_hash_key(world, bytes(range(32)))
    world.edit(pushed=None)
    await world.start()
    await world.until(lambda: world.at("pushed") is None)
    await world.until_in_sync()
    await world.until(lambda: base_of(world).seal == seal_of(bytes(range(32)), "").id)


async def _pushed_and_not_folded(world: SecretWorld) -> None:
    """The annotation and the status know nothing of the last push."""
    world.tree(a="1")
    world.sync(secret={})
    await world.until_in_sync()
    await world.until(lambda: world.status().get("common", "") != "")
    status, base = world.status(), world.secret()["metadata"]["annotations"][BASE_ANNOTATION]
    world.edit(pushed="1")
    await world.until(lambda: world.at("pushed") == b"1")
    await world.stop()
    assert world.secret()["metadata"]["annotations"][BASE_ANNOTATION] == base
    world.kube.edit(CONFIG_SYNCS, NAMESPACE, "shop", {"status": status}, subresource="status")


async def test_files_in_a_secret_are_rendered_on_after_their_key_was_lost(world: SecretWorld) -> None:
    """What is remembered of their inputs cannot be compared, and is not taken for a restored ensemble."""
    world.tree(user="admin", host="db")
    template = {"data": {"login": "{{ getv('/user') }}@{{ getv('/host') }}"}}
    world.sync(secret={}, direction="ZooKeeperToConfigMap", template=template)
    await world.until_in_sync()
    await world.stop()
    world.kube.remove(SECRETS, *HASH_KEY)
    world.node("user", "root")
    await world.start()
    await world.until(lambda: world.data() == {"login": b"root@db"})
    await world.until_in_sync()


def put_hash_key(world: SecretWorld, key: bytes, **labels: str) -> None:
    namespace, name = HASH_KEY
    meta = {"name": name, "namespace": namespace, "labels": labels}
    data = {"key": base64.b64encode(key).decode()}
    world.kube.put(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})


@pytest.mark.parametrize(
    ("key", "labels", "says"),
    [(b"short", {}, "has no key of 32 bytes"), (bytes(32), {SYNC_LABEL: "mine"}, "is kept by a ConfigSync")],
)
async def test_a_key_that_is_none_is_named(world: SecretWorld, key: bytes, labels: dict[str, str], says: str) -> None:
    namespace, name = HASH_KEY
    put_hash_key(world, key, **labels)
    world.tree(a="1")
    world.sync(secret={})
    await world.until_reason("SecretsNotGranted")
    assert f"Secret {namespace}/{name}: {says}" in world.message() and "; delete it" in world.message()
    world.kube.remove(SECRETS, namespace, name)
    await world.until_in_sync()


def _of_any_key(sync: Any, observed: Any, selected: Any) -> Base | None:
    found = observed.base.seal if observed.base is not None else ""
    return recall.base_in_effect(sync, replace(observed, seal=replace(observed.seal, id=found)), selected)


def _of_any_inputs(sync: Any, observed: Any) -> bool:
    before = inputs.inputs_before(sync, observed)
    seal = before.seal if before is not None else ""
    return inputs.is_older_tree(sync, replace(observed, seal=replace(observed.seal, id=seal)))


SEEDS = (
    Seed(
        "digests of the ledger that a lost key made are not compared",
        rewritten(recall, "_pushed", "short(znode.digest)", "item.digest"),
        (in_secret_world(test_a_push_whose_key_was_lost_before_it_was_folded_is_still_what_was_common),),
    ),
    Seed(
        "digests of inputs that a lost key made are not compared",
        replaced(plan, "is_older_tree", _of_any_inputs),
        (in_secret_world(test_files_in_a_secret_are_rendered_on_after_their_key_was_lost),),
    ),
    Seed(
        "Secrets that may not be followed any more are not kept",
        replaced(informer.Informer, "refusal", lambda *_: None),
        (in_secret_world(test_a_right_that_is_taken_away_is_named_and_comes_back, verb="watch"),),
    ),
    Seed(
        "a key that a ConfigSync could write is not used",
        rewritten(_hash_key, "HashKey._in", "SYNC_LABEL in", "None in"),
        (
            in_secret_world(
                test_a_key_that_is_none_is_named, key=bytes(32), labels={SYNC_LABEL: "x"}, says="is kept by"
            ),
        ),
    ),
    Seed(
        "digests of a lost key count as lost",
        replaced(base_of_pass, "base_in_effect", _of_any_key),
        (in_secret_world(test_a_key_that_was_lost_costs_no_value_and_no_decision),),
    ),
    Seed(
        "an existing key of the installation is used",
        rewritten(_hash_key, "HashKey.read", "found or await", "await"),
        (in_secret_world(test_the_key_is_made_once_and_a_restart_writes_nothing),),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_an_operator_without_this_guard_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
