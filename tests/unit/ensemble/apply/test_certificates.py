"""Certificates are written into what was read, and into nothing else; each guard with the bug that takes it out."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.support.fakes.kube import FakeKube, Operation
from tests.support.models.ensemble_simulation import raw_cluster, valid
from tests.support.models.seeds import Seed, replaced, request_without, rewritten
from tests.support.worlds.certified import (
    ALL_FILES,
    BOTH,
    COMPANY,
    ISSUER,
    TLS_SECRETS,
    stay,
    world_with,
)
from zkoperator.api.tls import IssuerRef
from zkoperator.ensemble.apply import certificates as writing
from zkoperator.ensemble.build.certificates import certificate_request
from zkoperator.ensemble.model.certificate_sources import Version
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
from zkoperator.errors import ConflictError, ForbiddenError
from zkoperator.kube.port import CERTIFICATES, CONFIG_MAPS, SECRETS, Manifest, Resource
from zkoperator.pki.files import File
from zkoperator.pki.rotation import WriteBundle

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
        "files that the spec asks for stay",
        rewritten(certificate_steps, "_drops", "(cluster.tls, ", "("),
        (each_file_is_written_once_and_by_itself,),
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
