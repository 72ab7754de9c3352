"""What keeps certificates from going wrong in reading, deciding and writing, each with the bug that takes it out."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube, Operation
from tests.support.models.ensemble_guards import at_rest
from tests.support.models.ensemble_simulation import GOOD, raw_cluster, valid
from tests.support.models.foreign_pki import NOW, authority
from tests.support.models.seeds import Seed, replaced, request_without, rewritten
from tests.support.worlds.certified import (
    BOTH,
    COMPANY,
    ISSUER,
    OWN,
    SELF_SIGNED,
    degraded,
    deliver,
    held,
    own_secret,
    published,
    secret,
    status,
    stay,
    world_with,
)
from tests.support.worlds.ensemble import KEY, EnsembleWorld
from zkoperator.api.tls import IssuerRef
from zkoperator.ensemble.apply import certificates as writing
from zkoperator.ensemble.build.certificates import certificate_request
from zkoperator.ensemble.model.certificate_sources import CertificateSources, Version
from zkoperator.ensemble.model.names import TLS
from zkoperator.ensemble.model.tls import NO_CERTIFICATES, NO_TLS, TlsState, parse_tls_state
from zkoperator.ensemble.observe import answers, observer
from zkoperator.ensemble.observe import certificates as reading
from zkoperator.ensemble.observe.certificate_secrets import version_of
from zkoperator.ensemble.plan import certificate_steps
from zkoperator.ensemble.plan.steps import (
    CertificateStep,
    DropCertificates,
    FoundAuthority,
    PublishBundle,
    RequestCertificate,
    WriteCertificate,
)
from zkoperator.ensemble.validate import Defaults, validate
from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.kube.port import CERTIFICATES, CONFIG_MAPS, SECRETS, ZOOKEEPER_CLUSTERS, Manifest, Resource
from zkoperator.pki.files import File
from zkoperator.pki.rotation import WriteBundle

TLS_SECRETS = ("main-zk-tls", "main-zk-ca")
MINUTE = 60.0


def later(world: EnsembleWorld, seconds: float = MINUTE + 1) -> None:
    """Let so much time pass without anybody looking; by default so much that Secrets are read again."""
    world.clock.seconds += seconds


def forbid(world: EnsembleWorld, *names: str) -> None:
    """Take the rights to these Secrets away."""
    before = world.api.before

    def hook(operation: Operation) -> None:
        if operation.resource is SECRETS and operation.name in names:
            raise ForbiddenError("secrets is forbidden")
        before(operation)

    world.api.before = hook


# Reading


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


# Deciding


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


ALL_FILES = frozenset({"client.pem", "client-ca.pem", "ca.crt", "quorum.pem", "quorum-ca.pem"})


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


async def a_bundle_that_somebody_edits_is_published_again() -> None:
    world = world_with(BOTH)
    await world.rest()
    right = published(world)
    world.api.edit(CONFIG_MAPS, "demo", "main-zk-ca", {"data": {"ca.crt": "nothing"}})
    later(world)
    await world.rest()
    assert published(world) == right


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
    later(world, 4 * MINUTE)
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


# Writing


HERE = {"namespace": "demo", "labels": {"made": "before"}}
LIVE: tuple[tuple[Resource, Manifest], ...] = (
    (SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "main-zk-tls", **HERE}, "data": {}}),
    (SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "main-zk-ca", **HERE}, "data": {}}),
    (CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "main-zk-ca", **HERE}, "data": {}}),
    (
        CERTIFICATES,
        {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "main-zk-client", **HERE}},
    ),
)


def steps_on(version: Callable[[str], Version | None]) -> list[CertificateStep]:
    """Every kind of step, on the versions of what it writes: by kind and name."""
    cluster = valid(raw_cluster(tls=BOTH))
    bundle = WriteBundle(File.CLIENT_CA, (COMPANY.certificate,))
    request = certificate_request(cluster, "client", IssuerRef(name="company", kind="Issuer"), ("a",))
    secret_version = version("Secret main-zk-tls")
    found: list[CertificateStep] = [
        FoundAuthority(1, version("Secret main-zk-ca")),
        WriteCertificate(bundle, secret_version),
        PublishBundle("bundle", version("ConfigMap main-zk-ca")),
        RequestCertificate(request, version("Certificate main-zk-client")),
    ]
    return found if secret_version is None else [*found, DropCertificates(frozenset({"ca.crt"}), secret_version)]


def everything(api: FakeKube) -> list[Manifest]:
    return [each for resource in (SECRETS, CONFIG_MAPS, CERTIFICATES) for each in api.every(resource)]


async def refused(api: FakeKube, steps: list[CertificateStep]) -> None:
    """Each step meets a conflict, and nothing is written."""
    before = everything(api)
    for step in steps:
        try:
            await writing.CertificateWriter(api).apply(valid(raw_cluster(tls=BOTH)), step)
        except ConflictError:
            assert everything(api) == before, step
            continue
        raise AssertionError(f"{step} was carried out on something else")


async def nothing_is_written_into_what_has_changed_since() -> None:
    api = FakeKube()
    versions = {f"{live['kind']} {live['metadata']['name']}": version_of(api.put(kind, live)) for kind, live in LIVE}
    for kind, live in LIVE:
        api.edit(kind, "demo", live["metadata"]["name"], {"metadata": {"labels": {"changed": "since"}}})
    await refused(api, steps_on(versions.__getitem__))


async def nothing_is_written_over_what_was_made_since() -> None:
    api = FakeKube()
    for kind, live in LIVE:
        api.put(kind, live)
    await refused(api, steps_on(lambda _: None))


async def nothing_is_written_into_what_has_gone_since() -> None:
    api = FakeKube()
    versions = {f"{live['kind']} {live['metadata']['name']}": version_of(api.put(kind, live)) for kind, live in LIVE}
    for kind, live in LIVE:
        api.remove(kind, "demo", live["metadata"]["name"])
    await refused(api, steps_on(versions.__getitem__))


async def a_missing_right_is_told_with_what_gives_it() -> None:
    for tls, said in ((BOTH, "manifests/tls, or the chart with tls.enabled"), (ISSUER, "tls.certManager: true")):
        world = world_with(tls)
        hook = world.api.before

        def forbidding(operation: Operation, hook: Callable[[Operation], None] = hook) -> None:
            is_ours = operation.name in TLS_SECRETS or operation.resource is CERTIFICATES
            if operation.is_write and is_ours:
                raise ForbiddenError(f"{operation.resource.plural} is forbidden")
            hook(operation)

        world.api.before = forbidding
        await stay(world, 5)
        assert said in world.condition("Progressing")["message"]
        assert not world.pods


async def each_file_is_written_once_and_by_itself() -> None:
    world = world_with(BOTH, replicas=3)
    seen: list[dict[str, str]] = [{}]
    for _ in range(60):
        await world.turn()
        found = world.api.peek(SECRETS, "demo", "main-zk-tls")
        seen.append(dict(found["data"]) if found is not None else {})
    for before, after in pairwise(seen):
        assert sum(before.get(name) != after.get(name) for name in {*before, *after}) <= 1
    writes = [each for each in world.api.operations if each.is_write and each.name == "main-zk-tls"]
    assert len(writes) == len(ALL_FILES)


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
    files_stay_as_long_as_any_pod_needs_them,
    files_of_a_pod_or_of_one_that_may_be_made_stay,
    nobody_is_asked_who_cannot_answer,
    a_request_that_somebody_edits_is_made_right_and_otherwise_left_alone,
    a_bundle_that_somebody_edits_is_published_again,
    a_bundle_is_never_published_empty,
    a_new_ca_waits_for_a_pod_that_may_not_have_it,
    a_pod_without_tls_is_not_waited_for,
    nothing_is_written_into_what_has_changed_since,
    nothing_is_written_over_what_was_made_since,
    nothing_is_written_into_what_has_gone_since,
    each_file_is_written_once_and_by_itself,
    a_missing_right_is_told_with_what_gives_it,
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
        "files of a pod stay",
        rewritten(certificate_steps, "_drops", "*(pod.tls for pod in observed.pods.values())", ""),
        (files_of_a_pod_or_of_one_that_may_be_made_stay, files_stay_as_long_as_any_pod_needs_them),
    ),
    Seed(
        "files of the template stay",
        rewritten(certificate_steps, "_drops", "template, *", "*"),
        (files_of_a_pod_or_of_one_that_may_be_made_stay,),
    ),
    Seed(
        "files that the spec asks for stay",
        rewritten(certificate_steps, "_drops", "(cluster.tls, ", "("),
        (each_file_is_written_once_and_by_itself,),
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
        "the published bundle is compared",
        rewritten(certificate_steps, "_publication", "bundle and bundle != sources.published", "not sources.published"),
        (a_bundle_that_somebody_edits_is_published_again,),
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
    Seed(
        "a Secret is patched as it was read",
        request_without("patch", "resource_version"),
        (nothing_is_written_into_what_has_changed_since,),
    ),
    Seed(
        "a Secret that has gone is none",
        rewritten(writing, "CertificateWriter._write", "written is None", "False"),
        (nothing_is_written_into_what_has_gone_since,),
    ),
    Seed(
        "bundle and request are applied to what was read",
        replaced(writing, "_conditional", lambda manifest, _: manifest),
        (nothing_is_written_into_what_has_changed_since, nothing_is_written_over_what_was_made_since),
    ),
    Seed(
        "a new Secret says when its file was written",
        rewritten(writing, "CertificateWriter._write", '"annotations": notes', '"annotations": {}'),
        (each_file_is_written_once_and_by_itself,),
    ),
    Seed(
        "a missing right is told with what gives it",
        rewritten(writing, "CertificateWriter.apply", "except ForbiddenError", "except ZeroDivisionError"),
        (a_missing_right_is_told_with_what_gives_it,),
    ),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
