"""What is read for certificates, how often, and of whose objects; each guard with the bug that takes it out."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fakes.kube import Operation
from tests.support.models.foreign_pki import authority
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.certified import (
    BOTH,
    OWN,
    SELF_SIGNED,
    TLS_SECRETS,
    degraded,
    deliver,
    held,
    later,
    own_secret,
    published,
    secret,
    status,
    stay,
    world_with,
)
from tests.support.worlds.ensemble import KEY, EnsembleWorld
from zkoperator.ensemble.model.tls import NO_CERTIFICATES
from zkoperator.ensemble.observe import answers, observer
from zkoperator.ensemble.observe import certificates as reading
from zkoperator.ensemble.plan import certificate_steps
from zkoperator.errors import ForbiddenError
from zkoperator.kube.port import CONFIG_MAPS, SECRETS, ZOOKEEPER_CLUSTERS
from zkoperator.pki.files import File


def forbid(world: EnsembleWorld, *names: str) -> None:
    """Take the rights to these Secrets away."""
    before = world.api.before

    def hook(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.name in names:
            raise ForbiddenError("secrets is forbidden")
        before(operation)

    world.api.before = hook


async def a_cluster_without_tls_needs_no_right_to_certificates() -> None:
    world = world_with(None)
    forbid(world, *TLS_SECRETS)
    await world.rest()
    assert degraded(world)["status"] == "False" and "certificates" not in degraded(world)["message"]


async def rights_that_go_away_change_nothing_and_are_told() -> None:
    world = world_with(BOTH)
    await world.rest()
    pods, shown = {pod.uid for pod in world.pods.values()}, status(world)["tls"]["client"]
    forbid(world, *TLS_SECRETS)
    later(world)
    await stay(world, 5)
    assert "the certificates cannot be read: secrets is forbidden" in degraded(world)["message"]
    now = status(world)["tls"]["client"]
    assert (now["issuer"], now["notAfter"]) == (shown["issuer"], shown["notAfter"])
    assert {pod.uid for pod in world.pods.values()} == pods


async def a_change_of_the_spec_is_read_at_once() -> None:
    world = world_with(OWN)
    deliver(world, "company-tls", own_secret())
    deliver(world, "other-tls", own_secret(authority("other")))
    await world.rest()
    world.ask_for(tls={"client": {"certificate": {"secretName": "other-tls"}, "plaintext": "Allowed"}})
    await stay(world, 5)
    assert "CN=other" in {each.subject.rfc4514_string() for each in held(world).bundles[File.PUBLISHED]}


async def a_cluster_that_was_made_anew_inherits_no_certificate() -> None:
    world = world_with(BOTH)
    await world.rest()
    (old,) = held(world).bundles[File.QUORUM_CA]
    await made_anew(world)
    await stay(world, 40)
    (new,) = held(world).bundles[File.QUORUM_CA]
    assert new != old


async def made_anew(world: EnsembleWorld) -> None:
    """Delete the cluster and create it again before the operator looks."""
    found = world.cluster()
    assert found is not None
    world.api.remove(ZOOKEEPER_CLUSTERS, *KEY)
    metadata = {"name": "main", "namespace": "demo"}
    kind = {key: found[key] for key in ("apiVersion", "kind", "spec")}
    world.api.put(ZOOKEEPER_CLUSTERS, {**kind, "metadata": metadata})


async def secrets_are_read_once_a_minute() -> None:
    world = world_with(BOTH)
    await world.rest()
    await world.turn()
    before = reads(world)
    await stay(world, 40)
    assert reads(world) - before <= 2, "each Secret once, and not at each look"


def reads(world: EnsembleWorld) -> int:
    """How often the Secret of the members was read."""
    return sum(each.verb == "get" and each.name == "main-zk-tls" for each in world.api.operations)


async def what_was_refused_is_read_again_soon() -> None:
    world = world_with(OWN)
    await stay(world, 5)
    deliver(world, "company-tls", own_secret())
    await stay(world, 25)
    assert File.CLIENT in held(world).leaves


async def objects_of_others_are_left_alone() -> None:
    for resource, name in ((SECRETS, "main-zk-tls"), (SECRETS, "main-zk-ca"), (CONFIG_MAPS, "main-zk-ca")):
        world = world_with(BOTH)
        kind = {"apiVersion": "v1", "kind": "Secret" if resource is SECRETS else "ConfigMap"}
        world.api.put(resource, {**kind, "metadata": {"name": name, "namespace": "demo"}, "data": {"theirs": "MQ=="}})
        await stay(world)
        found = world.api.peek(resource, "demo", name)
        assert found is not None and set(found["data"]) == {"theirs"}
        assert f"{name} was not made by this operator" in degraded(world)["message"]
        assert not world.pods


async def the_name_of_a_lost_ca_does_not_come_back() -> None:
    world = world_with({"client": SELF_SIGNED})
    await world.rest()
    for name in TLS_SECRETS:
        world.api.remove(SECRETS, "demo", name)
    later(world)
    await stay(world)
    assert [each for each in secret(world, "main-zk-ca")["data"] if each.endswith(".crt")] == ["g2.crt"]


async def clients_without_tls_are_counted_as_they_are_now() -> None:
    world = world_with(BOTH, replicas=3)
    await world.rest()
    for clients in (2, 0):
        world.plain_clients = clients
        later(world)
        await world.turn()
        assert status(world)["tls"]["client"]["plaintextClients"] == 3 * clients


async def a_port_that_is_closed_is_not_asked() -> None:
    world = world_with({"client": {**SELF_SIGNED, "plaintext": "Refused"}})
    await world.rest()
    assert world.asked_in_plain == 0
    world.ask_for(tls=BOTH)
    await world.rest()
    assert world.asked_in_plain > 0


async def a_bundle_that_somebody_edits_is_published_again() -> None:
    world = world_with(BOTH)
    await world.rest()
    right = published(world)
    world.api.edit(CONFIG_MAPS, "demo", "main-zk-ca", {"data": {"ca.crt": "nothing"}})
    later(world)
    await world.rest()
    assert published(world) == right


CLAIMS = (
    a_cluster_without_tls_needs_no_right_to_certificates,
    rights_that_go_away_change_nothing_and_are_told,
    a_change_of_the_spec_is_read_at_once,
    a_cluster_that_was_made_anew_inherits_no_certificate,
    secrets_are_read_once_a_minute,
    what_was_refused_is_read_again_soon,
    clients_without_tls_are_counted_as_they_are_now,
    a_port_that_is_closed_is_not_asked,
    objects_of_others_are_left_alone,
    the_name_of_a_lost_ca_does_not_come_back,
    a_bundle_that_somebody_edits_is_published_again,
)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
async def test_with_all_guards(claim: Callable[[], Any]) -> None:
    await claim()


SEEDS = (
    Seed(
        "without TLS nothing is read",
        rewritten(reading, "CertificateReader.read", "cluster.spec.tls is None and", "False and"),
        (a_cluster_without_tls_needs_no_right_to_certificates,),
    ),
    Seed(
        "a refused reading is no empty one",
        replaced(reading, "_as_reported", lambda *_: NO_CERTIFICATES),
        (rights_that_go_away_change_nothing_and_are_told,),
    ),
    Seed(
        "what was read is of one generation",
        rewritten(reading, "CertificateReader._is_fresh", "cluster.meta.generation", "known.generation"),
        (a_change_of_the_spec_is_read_at_once,),
    ),
    Seed(
        "what was read is of one cluster",
        rewritten(reading, "CertificateReader._is_fresh", "(cluster.meta.uid,", "(known.uid,"),
        (a_cluster_that_was_made_anew_inherits_no_certificate,),
    ),
    Seed(
        "what was read ages",
        replaced(reading, "MAX_AGE_S", 1e9),
        (a_bundle_that_somebody_edits_is_published_again, the_name_of_a_lost_ca_does_not_come_back),
    ),
    Seed("what was read is kept a while", replaced(reading, "MAX_AGE_S", 0.0), (secrets_are_read_once_a_minute,)),
    Seed(
        "a refusal is looked into soon",
        replaced(reading, "MAX_AGE_REFUSED_S", 1e9),
        (what_was_refused_is_read_again_soon,),
    ),
    Seed(
        "a closed port is not asked",
        rewritten(observer, "Observer._plaintext_clients", "not counted or ", ""),
        (a_port_that_is_closed_is_not_asked,),
    ),
    Seed(
        "the connection that asks is none of a client",
        rewritten(answers, "_connections", "for address in addresses) - 1)", "for address in addresses))"),
        (clients_without_tls_are_counted_as_they_are_now,),
    ),
    Seed(
        "probes are no clients",
        replaced(answers, "_LOOPBACK", ("nowhere",)),
        (clients_without_tls_are_counted_as_they_are_now,),
    ),
    Seed(
        "nothing of others is taken",
        replaced(reading, "_foreign", lambda *_: ""),
        (objects_of_others_are_left_alone,),
    ),
    Seed(
        "the bundle of others is theirs as well",
        rewritten(reading, "CertificateReader._read", "(tls, authority, published) if", "(tls, authority) if"),
        (objects_of_others_are_left_alone,),
    ),
    Seed(
        "the CA of others is theirs as well",
        rewritten(reading, "CertificateReader._read", "(tls, authority, published) if", "(tls, published) if"),
        (objects_of_others_are_left_alone,),
    ),
    Seed(
        "the status knows the last generation",
        replaced(reading, "_issuers", lambda _: ()),
        (the_name_of_a_lost_ca_does_not_come_back,),
    ),
    Seed(
        "the published bundle is compared",
        rewritten(certificate_steps, "_publication", "bundle and bundle != sources.published", "not sources.published"),
        (a_bundle_that_somebody_edits_is_published_again,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
