"""What people and cert-manager deliver is checked before a member sees it, and each refusal says what to do."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.foreign_pki import (
    CLIENT,
    DAY,
    NOW,
    SERVER,
    Signed,
    authority,
    new_key,
    pem,
    pkcs8,
    secret_of,
    traditional,
)
from tests.support.models.seeds import Seed, replaced, rewritten
from zkoperator.pki import delivered, flaws
from zkoperator.pki.delivered import Delivered
from zkoperator.pki.flaws import Flaw, Purpose

HOST = "main-zk-0.main-zk-members.demo.svc.cluster.local"
NAMES = ("*.main-zk-members.demo.svc.cluster.local", "main-zk.demo.svc.cluster.local")
HOSTS = (HOST, "main-zk.demo.svc.cluster.local")
PURPOSE = Purpose("demo", "zk-tls", HOSTS, True, NOW)

ROOT = authority()
MIDDLE = ROOT.signs(subject="branch", usages=(), ca=True, end=NOW + 900 * DAY)
LEAF = ROOT.signs(NAMES)
UNDER = MIDDLE.signs(NAMES)


def check(data: dict[str, bytes], purpose: Purpose = PURPOSE) -> Delivered:
    """What is delivered, where nothing is wrong with it."""
    found = delivered.check_leaf(data, purpose)
    assert isinstance(found, Delivered), "\n".join(map(str, found))
    return found


def refused(data: dict[str, bytes], key: str, *said: str, purpose: Purpose = PURPOSE) -> None:
    """Each of the texts is in a flaw of this key, and every flaw names the Secret and a cure."""
    found = delivered.check_leaf(data, purpose)
    assert not isinstance(found, Delivered), "nothing is found wrong with it"
    texts = [str(flaw) for flaw in found if flaw.key == key]
    assert all(any(each in text for text in texts) for each in said), [str(flaw) for flaw in found]
    assert all(str(flaw).startswith("Secret zk-tls, ") and flaw.cure for flaw in found)


def openssl(folder: Path, *command: str) -> None:
    subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)


def only(data: dict[str, bytes], key: str, said: str, purpose: Purpose = PURPOSE) -> None:
    """This is all that is found."""
    found = delivered.check_leaf(data, purpose)
    assert not isinstance(found, Delivered), "nothing is found wrong with it"
    assert [(flaw.key, said in flaw.problem) for flaw in found] == [(key, True)], [str(flaw) for flaw in found]


async def test_a_good_secret_is_taken_and_serves() -> None:
    found = check(secret_of(LEAF, ROOT))
    assert found.authorities == (ROOT.certificate,)
    assert found.leaf.certificate == LEAF.certificate and found.leaf.intermediates == ()


async def test_the_intermediates_are_put_in_their_order_and_the_ca_is_left_out() -> None:
    data = secret_of(UNDER, MIDDLE, ROOT)
    shuffled = {**data, "tls.crt": pem(ROOT.certificate, MIDDLE.certificate, UNDER.certificate)}
    for each in (data, shuffled):
        found = check(each)
        assert found.leaf.certificate == UNDER.certificate
        assert found.leaf.intermediates == (MIDDLE.certificate,)


async def test_an_intermediate_in_ca_crt_ends_the_chain() -> None:
    found = check(secret_of(UNDER, MIDDLE))
    assert found.leaf.intermediates == () and found.authorities == (MIDDLE.certificate,)


async def test_the_keys_of_cert_manager_are_converted() -> None:
    for kind in ("ec", "rsa"):
        leaf = ROOT.signs(NAMES, kind=kind)
        found = check(secret_of(leaf, ROOT, key=traditional(leaf.key)))
        assert type(found.leaf.key) is type(leaf.key)


async def test_the_names_of_all_members_one_by_one_serve_as_well_as_a_wildcard() -> None:
    check(secret_of(ROOT.signs(HOSTS), ROOT))


async def test_a_certificate_without_usages_is_good_for_both() -> None:
    check(secret_of(ROOT.signs(NAMES, usages=()), ROOT))


async def test_a_ca_that_was_renewed_with_its_key_is_one_and_the_one_that_lives_longer() -> None:
    newer = authority(key=ROOT.key, begin=NOW - DAY, end=NOW + 5000 * DAY)
    for roots in ([ROOT, newer], [newer, ROOT]):
        assert check(secret_of(LEAF, ROOT, roots=roots)).authorities == (newer.certificate,)


async def test_whatever_is_missing_is_named_at_once() -> None:
    refused({}, "tls.crt", "it is missing or empty", "kubectl -n demo patch secret zk-tls")
    refused({}, "tls.key", "it is missing or empty")
    refused({}, "ca.crt", "it is missing or empty")
    only({**secret_of(LEAF, ROOT), "ca.crt": b""}, "ca.crt", "it is missing or empty")


async def test_nonsense_is_named_by_its_key_and_never_repeated() -> None:
    good = secret_of(LEAF, ROOT)
    torn = b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    only({**good, "tls.crt": b"hunter2"}, "tls.crt", "there is no certificate in PEM in it")
    only({**good, "ca.crt": good["ca.crt"] + torn}, "ca.crt", "certificate 2 of 2 cannot be read")
    only({**good, "tls.key": b"hunter2"}, "tls.key", "no private key in PEM can be read")
    assert "hunter2" not in str(delivered.check_leaf({**good, "tls.key": b"hunter2"}, PURPOSE))


async def test_a_key_of_another_certificate_is_refused() -> None:
    only(secret_of(LEAF, ROOT, key=pkcs8(new_key())), "tls.key", "it fits no certificate in tls.crt")


async def test_a_key_that_java_or_clients_refuse_is_refused() -> None:
    for kind in ("ed25519", "k1", "rsa1024"):
        leaf = ROOT.signs(NAMES, kind=kind)
        refused(secret_of(leaf, ROOT), "tls.key", "refuse a key of this kind")
        refused(secret_of(leaf, ROOT), "tls.crt", "it has a key of a kind that ZooKeeper or its clients refuse")


async def test_a_chain_that_does_not_reach_the_ca_is_refused() -> None:
    only(secret_of(UNDER, ROOT), "ca.crt", "ends at a certificate of CN=branch")
    only(secret_of(LEAF, authority("another")), "ca.crt", "ends at a certificate of CN=company")
    forged = authority("company")
    only(secret_of(LEAF, forged), "ca.crt", "ends at a certificate of CN=company")


async def test_a_certificate_for_others_is_refused_with_the_names_it_lacks() -> None:
    text = "it does not cover main-zk.demo.svc.cluster.local"
    only(secret_of(ROOT.signs(NAMES[:1]), ROOT), "tls.crt", text)
    only(secret_of(ROOT.signs((), subject=HOST), ROOT), "tls.crt", f"it does not cover {HOST}")


async def test_a_wildcard_stands_for_one_label() -> None:
    only(secret_of(ROOT.signs(("*.demo.svc.cluster.local",)), ROOT), "tls.crt", f"it does not cover {HOST}")


async def test_a_certificate_for_the_other_role_is_refused() -> None:
    only(secret_of(ROOT.signs(NAMES, usages=(CLIENT,)), ROOT), "tls.crt", "lacks server auth")
    serving = secret_of(ROOT.signs(NAMES, usages=(SERVER,)), ROOT)
    only(serving, "tls.crt", "lacks client auth")
    check(serving, Purpose("demo", "zk-tls", HOSTS, False, NOW))


async def test_what_is_not_valid_now_is_refused_with_its_time() -> None:
    only(secret_of(ROOT.signs(NAMES, end=NOW), ROOT), "tls.crt", f"it has expired at {NOW:%Y-%m-%dT%H:%M:%SZ}")
    only(secret_of(ROOT.signs(NAMES, begin=NOW + DAY), ROOT), "tls.crt", "it is not valid before")
    old = authority("old", end=NOW - DAY, begin=NOW - 9 * DAY)
    only(secret_of(old.signs(NAMES), old), "ca.crt", "CN=old has expired")
    middle = ROOT.signs(subject="branch", usages=(), ca=True, end=NOW)
    only(secret_of(middle.signs(NAMES), middle, ROOT), "tls.crt", "CN=branch has expired")


async def test_two_cas_of_one_name_are_refused() -> None:
    data = secret_of(LEAF, ROOT, roots=[ROOT, authority()])
    only(data, "ca.crt", "several CAs have the name CN=company, of which ZooKeeper would trust only the last")


async def test_a_certificate_that_signs_without_being_a_ca_is_refused() -> None:
    middle = ROOT.signs(subject="branch", usages=())
    only(secret_of(middle.signs(NAMES), middle, ROOT), "tls.crt", "CN=branch signs others and is no CA")
    alone = authority("alone", ca=False)
    refused(secret_of(alone.signs(NAMES), alone), "ca.crt", "CN=alone is no CA")


async def test_a_ca_is_no_certificate_of_a_member() -> None:
    only(secret_of(ROOT.signs(NAMES, ca=True), ROOT), "tls.crt", "it is a CA")


async def test_a_weak_signature_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "ca.pem").write_bytes(pem(ROOT.certificate) + pkcs8(ROOT.key))
        request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        (here / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in NAMES))
        openssl(here, *request, "-keyout", "key.pem", "-subj", "/CN=member", "-out", "request.pem")
        signing = ["x509", "-req", "-sha1", "-CA", "ca.pem", "-CAkey", "ca.pem", "-extfile", "names"]
        openssl(here, *signing, "-in", "request.pem", "-out", "leaf.pem", "-days", "9")
        files = {"tls.crt": "leaf.pem", "tls.key": "key.pem", "ca.crt": "ca.pem"}
        data = {key: (here / file).read_bytes() for key, file in files.items()}
    refused(data, "tls.crt", "it is signed with SHA-1 or MD5, which clients refuse")


async def test_all_flaws_are_told_together() -> None:
    leaf = ROOT.signs(("elsewhere",), usages=(CLIENT,), end=NOW - DAY, begin=NOW - 9 * DAY)
    data = secret_of(leaf, authority("another", end=NOW, begin=NOW - DAY), key=pkcs8(new_key()))
    found = delivered.check_leaf(data, PURPOSE)
    assert isinstance(found, tuple)
    assert sorted(flaw.key for flaw in found) == ["ca.crt", "ca.crt", "tls.crt", "tls.crt", "tls.crt", "tls.key"]


def test_the_cas_of_clients_are_checked_alike() -> None:
    assert delivered.check_authorities({"ca.crt": pem(ROOT.certificate)}, PURPOSE) == (ROOT.certificate,)
    wrong: dict[str, tuple[Signed, ...]] = {
        "is no CA": (LEAF,),
        "several CAs have the name": (ROOT, authority()),
        "has expired": (authority("old", end=NOW, begin=NOW - DAY),),
    }
    for said, cas in wrong.items():
        (flaw,) = delivered.check_authorities({"ca.crt": pem(*(each.certificate for each in cas))}, PURPOSE)
        assert isinstance(flaw, Flaw) and said in flaw.problem and flaw.secret == "zk-tls"
    (flaw,) = delivered.check_authorities({}, PURPOSE)
    assert isinstance(flaw, Flaw) and "missing" in flaw.problem


def nothing(*_: Any) -> tuple[()]:
    return ()


SEEDS = [
    Seed(
        "names",
        replaced(flaws, "uncovered", nothing),
        (test_a_certificate_for_others_is_refused_with_the_names_it_lacks,),
    ),
    Seed(
        "one label",
        rewritten(flaws, "uncovered", "host.partition('.')[2]", "'.'.join(host.split('.')[2:])"),
        (test_a_wildcard_stands_for_one_label,),
    ),
    Seed("times", replaced(flaws, "_time_flaws", nothing), (test_what_is_not_valid_now_is_refused_with_its_time,)),
    Seed(
        "strength",
        replaced(flaws, "_strength_flaws", nothing),
        (test_a_key_that_java_or_clients_refuse_is_refused, test_a_weak_signature_is_refused),
    ),
    Seed(
        "usages",
        replaced(flaws, "_usage_flaws", nothing),
        (test_a_certificate_for_the_other_role_is_refused, test_a_ca_is_no_certificate_of_a_member),
    ),
    Seed("clashes", replaced(flaws, "clashing_names", nothing), (test_two_cas_of_one_name_are_refused,)),
    Seed(
        "the key fits",
        rewritten(delivered, "check_leaf", "public_bytes(leaf) != public_half(key)", "False"),
        (test_a_key_of_another_certificate_is_refused,),
    ),
    Seed(
        "the chain",
        rewritten(delivered, "check_leaf", "chain[-1] not in roots", "False"),
        (test_a_chain_that_does_not_reach_the_ca_is_refused,),
    ),
    Seed(
        "signatures of the chain",
        rewritten(delivered, "_chain", "is_issued_by(chain[-1], each)", "chain[-1].issuer == each.subject"),
        (test_a_chain_that_does_not_reach_the_ca_is_refused,),
    ),
    Seed(
        "the order",
        rewritten(delivered, "_leaf_among", "public_bytes(each) == public_half(key)", "each is found[0]"),
        (test_the_intermediates_are_put_in_their_order_and_the_ca_is_left_out,),
    ),
    Seed(
        "intermediates are no CA",
        replaced(delivered, "chain_flaws", nothing),
        (test_a_certificate_that_signs_without_being_a_ca_is_refused,),
    ),
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
