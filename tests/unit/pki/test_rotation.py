"""Certificates are replaced so that nobody ever meets one that it cannot verify."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.models.certificate_world import World
from tests.support.models.foreign_pki import DAY, NOW, Signed, authority, secret_of
from tests.support.models.seeds import Seed, replaced, rewritten
from zkoperator.pki import delivered, rotation
from zkoperator.pki.authority import AUTHORITY_LIFE, RANDOM_BYTES, Leaf, found_authority
from zkoperator.pki.delivered import Delivered
from zkoperator.pki.files import File
from zkoperator.pki.flaws import Purpose
from zkoperator.pki.rotation import LINGER, SPREAD

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HOST = "main-zk-0.main-zk-members.demo.svc"


def at_rest(**shape: Any) -> World:
    world = World(**shape)
    world.settle()
    world.pass_time(10 * MINUTE)
    return world


def leaf(world: World, file: File) -> Leaf:
    found = world.files[file]
    assert isinstance(found, Leaf)
    return found


def issuer(world: World, file: File) -> str:
    return leaf(world, file).certificate.issuer.rfc4514_string()


def cas(world: World, file: File) -> list[str]:
    found = world.files[file]
    assert isinstance(found, tuple)
    return [each.subject.rfc4514_string() for each in found]


def deliver(world: World, ca: Signed, *, files: tuple[File, ...] = (File.CLIENT, File.QUORUM), days: int = 90) -> None:
    """Somebody writes a certificate of this CA into the Secret of these ports."""
    signed = ca.signs(("*.main-zk-members.demo.svc",), begin=world.now - DAY, end=world.now + days * DAY)
    found = delivered.check_leaf(secret_of(signed, ca), Purpose("demo", "s", (HOST,), True, world.now))
    assert isinstance(found, Delivered), found
    world.delivered.update(dict.fromkeys(files, found))


async def test_all_files_are_made_bundles_first_and_then_nothing_changes() -> None:
    world = at_rest()
    assert [file for _, file in world.changes] == [
        File.CLIENT_CA,
        File.QUORUM_CA,
        File.PUBLISHED,
        File.CLIENT,
        File.QUORUM,
        File.OPERATOR,
    ]
    world.pass_time(DAY, step=6 * HOUR)
    assert len(world.changes) == 6


async def test_a_leaf_is_renewed_at_two_thirds_of_its_life_and_no_ca_changes() -> None:
    world = at_rest()
    world.pass_time(59 * DAY, step=5 * DAY)
    assert len(world.changes) == 6
    world.pass_time(2 * DAY, step=6 * HOUR)
    assert [file for _, file in world.changes[6:]] == [File.CLIENT, File.QUORUM, File.OPERATOR]


async def test_a_new_generation_is_trusted_long_before_the_old_one_ends_and_issues_later() -> None:
    world = at_rest(life=360 * DAY)
    world.pass_time(AUTHORITY_LIFE - 366 * DAY, step=30 * DAY)
    assert cas(world, File.QUORUM_CA) == ["CN=demo/main 1a2b3c4d g1"]
    world.pass_time(2 * DAY, step=DAY)
    assert cas(world, File.QUORUM_CA) == ["CN=demo/main 1a2b3c4d g1", "CN=demo/main 1a2b3c4d g2"]
    assert issuer(world, File.QUORUM) == issuer(world, File.CLIENT) == "CN=demo/main 1a2b3c4d g1"
    world.pass_time(360 * DAY, step=10 * DAY)
    assert issuer(world, File.QUORUM) == issuer(world, File.CLIENT) == "CN=demo/main 1a2b3c4d g2"
    world.pass_time(20 * DAY, step=10 * DAY)
    assert cas(world, File.QUORUM_CA) == ["CN=demo/main 1a2b3c4d g2"]


async def test_clients_have_a_month_to_read_a_new_generation_while_the_old_one_can_issue() -> None:
    old = found_authority("demo/main", "1a2b3c4d", 1, b"1" * RANDOM_BYTES, NOW)
    new = found_authority("demo/main", "1a2b3c4d", 2, b"2" * RANDOM_BYTES, NOW + 1500 * DAY)
    both = rotation.Issuance((old, new), frozenset(), 90 * DAY)
    assert rotation.signer_of(both, NOW + 1520 * DAY) == old
    assert rotation.signer_of(both, NOW + 1531 * DAY) == new
    keyless = rotation.Issuance((replace(old, key=None), new), frozenset(), 90 * DAY)
    assert rotation.signer_of(keyless, NOW + 1501 * DAY) == new
    longer = rotation.Issuance((old, new), frozenset(), 330 * DAY)
    assert rotation.signer_of(longer, NOW + 1501 * DAY) == new, "the old one ends before such a certificate"


async def test_a_ca_that_somebody_deletes_is_followed_by_one_of_another_name() -> None:
    world = at_rest()
    world.authorities = ()
    world.settle()
    assert issuer(world, File.QUORUM) == "CN=demo/main 1a2b3c4d g1"
    world.pass_time(SPREAD + MINUTE)
    assert issuer(world, File.QUORUM) == issuer(world, File.CLIENT) == "CN=demo/main 1a2b3c4d g2"
    world.pass_time(LINGER, step=10 * MINUTE)
    assert "CN=demo/main 1a2b3c4d g1" in cas(world, File.QUORUM_CA)
    world.pass_time(2 * SPREAD)
    assert cas(world, File.QUORUM_CA) == cas(world, File.PUBLISHED) == ["CN=demo/main 1a2b3c4d g2"]


async def test_a_change_of_the_source_and_back_takes_the_same_way() -> None:
    world, company = at_rest(), authority(begin=NOW - 9 * DAY)
    deliver(world, company)
    world.pass_time(SPREAD + 2 * MINUTE)
    assert issuer(world, File.QUORUM) == issuer(world, File.CLIENT) == "CN=company"
    world.delivered.clear()
    world.pass_time(SPREAD + 2 * MINUTE)
    assert issuer(world, File.QUORUM) == issuer(world, File.CLIENT) == "CN=demo/main 1a2b3c4d g1"


async def test_ca_and_certificate_that_change_in_one_secret_are_taken_one_after_the_other() -> None:
    world = at_rest()
    deliver(world, authority("first"))
    world.pass_time(2 * HOUR, step=10 * MINUTE)
    deliver(world, authority("second"))
    world.settle()
    assert cas(world, File.QUORUM_CA) == ["CN=first", "CN=second"] and issuer(world, File.QUORUM) == "CN=first"
    assert any("quorum.pem waits until its CA is everywhere" in text for text in world.last.waiting)
    world.pass_time(2 * HOUR, step=10 * MINUTE)
    assert cas(world, File.QUORUM_CA) == ["CN=second"] and issuer(world, File.QUORUM) == "CN=second"


async def test_a_member_that_hears_nothing_holds_the_new_certificate_back() -> None:
    world = at_rest()
    world.members[1].cut_off = True
    world.authorities = ()
    world.pass_time(3 * HOUR, step=10 * MINUTE)
    assert issuer(world, File.QUORUM) == "CN=demo/main 1a2b3c4d g1"
    assert "quorum.pem waits until its CA is everywhere: main-zk-1" in world.last.waiting
    world.restart(1)
    world.pass_time(2 * HOUR, step=10 * MINUTE)
    assert issuer(world, File.QUORUM) == "CN=demo/main 1a2b3c4d g2"


async def test_a_member_that_hears_nothing_keeps_the_old_ca_in_the_bundle() -> None:
    world = at_rest()
    world.authorities = ()
    world.pass_time(SPREAD + MINUTE)
    world.members[1].cut_off = True
    world.pass_time(5 * HOUR, step=10 * MINUTE)
    assert issuer(world, File.QUORUM) == "CN=demo/main 1a2b3c4d g2"
    assert "CN=demo/main 1a2b3c4d g1" in cas(world, File.QUORUM_CA)


async def test_a_restart_in_the_middle_meets_nobody_who_refuses() -> None:
    for minutes in range(6):
        world = at_rest()
        world.authorities = ()
        world.pass_time(minutes * MINUTE)
        world.restart(0)
        world.pass_time(10 * MINUTE)


async def test_clients_have_the_time_to_read_a_bundle_although_all_members_have_it() -> None:
    world = at_rest()
    world.authorities = ()
    world.pass_time(MINUTE)
    world.now += MINUTE
    for number in range(3):
        world.restart(number)
    world.pass_time(10 * MINUTE)
    assert issuer(world, File.CLIENT) == "CN=demo/main 1a2b3c4d g2"


async def test_a_certificate_that_has_ended_waits_for_nobody() -> None:
    world = at_rest()
    world.members[1].cut_off = True
    world.pass_time(400 * DAY, operated=False, step=40 * DAY)
    world.authorities = ()
    world.settle()
    assert issuer(world, File.QUORUM) == issuer(world, File.CLIENT) == "CN=demo/main 1a2b3c4d g2"


async def test_after_a_year_without_operator_one_pass_heals_everything() -> None:
    world = at_rest()
    world.pass_time(366 * DAY, operated=False, step=40 * DAY)
    world.settle()
    for file in (File.CLIENT, File.QUORUM, File.OPERATOR):
        assert leaf(world, file).certificate.not_valid_after_utc > world.now + 60 * DAY


async def test_after_six_years_without_operator_the_ca_is_new_too() -> None:
    world = at_rest()
    world.pass_time(6 * 365 * DAY, operated=False, step=400 * DAY)
    world.settle()
    assert issuer(world, File.QUORUM) == "CN=demo/main 1a2b3c4d g2"


async def test_a_ca_of_the_same_name_and_another_key_is_not_taken_while_the_old_certificate_lives() -> None:
    world = at_rest()
    deliver(world, authority(), days=20)
    world.pass_time(2 * HOUR, step=10 * MINUTE)
    before = leaf(world, File.QUORUM)
    deliver(world, authority())
    world.pass_time(2 * HOUR, step=10 * MINUTE)
    assert leaf(world, File.QUORUM) == before and len(cas(world, File.QUORUM_CA)) == 1
    assert any("has the name of the old one and another key" in text for text in world.last.problems)
    world.pass_time(20 * DAY, step=6 * HOUR)
    assert leaf(world, File.QUORUM) != before and world.last.problems == ()


async def test_a_refused_secret_changes_nothing() -> None:
    world = at_rest()
    before, situation = dict(world.files), world.situation()
    world.now += 70 * DAY
    ports = tuple(rotation.Port(port.leaf, port.verified_by, None) for port in situation.ports)
    assert rotation.rotate(rotation.Situation(situation.held, ports, None, situation.readers, world.now)).change is None
    assert world.files == before


async def test_the_cas_of_clients_come_and_go_at_once() -> None:
    world, apps = at_rest(), authority("apps").certificate
    situation = world.situation()
    with_apps = rotation.Situation(situation.held, situation.ports, (apps,), situation.readers, situation.now)
    change = rotation.rotate(with_apps).change
    assert isinstance(change, rotation.WriteBundle) and change.file is File.CLIENT_CA
    assert apps in change.authorities and len(change.authorities) == 2
    world.files[File.CLIENT_CA] = change.authorities
    gone = rotation.rotate(world.situation()).change
    assert isinstance(gone, rotation.WriteBundle) and apps not in gone.authorities


async def test_other_names_need_another_certificate() -> None:
    world = at_rest()
    situation = world.situation()
    wider = rotation.Issuance(world.authorities, frozenset({"*.main-zk-members.demo.svc", "zk.example.com"}), 90 * DAY)
    ports = (rotation.Port(File.CLIENT, File.PUBLISHED, wider), *situation.ports[1:])
    change = rotation.rotate(rotation.Situation(situation.held, ports, (), situation.readers, world.now)).change
    assert isinstance(change, rotation.IssueLeaf) and "zk.example.com" in change.names


async def test_a_file_of_unknown_age_is_written_again_before_anything_is_built_on_it() -> None:
    world = at_rest()
    del world.written[File.QUORUM_CA]
    world.settle()
    assert [file for _, file in world.changes[6:]] == [File.QUORUM_CA]


def always(answer: Any) -> Callable[..., Any]:
    return lambda *_: answer


SEEDS = [
    Seed(
        "bundle before leaf",
        replaced(rotation, "_hurdle", always("")),
        (
            test_ca_and_certificate_that_change_in_one_secret_are_taken_one_after_the_other,
            test_a_ca_that_somebody_deletes_is_followed_by_one_of_another_name,
        ),
    ),
    Seed(
        "the time of kubelets",
        rewritten(rotation, "_hurdle", "since is None or situation.now - since < SPREAD", "False"),
        (test_clients_have_the_time_to_read_a_bundle_although_all_members_have_it,),
    ),
    Seed(
        "members that hear nothing",
        replaced(rotation, "holdup", always("")),
        (
            test_a_member_that_hears_nothing_holds_the_new_certificate_back,
            test_a_member_that_hears_nothing_keeps_the_old_ca_in_the_bundle,
        ),
    ),
    Seed(
        "the old CA stays",
        replaced(rotation, "_still_used", always(())),
        (
            test_a_change_of_the_source_and_back_takes_the_same_way,
            test_ca_and_certificate_that_change_in_one_secret_are_taken_one_after_the_other,
        ),
    ),
    Seed(
        "the hour after",
        rewritten(rotation, "_still_used", "situation.now - since >= SPREAD + LINGER", "True"),
        (test_a_ca_that_somebody_deletes_is_followed_by_one_of_another_name,),
    ),
    Seed(
        "published first",
        rewritten(rotation, "signer_of", "is_new and ", "False and "),
        (test_clients_have_a_month_to_read_a_new_generation_while_the_old_one_can_issue,),
    ),
    Seed(
        "renewal",
        rewritten(rotation, "_is_due", "now >= renewal_of(held.certificate)", "False"),
        (
            test_a_leaf_is_renewed_at_two_thirds_of_its_life_and_no_ca_changes,
            test_after_a_year_without_operator_one_pass_heals_everything,
        ),
    ),
    Seed(
        "a dead certificate holds nothing up",
        rewritten(rotation, "_hurdle", "or not is_valid_at(held.certificate, situation.now)", ""),
        (test_a_certificate_that_has_ended_waits_for_nobody,),
    ),
    Seed(
        "one name, one CA",
        replaced(rotation, "_clash", always("")),
        (test_a_ca_of_the_same_name_and_another_key_is_not_taken_while_the_old_certificate_lives,),
    ),
    Seed(
        "a generation before the end of the last",
        rewritten(rotation, "next_generation", "> RENEWED_BEFORE_END", "> RENEWED_BEFORE_END * 0"),
        (test_a_new_generation_is_trusted_long_before_the_old_one_ends_and_issues_later,),
    ),
    Seed(
        "numbers never come back",
        rewritten(rotation, "next_generation", "last_number, *", "0, *"),
        (test_a_ca_that_somebody_deletes_is_followed_by_one_of_another_name,),
    ),
    Seed(
        "unknown age",
        rewritten(rotation, "_bundle_changes", "or file not in situation.held.written", ""),
        (test_a_file_of_unknown_age_is_written_again_before_anything_is_built_on_it,),
    ),
    Seed(
        "names",
        rewritten(rotation, "_is_due", "found != issuance.names or ", ""),
        (test_other_names_need_another_certificate,),
    ),
]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.guard)
async def test_without_the_guard_it_is_noticed(seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    await seed.is_noticed(monkeypatch)
