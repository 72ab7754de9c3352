"""What applications find in the discovery ConfigMap and in the binding Secret, as the ensemble changes."""

from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.seeds import Seed, replaced, request_without, rewritten
from tests.support.worlds.certified import SELF_SIGNED
from tests.support.worlds.ensemble import KEY, EnsembleWorld, ensemble_world
from zkoperator.ensemble import reconcile
from zkoperator.ensemble.apply import applier
from zkoperator.ensemble.observe import binding as reading
from zkoperator.ensemble.plan import binding as planned
from zkoperator.ensemble.plan import child_steps
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_MAPS, PODS, SECRETS, ZOOKEEPER_CLUSTERS, Manifest

MINUTE = 61.0
SERVICE = "main-zk.demo.svc.cluster.local"
CLIENT_TLS: dict[str, Any] = {"client": SELF_SIGNED}
PLAINTEXT_REFUSED: dict[str, Any] = {"client": {**SELF_SIGNED, "plaintext": "Refused"}}


def told(world: EnsembleWorld) -> dict[str, str]:
    found = world.api.peek(CONFIG_MAPS, "demo", NAMES.discovery)
    return dict(found["data"]) if found is not None else {}


def secret(world: EnsembleWorld) -> Manifest:
    found = world.api.peek(SECRETS, "demo", NAMES.binding)
    assert found is not None, "there is no Secret for service bindings"
    return found


def bound(world: EnsembleWorld) -> dict[str, str]:
    return {key: b64decode(text).decode() for key, text in secret(world)["data"].items()}


def status(world: EnsembleWorld) -> Manifest:
    return dict((world.cluster() or {})["status"])


def at(port: int, *members: int) -> str:
    return ",".join(f"{NAMES.host(member)}:{port}" for member in members)


async def a_minute_later(world: EnsembleWorld) -> None:
    world.clock.seconds += MINUTE
    await world.rest()


# The ConfigMap


async def the_config_map_has_every_spelling_of_the_address() -> None:
    world = ensemble_world(3)
    await world.rest()
    assert told(world) == {
        "ZOOKEEPER": at(2181, 1, 2, 3),
        "ZOOKEEPER_HOSTS": at(2181, 1, 2, 3),
        "ZOOKEEPER_CLIENT_PORT": "2181",
        "ZOOKEEPER_CHROOT": "/",
        "host": SERVICE,
        "port": "2181",
        "hosts-only": ",".join(NAMES.host(member) for member in (1, 2, 3)),
    }
    assert (status(world)["hosts"], status(world)["endpoint"]) == (told(world)["ZOOKEEPER"], f"{SERVICE}:2181")


async def it_names_members_once_they_vote_and_until_they_leave() -> None:
    world = ensemble_world(1)
    await world.rest()
    world.ask_for(replicas=3)
    for _ in range(80):
        await world.turn()
        voters = sorted(world.committed.voters) if world.committed is not None else []
        assert told(world)["ZOOKEEPER"] in (at(2181, 1), at(2181, *voters)), "nobody is sent to a member without a vote"
    assert told(world)["ZOOKEEPER"] == at(2181, 1, 2, 3)
    world.ask_for(replicas=1)
    await world.rest()
    assert told(world)["ZOOKEEPER"] == at(2181, 1)


async def tls_is_told_while_every_voter_has_it() -> None:
    world = ensemble_world(3)
    await world.rest()
    for tls in (CLIENT_TLS, PLAINTEXT_REFUSED, CLIENT_TLS, None):
        world.ask_for(tls=tls)
        for _ in range(120):
            await world.turn()
            if "tls-hosts" in told(world):
                assert all(pod.tls.client for pod in world.pods.values()), "a member has no port for TLS"
        port = 2281 if tls is PLAINTEXT_REFUSED else 2181
        assert told(world)["ZOOKEEPER"] == at(port, 1, 2, 3)
        assert told(world)["port"] == bound(world)["port"] == str(port)
        tls_told = ("2281", "main-zk-ca", at(2281, 1, 2, 3)) if tls is not None else (None, None, None)
        assert (told(world).get("tls-port"), told(world).get("ca-config-map"), told(world).get("tls-hosts")) == tls_told
        assert (bound(world).get("tls-port"), bound(world).get("ca-config-map")) == tls_told[:2]


async def a_restart_takes_nothing_back_that_applications_were_told() -> None:
    world = ensemble_world(3, tls=CLIENT_TLS)
    await world.rest()
    before, live = told(world), world.api.peek(CONFIG_MAPS, "demo", NAMES.discovery)
    world.api.remove(PODS, "demo", NAMES.pod(2))
    await world.operator.reconcile(KEY)
    assert told(world) == before, "a pod that is being made again is a member"
    world.ask_for(config={"tickTime": "3000"})
    await world.rest()
    assert world.api.peek(CONFIG_MAPS, "demo", NAMES.discovery) == live


# The Secret


async def the_secret_is_what_service_bindings_read_and_has_no_credential() -> None:
    world = ensemble_world(3)
    await world.rest()
    assert status(world)["binding"] == {"name": secret(world)["metadata"]["name"]}
    assert secret(world)["type"] == "servicebinding.io/zookeeper"
    assert bound(world) == {
        "type": "zookeeper",
        "provider": "zkoperator",
        "host": SERVICE,
        "port": "2181",
        "uri": f"zookeeper://{SERVICE}:2181",
    }
    admin = world.api.peek(SECRETS, "demo", NAMES.secret) or {}
    assert not set(admin["data"].values()) & set(secret(world)["data"].values())


async def it_is_written_once_however_the_ensemble_grows() -> None:
    world = ensemble_world(1)
    await world.rest()
    before = secret(world)
    world.ask_for(replicas=3)
    await world.rest()
    await a_minute_later(world)
    assert secret(world) == before


async def one_that_was_deleted_is_made_again() -> None:
    world = ensemble_world(1)
    await world.rest()
    before = bound(world)
    world.api.remove(SECRETS, "demo", NAMES.binding)
    await a_minute_later(world)
    assert bound(world) == before


async def entries_of_people_stay() -> None:
    world = ensemble_world(1)
    await world.rest()
    mine = {"username": b64encode(b"shop").decode()}
    world.api.edit(SECRETS, "demo", NAMES.binding, {"data": mine})
    world.ask_for(tls=PLAINTEXT_REFUSED)
    await world.rest()
    assert (bound(world).get("username"), bound(world)["port"]) == ("shop", "2281")


async def one_that_was_edited_is_told_where_the_operator_may_not_change_secrets() -> None:
    world = ensemble_world(1)
    await world.rest()
    before = bound(world)
    world.api.edit(SECRETS, "demo", NAMES.binding, {"data": {"host": b64encode(b"elsewhere").decode()}})
    hook = world.api.before

    def may_only_create(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.verb in ("patch", "apply", "delete"):
            raise ForbiddenError("patch secrets: forbidden")
        hook(operation)

    world.api.before = may_only_create
    await a_minute_later(world)
    assert world.condition("Ready")["status"] == "True", "applications may be led astray; the ensemble is well"
    message = world.condition("Degraded")["message"]
    assert "Secret main-zk-binding does not lead to the ensemble any more (host)" in message
    assert "kubectl -n demo delete secret main-zk-binding" in message
    world.api.remove(SECRETS, "demo", NAMES.binding)
    await a_minute_later(world)
    assert bound(world) == before
    assert "main-zk-binding" not in world.condition("Degraded")["message"]


async def one_of_somebody_else_is_never_written() -> None:
    world = ensemble_world(1)
    theirs = {"name": NAMES.binding, "namespace": "demo", "labels": NAMES.labels}
    before = world.api.put(
        SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": theirs, "data": {}}, manager="somebody"
    )
    for _ in range(20):
        await world.turn()
    degraded = world.condition("Degraded")
    assert (degraded["reason"], NAMES.binding in degraded["message"]) == ("ForeignObject", True)
    assert world.api.peek(SECRETS, "demo", NAMES.binding) == before
    assert "binding" not in status(world)


async def an_edit_between_look_and_write_is_not_overwritten_unseen() -> None:
    world = ensemble_world(1)
    await world.rest()
    hook, edited = world.api.before, list[str]()

    def just_before(operation: Operation) -> None:
        if (
            operation.resource is SECRETS
            and operation.name == NAMES.binding
            and operation.verb == "patch"
            and not edited
        ):
            edited.append(operation.verb)
            world.api.edit(SECRETS, "demo", NAMES.binding, {"data": {"host": b64encode(b"elsewhere").decode()}})
        hook(operation)

    world.api.before = just_before
    refused = list[bool]()
    patch = world.api.patch

    async def watched(resource: Any, *given: Any, **more: Any) -> Any:
        is_ours = resource is SECRETS and NAMES.binding in given
        try:
            return await patch(resource, *given, **more)
        except Exception:
            refused.extend([True] * is_ours)
            raise

    world.api.patch = watched  # type: ignore[method-assign]
    world.ask_for(tls=CLIENT_TLS)
    await world.rest()
    assert edited and refused, "the first write was for another version of the Secret"
    assert bound(world)["host"] == SERVICE


async def each_change_is_written_once() -> None:
    world = ensemble_world(1)
    await world.rest()
    hook, writes = world.api.before, list[str]()

    def count(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.name == NAMES.binding and operation.is_write:
            writes.append(operation.verb)
        hook(operation)

    world.api.before = count
    world.ask_for(tls=PLAINTEXT_REFUSED)
    for _ in range(100):
        await world.turn()
    assert bound(world)["port"] == "2281"
    assert 1 <= len(writes) <= 2, "one for the TLS port, one for the end of plaintext"


async def both_go_with_the_cluster() -> None:
    world = ensemble_world(1)
    await world.rest()
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    world.api.collect_garbage()
    assert world.api.peek(CONFIG_MAPS, "demo", NAMES.discovery) is None
    assert world.api.peek(SECRETS, "demo", NAMES.binding) is None


async def a_secret_that_was_left_is_told() -> None:
    world = ensemble_world(1)
    await world.rest()
    world.api.edit(SECRETS, "demo", NAMES.binding, {"metadata": {"ownerReferences": []}})
    await a_minute_later(world)
    assert "Secret main-zk-binding was left by an earlier cluster" in world.condition("Degraded")["message"]


async def the_secret_is_read_once_a_minute() -> None:
    world = ensemble_world(1)
    await world.rest()
    hook, reads = world.api.before, list[str]()

    def count(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.name == NAMES.binding:
            reads.append(operation.verb)
        hook(operation)

    world.api.before = count
    world.clock.seconds += MINUTE
    for _ in range(5):
        await world.turn()
    assert reads == ["get"]


STORIES = (
    the_config_map_has_every_spelling_of_the_address,
    it_names_members_once_they_vote_and_until_they_leave,
    tls_is_told_while_every_voter_has_it,
    a_restart_takes_nothing_back_that_applications_were_told,
    the_secret_is_what_service_bindings_read_and_has_no_credential,
    it_is_written_once_however_the_ensemble_grows,
    one_that_was_deleted_is_made_again,
    entries_of_people_stay,
    one_that_was_edited_is_told_where_the_operator_may_not_change_secrets,
    one_of_somebody_else_is_never_written,
    an_edit_between_look_and_write_is_not_overwritten_unseen,
    each_change_is_written_once,
    both_go_with_the_cluster,
    a_secret_that_was_left_is_told,
    the_secret_is_read_once_a_minute,
)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_what_applications_are_told(story: Any) -> None:
    await story()


def _serves(old: str, new: str) -> Any:
    """The bug in what is known of TLS, for those who have the function by its name."""

    def planted(patch: pytest.MonkeyPatch) -> None:
        rewritten(planned, "serves_tls", old, new)(patch)
        patch.setattr(child_steps, "serves_tls", planned.serves_tls)

    return planted


SEEDS = (
    Seed(
        "TLS is told when every voter has it",
        _serves("not cluster.tls.client or any(pod is not None and not pod.tls.client for pod in voters)", "False"),
        (tls_is_told_while_every_voter_has_it,),
    ),
    Seed(
        "what was told stays told while a pod is made again",
        _serves(" or _is_told(observed)", ""),
        (a_restart_takes_nothing_back_that_applications_were_told,),
    ),
    Seed(
        "nothing is asked for without the right to it",
        replaced(planned, "_may_change", lambda _: True),
        (one_that_was_edited_is_told_where_the_operator_may_not_change_secrets,),
    ),
    Seed(
        "who made a Secret is looked at",
        replaced(applier, "_refuse_unless_ours", lambda *_: None),
        (one_of_somebody_else_is_never_written,),
    ),
    Seed(
        "a write is for the version that was seen",
        request_without("patch", "resource_version"),
        (an_edit_between_look_and_write_is_not_overwritten_unseen,),
    ),
    Seed(
        "what is about to be written is read again",
        rewritten(reconcile, "EnsembleReconciler._carry_out", "state.observer.binding.forget()", "pass"),
        (each_change_is_written_once,),
    ),
    Seed(
        "other entries stay",
        rewritten(
            applier,
            "Applier._write_binding",
            "dict.fromkeys(sorted(step.dropped))",
            "dict.fromkeys([*sorted(step.dropped), 'username'])",
        ),
        (entries_of_people_stay,),
    ),
    Seed(
        "it is not read with every look",
        replaced(reading, "MAX_AGE_S", 0.0),
        (the_secret_is_read_once_a_minute,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
