"""What is decided about certificates, files and bundles; each guard with the bug that takes it out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.models.ensemble_guards import at_rest
from tests.support.models.ensemble_simulation import GOOD, valid
from tests.support.models.foreign_pki import NOW, authority
from tests.support.models.seeds import Seed, replaced, rewritten
from tests.support.worlds.certified import (
    ALL_FILES,
    BOTH,
    ISSUER,
    OWN,
    degraded,
    deliver,
    held,
    later,
    own_secret,
    published,
    secret,
    stay,
    world_with,
)
from tests.support.worlds.ensemble import EnsembleWorld
from zkoperator.ensemble.model.certificate_sources import CertificateSources, Version
from zkoperator.ensemble.model.names import TLS
from zkoperator.ensemble.model.tls import NO_TLS, TlsState, parse_tls_state
from zkoperator.ensemble.observe import certificates as reading
from zkoperator.ensemble.plan import certificate_steps
from zkoperator.ensemble.plan.steps import (
    DropCertificates,
    WriteCertificate,
)
from zkoperator.ensemble.validate import Defaults, validate
from zkoperator.kube.port import CERTIFICATES, SECRETS, Manifest
from zkoperator.pki.files import File


async def files_stay_as_long_as_any_pod_needs_them() -> None:
    world = world_with(BOTH, replicas=3)
    await world.rest()
    world.ask_for(tls=None)
    for _ in range(100):
        await world.turn()
        asked = set[str]().union(*(needed(pod.template) for pod in world.pods.values()))
        assert asked <= files(world)
    assert files(world) == set()


def needed(template: Manifest) -> set[str]:
    state = parse_tls_state(template["metadata"]["annotations"].get(TLS, ""))
    return ({"client.pem", "client-ca.pem"} if state.client else set()) | (
        {"quorum.pem", "quorum-ca.pem"} if state.quorum else set()
    )


def files(world: EnsembleWorld) -> set[str]:
    return set(secret(world, "main-zk-tls").get("data") or ())


def spare_files(*, template: bool, pods: bool) -> frozenset[str]:
    """Return what is removed when the spec has no TLS any more, but the template or the pods still have."""
    world = at_rest(tls=BOTH)
    observed = world.observe()
    sources = CertificateSources(NOW, files=ALL_FILES, tls_secret=Version("u", "1"))
    plain = at_rest().observe()
    world.edit(tls=None)
    now = replace(
        observed,
        children=observed.children if template else plain.children,
        pods=observed.pods if pods else {},
        certificates=replace(observed.certificates, sources=sources),
    )
    steps = certificate_steps.certificate_steps(valid(world.raw), now)
    return frozenset().union(*(step.files for step in steps if isinstance(step, DropCertificates)))


async def files_of_a_pod_or_of_one_that_may_be_made_stay() -> None:
    assert spare_files(template=False, pods=True) == frozenset()
    assert spare_files(template=True, pods=False) == frozenset()
    assert spare_files(template=False, pods=False) == ALL_FILES


async def nobody_is_asked_who_cannot_answer() -> None:
    world = world_with(ISSUER)
    world.api.missing_kinds.add(CERTIFICATES.plural)
    await stay(world)
    asked = [each for each in world.api.operations if each.resource is CERTIFICATES and each.is_write]
    assert asked == []
    assert "Kubernetes has no kind Certificate" in degraded(world)["message"]


async def a_request_that_somebody_edits_is_made_right_and_otherwise_left_alone() -> None:
    world = world_with(ISSUER)
    await stay(world)
    first = request_of(world)
    await stay(world, 15)
    assert sum(each.is_write and each.resource is CERTIFICATES for each in world.api.operations) == 1
    world.api.edit(CERTIFICATES, "demo", "main-zk-client", {"spec": {"dnsNames": ["other"]}})
    later(world)
    await stay(world)
    assert request_of(world)["spec"] == first["spec"]


def request_of(world: EnsembleWorld) -> Manifest:
    found = world.api.peek(CERTIFICATES, "demo", "main-zk-client")
    assert found is not None
    return found


async def a_bundle_is_never_published_empty() -> None:
    world = world_with(BOTH)
    await world.rest()
    world.api.remove(SECRETS, "demo", "main-zk-tls")
    later(world)
    for _ in range(15):
        await world.turn()
        assert published(world), "clients that read it now can verify nobody"
    assert held(world).leaves


async def another_ca_is_delivered(world: EnsembleWorld) -> None:
    """Deliver a certificate of another CA, and let the time pass in which everybody reads the new bundle."""
    deliver(world, "company-tls", own_secret(authority("other")))
    later(world)
    await stay(world, 3)
    assert len(held(world).bundles[File.PUBLISHED]) == 2 and issuer(world) == "CN=company"
    later(world, 240.0)
    await stay(world, 5)


def issuer(world: EnsembleWorld) -> str:
    return held(world).leaves[File.CLIENT].certificate.issuer.rfc4514_string()


async def a_new_ca_waits_for_a_pod_that_may_not_have_it() -> None:
    world = world_with(OWN, replicas=3)
    deliver(world, "company-tls", own_secret())
    await world.rest()
    world.crash(3, ticks=100)
    await another_ca_is_delivered(world)
    assert issuer(world) == "CN=company"
    assert "main-zk-2" in degraded(world)["message"]
    world.crash(3, ticks=1)
    await stay(world, 10)
    assert issuer(world) == "CN=other"


async def a_pod_without_tls_is_not_waited_for() -> None:
    assert await is_changed_beside_pods_with(TlsState(client=True)) is False
    assert await is_changed_beside_pods_with(NO_TLS) is True


async def is_changed_beside_pods_with(tls: TlsState) -> bool:
    """Whether a certificate of another CA is given to members while pods with this TLS are not ready."""
    world = world_with(OWN, replicas=3)
    deliver(world, "company-tls", own_secret())
    await world.rest()
    world.crash(3, ticks=100)
    await another_ca_is_delivered(world)
    found = world.cluster()
    assert found is not None
    cluster = validate(found, Defaults(GOOD))
    reader = reading.CertificateReader(world.api, world.clock.now_s, world.wall)
    certificates = await reader.read(cluster, reading.CertificateState(), in_use=True)
    pods = {member: replace(pod, tls=tls, ready=False) for member, pod in at_rest().observe().pods.items()}
    observed = replace(at_rest(tls=OWN).observe(), pods=pods, certificates=certificates)
    steps = certificate_steps.certificate_steps(cluster, observed)
    return any(isinstance(step, WriteCertificate) and step.change.file is File.CLIENT for step in steps)


CLAIMS = (
    files_stay_as_long_as_any_pod_needs_them,
    files_of_a_pod_or_of_one_that_may_be_made_stay,
    nobody_is_asked_who_cannot_answer,
    a_request_that_somebody_edits_is_made_right_and_otherwise_left_alone,
    a_bundle_is_never_published_empty,
    a_new_ca_waits_for_a_pod_that_may_not_have_it,
    a_pod_without_tls_is_not_waited_for,
)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
async def test_with_all_guards(claim: Callable[[], Any]) -> None:
    await claim()


SEEDS = (
    Seed(
        "files of a pod stay",
        rewritten(certificate_steps, "_drops", "*(pod.tls for pod in observed.all_pods.values())", ""),
        (files_of_a_pod_or_of_one_that_may_be_made_stay, files_stay_as_long_as_any_pod_needs_them),
    ),
    Seed(
        "files of the template stay",
        rewritten(certificate_steps, "_drops", "template, *", "*"),
        (files_of_a_pod_or_of_one_that_may_be_made_stay,),
    ),
    Seed(
        "spare files go",
        replaced(certificate_steps, "_drops", lambda *_: ()),
        (files_stay_as_long_as_any_pod_needs_them,),
    ),
    Seed(
        "nobody is asked who cannot answer",
        rewritten(certificate_steps, "_request", " or file in sources.unanswerable", ""),
        (nobody_is_asked_who_cannot_answer,),
    ),
    Seed(
        "a request is compared",
        rewritten(certificate_steps, "_request", "not covers(live, manifest)", "False"),
        (a_request_that_somebody_edits_is_made_right_and_otherwise_left_alone,),
    ),
    Seed(
        "a request is written once",
        rewritten(certificate_steps, "_request", "not covers(live, manifest)", "True"),
        (a_request_that_somebody_edits_is_made_right_and_otherwise_left_alone,),
    ),
    Seed(
        "an empty bundle is not published",
        rewritten(certificate_steps, "_publication", "bundle and ", ""),
        (a_bundle_is_never_published_empty,),
    ),
    Seed(
        "a pod that is not ready may not have read",
        rewritten(certificate_steps, "_reader", "Reader(name, started, ready)", "Reader(name, started, True)"),
        (a_new_ca_waits_for_a_pod_that_may_not_have_it,),
    ),
    Seed(
        "pods are waited for",
        rewritten(certificate_steps, "rotation_of", "if pod.tls != NO_TLS", "if False"),
        (a_new_ca_waits_for_a_pod_that_may_not_have_it,),
    ),
    Seed(
        "pods without TLS are not waited for",
        rewritten(certificate_steps, "rotation_of", "if pod.tls != NO_TLS", ""),
        (a_pod_without_tls_is_not_waited_for,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
