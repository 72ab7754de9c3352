"""What the operator's own CA issues: accepted by strict clients, of its own name in each generation."""

import re
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.support.models.foreign_pki import DAY, NOW
from tests.support.models.handshakes import handshake
from tests.support.models.seeds import Seed, rewritten
from zkoperator.pki import authority
from zkoperator.pki.authority import RANDOM_BYTES, Authority, Leaf, found_authority, generation_of, renewal_of
from zkoperator.pki.files import leaf_pem

MEMBERS = "*.main-zk-members.demo.svc.cluster.local"
MEMBER = "main-zk-0.main-zk-members.demo.svc.cluster.local"


def generation(number: int = 1, mark: str = "1a2b3c4d", byte: int = 1) -> Authority:
    return found_authority("demo/main", mark, number, bytes([byte]) * RANDOM_BYTES, NOW)


def leaf_of(issuer: Authority, life: timedelta = 90 * DAY, common_name: str = "", byte: int = 9) -> Leaf:
    return authority.issue(issuer, common_name, [MEMBERS, "main-zk.demo.svc"], bytes([byte]) * RANDOM_BYTES, NOW, life)


async def test_what_is_issued_passes_the_strictest_check_of_openssl_in_both_roles() -> None:
    ours = generation()
    for leaf in (leaf_of(ours), leaf_of(ours, common_name="zkoperator")):
        assert handshake(leaf, ours.certificate, name=MEMBER) == ""
        assert handshake(leaf, ours.certificate, name="main-zk.demo.svc") == ""


async def test_what_is_issued_stands_for_no_other_name() -> None:
    ours = generation()
    refusal = handshake(leaf_of(ours), ours.certificate, name="elsewhere.demo.svc")
    assert re.search("[Hh]ostname mismatch", refusal), refusal


async def test_another_generation_is_another_ca() -> None:
    first, second = generation(1, byte=1), generation(2, byte=2)
    assert first.certificate.subject != second.certificate.subject
    refusal = handshake(leaf_of(first), second.certificate, name=MEMBER)
    assert re.search("unable to get local issuer|self-signed|unable to verify", refusal), refusal


async def test_a_leaf_ends_no_later_than_its_ca() -> None:
    ours = generation()
    assert leaf_of(ours, life=9999 * DAY).certificate.not_valid_after_utc == ours.certificate.not_valid_after_utc


async def test_an_operator_has_a_subject_and_may_not_serve() -> None:
    ours = generation()
    leaf = authority.issue(ours, "zkoperator", [MEMBERS], b"7" * RANDOM_BYTES, NOW, 30 * DAY, serves=False)
    assert leaf.certificate.subject.rfc4514_string() == "CN=zkoperator"
    refusal = handshake(leaf, ours.certificate, name=MEMBER)
    assert re.search("unsuitable certificate purpose", refusal), refusal


SEEDS = [
    Seed(
        "key identifiers",
        rewritten(authority, "issue", "builder = builder.add_extension(signed_by, critical=False)", "del signed_by"),
        (test_what_is_issued_passes_the_strictest_check_of_openssl_in_both_roles,),
    ),
    Seed(
        "both usages",
        rewritten(authority, "issue", "[*servers, ExtendedKeyUsageOID.CLIENT_AUTH]", "servers"),
        (test_what_is_issued_passes_the_strictest_check_of_openssl_in_both_roles,),
    ),
    Seed(
        "the role of the server alone",
        rewritten(authority, "issue", "if serves else []", ""),
        (test_an_operator_has_a_subject_and_may_not_serve,),
    ),
    Seed(
        "a name for each generation",
        rewritten(authority, "authority_name", " g{number}", " g"),
        (test_another_generation_is_another_ca,),
    ),
    Seed(
        "the end of the CA",
        rewritten(authority, "issue", "min(now + life, authority.certificate.not_valid_after_utc)", "now + life"),
        (test_a_leaf_ends_no_later_than_its_ca,),
    ),
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)


def test_equal_arguments_make_equal_certificates() -> None:
    assert leaf_pem(leaf_of(generation())) == leaf_pem(leaf_of(generation()))
    assert leaf_of(generation()).certificate != leaf_of(generation(), byte=8).certificate


def test_a_leaf_is_renewed_after_two_thirds_of_its_life() -> None:
    certificate = leaf_of(generation()).certificate
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert renewal_of(certificate) - begin == 2 * (end - renewal_of(certificate))


def test_clocks_may_differ_by_an_hour() -> None:
    assert leaf_of(generation()).certificate.not_valid_before_utc == NOW - timedelta(hours=1)


@given(
    st.text("abcdefghij-", min_size=1, max_size=63), st.text("klmno-", min_size=1, max_size=49), st.integers(1, 9999)
)
def test_the_name_of_a_generation_is_short_enough_and_gives_its_number_back(space: str, name: str, number: int) -> None:
    text = authority.authority_name(f"{space}/{name}", "1a2b3c4d", number)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    assert len(text) <= 64 and generation_of(subject, "1a2b3c4d") == number


@pytest.mark.parametrize("text", ["company", "demo/main 1a2b3c4d", "demo/main ffffffff g2", "demo/main 1a2b3c4d gx"])
def test_a_ca_of_others_is_no_generation(text: str) -> None:
    assert generation_of(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]), "1a2b3c4d") is None
    assert generation_of(x509.Name([]), "1a2b3c4d") is None


def test_no_key_shows_in_a_text_about_a_ca_or_a_leaf() -> None:
    ours = generation()
    assert "key=" not in repr(ours) and "key=" not in repr(leaf_of(ours))
