"""The whole reconciler with TLS: what it makes, takes over, refuses and renews, and what nobody ever gets to read."""

import base64
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.models.ensemble_simulation import NAMES
from tests.support.models.foreign_pki import DAY, NOW, authority, pem, pkcs8, secret_of
from tests.support.models.handshakes import handshake
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
    restart_at,
    secret,
    status,
    stay,
    world_with,
)
from tests.support.worlds.ensemble import ensemble_world
from zkoperator.kube.port import CERTIFICATES, EVENTS, SECRETS, Manifest, NoSuchKindError
from zkoperator.pki.certificates import read_certificates, time_text
from zkoperator.pki.files import File

PRIVATE = re.compile(r"PRIVATE KEY|[A-Za-z0-9+/]{40,}")


async def test_a_cluster_with_tls_gets_everything_from_its_own_ca() -> None:
    world = world_with(BOTH)
    await world.rest()
    files = held(world)
    assert set(files.leaves) == {File.CLIENT, File.QUORUM}
    (ca,) = files.bundles[File.QUORUM_CA]
    assert ca.subject.rfc4514_string().startswith("CN=demo/main ") and ca.subject.rfc4514_string().endswith(" g1")
    assert read_certificates(published(world).encode()) == (ca,)
    assert handshake(files.leaves[File.CLIENT], ca, name="main-zk.demo.svc") == ""
    assert handshake(files.leaves[File.QUORUM], ca, name=NAMES.host(2)) == ""
    assert status(world)["tls"]["client"]["issuer"] == ca.subject.rfc4514_string()


async def test_the_keys_of_the_ca_are_in_a_secret_of_their_own() -> None:
    world = world_with(BOTH)
    await world.rest()
    assert set(secret(world, "main-zk-ca")["data"]) == {"g1.crt", "g1.key", "operator.pem"}
    assert set(secret(world, "main-zk-tls")["data"]) == {
        "client.pem",
        "client-ca.pem",
        "quorum.pem",
        "quorum-ca.pem",
        "ca.crt",
    }


async def test_a_cluster_without_tls_reads_and_makes_no_certificates() -> None:
    world = ensemble_world(1)
    await world.rest()
    assert {each["metadata"]["name"] for each in world.api.every(SECRETS)} == {"main-zk-admin", "main-zk-binding"}


async def test_a_restart_of_the_operator_changes_no_certificate() -> None:
    world = world_with(BOTH)
    await world.rest()
    before = {each["metadata"]["name"]: each for each in world.api.every(SECRETS)}
    for _ in range(3):
        world.start_operator()
        await world.rest()
    assert {each["metadata"]["name"]: each for each in world.api.every(SECRETS)} == before


async def test_a_certificate_is_renewed_in_time_and_restarts_nobody() -> None:
    world = world_with(BOTH)
    await world.rest()
    before, restarts = held(world), list(world.restarts)
    await restart_at(world, NOW + 50 * DAY)
    assert held(world).leaves == before.leaves
    await restart_at(world, NOW + 61 * DAY)
    after = held(world)
    assert after.leaves[File.CLIENT] != before.leaves[File.CLIENT]
    assert after.leaves[File.QUORUM] != before.leaves[File.QUORUM]
    assert after.bundles == before.bundles and world.restarts == restarts


async def test_after_a_year_away_one_look_heals_everything() -> None:
    world = world_with(BOTH)
    await world.rest()
    await restart_at(world, NOW + 366 * DAY)
    for leaf in held(world).leaves.values():
        assert leaf.certificate.not_valid_after_utc > NOW + 440 * DAY
    assert degraded(world)["status"] == "False"


async def test_the_duration_and_further_names_of_the_spec_are_in_the_certificate() -> None:
    source = {"selfSigned": {"duration": "48h"}}
    client = {"certificate": source, "plaintext": "Allowed", "additionalNames": ["zk.example.com"]}
    world = world_with({"client": client})
    await world.rest()
    leaf = held(world).leaves[File.CLIENT]
    (ca,) = held(world).bundles[File.PUBLISHED]
    assert handshake(leaf, ca, name="zk.example.com") == ""
    assert leaf.certificate.not_valid_after_utc - leaf.certificate.not_valid_before_utc == timedelta(hours=49)


async def test_a_secret_of_people_is_taken_over_with_its_key_converted() -> None:
    world = world_with(OWN)
    deliver(world, "company-tls", own_secret())
    await world.rest()
    files = held(world)
    assert files.leaves[File.CLIENT].certificate.issuer.rfc4514_string() == "CN=company"
    assert COMPANY.certificate in files.bundles[File.CLIENT_CA] and len(files.bundles[File.CLIENT_CA]) == 2
    assert files.bundles[File.PUBLISHED] == (COMPANY.certificate,)
    pem_file = base64.b64decode(secret(world, "main-zk-tls")["data"]["client.pem"])
    assert pem_file.startswith(b"-----BEGIN PRIVATE KEY-----")


async def test_a_missing_secret_is_named_with_the_command_and_no_member_starts() -> None:
    world = world_with(OWN)
    await stay(world)
    found = degraded(world)
    assert found["reason"] == "CertificateInvalid"
    assert "Secret company-tls does not exist; make it: kubectl -n demo create secret generic" in found["message"]
    assert world.pods == {}
    deliver(world, "company-tls", own_secret())
    world.clock.seconds += 20
    await world.rest()
    assert len(world.pods) == 1 and degraded(world)["status"] == "False"


async def test_a_refused_secret_keeps_the_old_certificate_in_use_and_says_so() -> None:
    world = world_with(OWN)
    deliver(world, "company-tls", own_secret())
    await world.rest()
    before = secret(world, "main-zk-tls")["data"]
    deliver(world, "company-tls", {**own_secret(), "tls.key": pkcs8(authority().key)})
    world.clock.seconds += 61
    await world.rest()
    assert secret(world, "main-zk-tls")["data"] == before
    found = degraded(world)
    assert (found["status"], found["reason"]) == ("True", "CertificateInvalid")
    assert "Secret company-tls, tls.key: it fits no certificate in tls.crt" in found["message"]


async def test_a_certificate_that_nobody_renews_is_told_before_it_ends() -> None:
    world = world_with(OWN)
    deliver(world, "company-tls", own_secret(end=NOW + 90 * DAY))
    await world.rest()
    await restart_at(world, NOW + 60 * DAY)
    assert degraded(world)["status"] == "False"
    await restart_at(world, NOW + 80 * DAY)
    found = degraded(world)
    assert (
        found["reason"] == "CertificateExpiring" and "the client certificate of CN=company ends at" in found["message"]
    )
    await restart_at(world, NOW + 91 * DAY)
    found = degraded(world)
    assert found["reason"] == "CertificateInvalid" and "it has expired at" in found["message"]


async def test_the_cas_of_clients_come_from_a_secret_of_their_own() -> None:
    apps = authority("apps")
    client = {**SELF_SIGNED, "authentication": "Required", "trustedCASecretName": "apps-ca"}
    world = world_with({"client": client})
    deliver(world, "apps-ca", {"ca.crt": pem(apps.certificate)})
    await world.rest()
    found = {each.subject.rfc4514_string() for each in held(world).bundles[File.CLIENT_CA]}
    assert "CN=apps" in found and len(found) == 2
    assert apps.certificate not in held(world).bundles[File.PUBLISHED]
    operator = base64.b64decode(secret(world, "main-zk-ca")["data"]["operator.pem"])
    (shown, *_) = read_certificates(operator)
    assert shown.subject.rfc4514_string() == "CN=zkoperator"


async def test_an_object_of_others_with_a_name_of_ours_is_left_alone() -> None:
    world = world_with({"client": SELF_SIGNED})
    deliver(world, "main-zk-tls", {"theirs": b"1"})
    await stay(world)
    assert set(secret(world, "main-zk-tls")["data"]) == {"theirs"}
    assert "main-zk-tls was not made by this operator" in degraded(world)["message"]


async def test_cert_manager_is_asked_and_its_secret_taken() -> None:
    world = world_with(ISSUER)
    world.today, world.api.now = NOW, time_text(NOW)
    await stay(world)
    request = world.api.peek(CERTIFICATES, "demo", "main-zk-client")
    assert request is not None
    assert request["spec"]["issuerRef"] == {"name": "company", "kind": "ClusterIssuer", "group": "cert-manager.io"}
    assert "zk.example.com" in request["spec"]["dnsNames"] and request["spec"]["privateKey"]["encoding"] == "PKCS8"
    assert "not ready" not in degraded(world)["message"], "cert-manager is given the time that it takes"
    signed = COMPANY.signs(request["spec"]["dnsNames"])
    deliver(world, request["spec"]["secretName"], secret_of(signed, COMPANY))
    world.clock.seconds += 61
    await world.rest()
    assert held(world).leaves[File.CLIENT].certificate == signed.certificate


async def test_a_request_that_is_not_answered_is_told_with_the_words_of_cert_manager() -> None:
    world = world_with(ISSUER)
    await stay(world)
    live = world.api.peek(CERTIFICATES, "demo", "main-zk-client")
    assert live is not None
    conditions = [{"type": "Ready", "status": "False", "message": "issuer company not found"}]
    world.api.remove(CERTIFICATES, "demo", "main-zk-client")
    world.api.put(CERTIFICATES, {**live, "status": {"conditions": conditions}})
    world.today = NOW + timedelta(hours=1)
    world.start_operator()
    await stay(world)
    assert "Certificate main-zk-client is not ready: issuer company not found" in degraded(world)["message"]


async def test_without_cert_manager_the_message_says_what_to_install() -> None:
    world = world_with(ISSUER)
    get = world.api.get

    async def no_such_kind(resource: Any, namespace: str, name: str) -> Manifest | None:
        if resource is CERTIFICATES:
            raise NoSuchKindError("the server has no certificates")
        return await get(resource, namespace, name)

    world.api.get = no_such_kind  # type: ignore[method-assign]
    await stay(world)
    assert "spec.tls.client names an issuerRef, and Kubernetes has no kind Certificate" in degraded(world)["message"]


async def test_turning_tls_off_leaves_no_key_with_the_members() -> None:
    world = world_with(BOTH)
    await world.rest()
    world.ask_for(tls=None)
    await world.rest()
    assert not secret(world, "main-zk-tls").get("data")


async def test_no_key_is_in_logs_events_or_status(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world = world_with({"client": {**OWN["client"]}, "quorum": {}})
    deliver(world, "company-tls", own_secret())
    await world.rest()
    deliver(world, "company-tls", {**own_secret(), "tls.crt": own_secret()["tls.key"]})
    await restart_at(world, NOW + 61 * DAY)
    secrets = [text for each in world.api.every(SECRETS) for text in each["data"].values()]
    said = f"{caplog.text} {status(world)} {world.api.every(EVENTS)}"
    assert "CertificateInvalid" in said and not PRIVATE.search(said)
    assert not any(text[:40] in said for text in secrets if len(text) > 40)
