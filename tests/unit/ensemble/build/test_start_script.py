"""The start procedure: who founds, who joins and who votes; run by a real shell on a real directory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machines.member_volume import (
    DOMAIN,
    HASTY_CLOCK,
    MEMBERS,
    RESOLVER,
    Volume,
    voters,
    with_bug,
)


def test_a_permitted_first_start_founds_with_the_full_list(volume: Volume) -> None:
    assert voters(volume.start(word="u", permitted="u")) == ["server.1", "server.2", "server.3"]
    assert (volume.data / "initialize").exists()
    assert (volume.data / "myid").read_text() == "2\n"
    asked = (volume.root / "bin" / "asked").read_text().splitlines()
    assert asked == [f"main-zk-{n}.{DOMAIN}" for n in (0, 1, 2)], "founders wait for the names of all founders"


def test_names_that_never_resolve_hold_a_founder_up_for_seconds_however_slow_each_look_up_is(volume: Volume) -> None:
    volume.tools = {"getent": f"{RESOLVER}; exit 2", "date": HASTY_CLOCK}
    assert voters(volume.start(word="u", permitted="u")) == ["server.1", "server.2", "server.3"]
    assert len((volume.root / "bin" / "asked").read_text().splitlines()) == 2


@pytest.mark.parametrize(("word", "permitted"), [("", ""), ("u", ""), ("", "u"), ("u", "other")])
def test_without_both_words_an_empty_member_joins_as_a_non_voter(volume: Volume, word: str, permitted: str) -> None:
    dynamic = volume.start(word=word, permitted=permitted)
    assert voters(dynamic) == ["server.1", "server.3"]
    assert f"server.2=main-zk-1.{DOMAIN}:2888:3888:observer;0.0.0.0:2181" in dynamic
    assert not (volume.data / "initialize").exists()


def test_a_restart_keeps_the_newest_version_by_number(volume: Volume) -> None:
    for version in ("f00000000", "100000000", "1000000000", "next"):
        volume.put(version, f"{MEMBERS}version={version}\n")
    assert volume.start() == f"{MEMBERS}version=1000000000\n"
    assert (volume.conf / "zoo.cfg.dynamic.next").exists()


CUT = {"empty": "", "cut off": MEMBERS[:200], "zeros": "\0" * 300, "cut in a line": MEMBERS[: MEMBERS.index(";") - 4]}
"""What a node that loses its power while a server writes may leave of a file."""


@pytest.mark.parametrize("left", CUT.values(), ids=CUT)
def test_a_versioned_configuration_that_a_crash_cut_off_is_passed_over(volume: Volume, left: str) -> None:
    volume.put("100000000", MEMBERS.removesuffix("\n"))
    volume.start()
    (data,) = volume.fill("log.100000001")
    volume.put("200000000", left)
    assert volume.start(word="u", permitted="u") == MEMBERS.removesuffix("\n"), "as the server writes it"
    assert data.exists()


def test_a_versioned_configuration_that_a_person_has_edited_is_whole(volume: Volume) -> None:
    volume.put("100000000", MEMBERS)
    volume.put("200000000", edited := f"# by hand\n{MEMBERS} \n\nversion=200000000\n".replace("2181\n", "2181  \n"))
    assert volume.start() == edited


@pytest.mark.parametrize("left", CUT.values(), ids=CUT)
def test_nothing_is_founded_again_where_only_a_cut_off_configuration_is_left(volume: Volume, left: str) -> None:
    volume.start(word="u", permitted="u")
    (data,) = volume.fill("log.100000001")
    volume.put("100000000", left)
    for _ in range(2):
        volume.run("main-zk-1", "u", "u")
        assert data.exists(), "it has the first writes, or some of them"
    volume.start()
    assert data.exists()


def test_a_restart_with_a_stored_version_ignores_the_permission(volume: Volume) -> None:
    volume.put("100000000")
    (volume.data / "version-2").mkdir(parents=True)
    assert volume.start(word="u", permitted="u") == MEMBERS
    assert (volume.data / "version-2").exists()
    assert not (volume.data / "initialize").exists()


def test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data(volume: Volume) -> None:
    volume.put("100000000", MEMBERS.splitlines()[0] + "\n")
    (volume.data / "version-2").mkdir(parents=True)
    assert voters(volume.start(word="u", permitted="u")) == ["server.1", "server.3"]
    assert (volume.data / "version-2").exists()


def test_a_founder_that_was_killed_before_it_was_established_founds_again(volume: Volume) -> None:
    volume.start(word="u", permitted="u")
    volume.fill("snapshot.0", "log.100000001")
    (volume.data / "initialize").unlink()
    assert len(voters(volume.start(word="u", permitted="u"))) == 3
    assert (volume.data / "initialize").exists()
    assert not (volume.data / "version-2").exists()


def test_a_volume_wiped_under_a_founders_feet_does_not_found_again(volume: Volume) -> None:
    volume.start(word="u", permitted="u")
    volume.wipe()
    assert voters(volume.start(word="u", permitted="u")) == ["server.1", "server.3"]
    assert not (volume.data / "initialize").exists()


@pytest.mark.parametrize("name", ["snapshot.500000007", "log.500000008"])
@pytest.mark.parametrize("word", ["u", ""], ids=["a founder", "a joiner"])
def test_data_of_unknown_origin_is_neither_erased_nor_synced_over(volume: Volume, name: str, word: str) -> None:
    (data,) = volume.fill(name)
    for _ in range(2):
        assert "data of another ensemble (unknown)" in volume.refuses(word=word, permitted=word)
        assert data.exists()
    data.unlink()
    assert voters(volume.start(word=word, permitted=word))


def test_a_joiner_that_was_killed_while_it_synced_joins_again(volume: Volume) -> None:
    volume.start()
    (data,) = volume.fill("snapshot.100000000")
    assert voters(volume.start()) == ["server.1", "server.3"]
    assert data.exists()


def test_what_a_joiner_has_synced_is_not_erased_by_a_founding(volume: Volume) -> None:
    volume.start()
    (data,) = volume.fill("snapshot.100000000")
    volume.refuses(word="u", permitted="u")
    assert data.exists()


def test_recovery_by_hand_votes_once(volume: Volume) -> None:
    (volume.root / "data" / "recover").touch()
    assert len(voters(volume.start())) == 3
    assert (volume.data / "initialize").exists()
    (volume.data / "initialize").unlink()
    assert voters(volume.start()) == ["server.1", "server.3"]


def test_recovery_by_hand_works_on_a_member_that_heard_of_the_configuration_while_it_waited(volume: Volume) -> None:
    volume.put("100000000")
    (volume.data / "version-2").mkdir(parents=True)
    (volume.root / "data" / "recover").touch()
    assert len(voters(volume.start())) == 3
    assert (volume.data / "initialize").exists()


def test_recovery_by_hand_never_discards_data(volume: Volume) -> None:
    volume.put("100000000")
    (volume.data / "version-2").mkdir(parents=True)
    (volume.data / "version-2" / "log.1").touch()
    (volume.root / "data" / "recover").touch()
    volume.start()
    assert (volume.data / "version-2" / "log.1").exists()
    assert not (volume.data / "initialize").exists()


def test_a_joiner_beyond_the_committed_members_sees_all_of_them(volume: Volume) -> None:
    assert voters(volume.start("main-zk-3")) == ["server.1", "server.2", "server.3"]


def _cut_off(volume: Volume) -> None:
    test_a_versioned_configuration_that_a_crash_cut_off_is_passed_over(volume, "")


def _cut_in_a_line(volume: Volume) -> None:
    test_a_versioned_configuration_that_a_crash_cut_off_is_passed_over(volume, CUT["cut off"])


def _nothing_left(volume: Volume) -> None:
    test_nothing_is_founded_again_where_only_a_cut_off_configuration_is_left(volume, "")


def _founder(volume: Volume) -> None:
    test_data_of_unknown_origin_is_neither_erased_nor_synced_over(volume, "log.5", "u")


def _joiner(volume: Volume) -> None:
    test_data_of_unknown_origin_is_neither_erased_nor_synced_over(volume, "snapshot.5", "")


def _pod_permits_alone(volume: Volume) -> None:
    test_without_both_words_an_empty_member_joins_as_a_non_voter(volume, "u", "other")


SCRIPT: dict[str, tuple[str, str, Callable[[Volume], None]]] = {
    "both words agree": ('"$ZK_BOOTSTRAP" = "$(cat', '-n "x$(cat', _pod_permits_alone),
    "the volume is the one of the first try": (
        '[ ! -e /tmp/founding ] || [ -e "$conf/founding" ]',
        "true",
        test_a_volume_wiped_under_a_founders_feet_does_not_found_again,
    ),
    "a founder spares data": (
        'if may_found; then [ -e "$conf/founding" ]; else',
        "if may_found; then :; else",
        _founder,
    ),
    "a joiner spares data": ('grep -qs "^dynamicConfigFile=$conf/" "$conf/zoo.cfg"; fi', "true; fi", _joiner),
    "a founder may found again": (
        'if may_found; then [ -e "$conf/founding" ]',
        "if may_found; then false",
        test_a_founder_that_was_killed_before_it_was_established_founds_again,
    ),
    "a joiner may join again": (
        'grep -qs "^dynamicConfigFile=$conf/" "$conf/zoo.cfg"; fi',
        "false; fi",
        test_a_joiner_that_was_killed_while_it_synced_joins_again,
    ),
    "a joiner's data is not a founder's": (
        'if may_found; then [ -e "$conf/founding" ]',
        'if may_found; then [ -e "$conf/zoo.cfg" ]',
        test_what_a_joiner_has_synced_is_not_erased_by_a_founding,
    ),
    "founding removes what is left of a try": (
        'rm -rf "$data/version-2" ',
        "rm -rf ",
        test_a_founder_that_was_killed_before_it_was_established_founds_again,
    ),
    "a stored version is not founded over": (
        '  ! any "$conf"/zoo.cfg.dynamic.[0-9a-f]* || return 1\n',
        "",
        test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data,
    ),
    "nor is one that a crash cut off": (
        '  ! any "$conf"/zoo.cfg.dynamic.[0-9a-f]* || return 1\n',
        '  [ -z "$version" ] || return 1\n',
        _nothing_left,
    ),
    "nor later": (' "$conf/founding" "$data/initialize"', ' "$data/initialize"', _nothing_left),
    "what was cut off is passed over": ('if is_whole "$file"; then', "if :; then", _cut_off),
    "an empty file is cut off": ("grep -q '^server\\.' \"$1\" &&", ":;", _cut_off),
    "every line counts": ("&& ! grep -Evq", "&& : grep -Evq", _cut_in_a_line),
    "the newest version by number": (
        "sort -k1,1n -k2,2",
        "sort -k2,2",
        test_a_restart_keeps_the_newest_version_by_number,
    ),
    "a stored version names the member": (
        ' && names_this_pod "$stored"',
        "",
        test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data,
    ),
    "recovery needs an empty disk": (
        '[ -e /data/recover ] && ! has_data "$data"',
        "[ -e /data/recover ]",
        test_recovery_by_hand_never_discards_data,
    ),
    "recovery is for once": (
        "  rm -f /data/recover\n",
        "",
        test_recovery_by_hand_votes_once,
    ),
}


@pytest.mark.parametrize("guard", SCRIPT)
def test_a_start_script_without_this_guard_is_noticed(guard: str, tmp_path: Path) -> None:
    old, new, claim = SCRIPT[guard]
    volume = with_bug(tmp_path, old, new)
    with pytest.raises(AssertionError):
        claim(volume)
