"""Every guard of the start procedure is there for a reason: with any of them taken out, a claim beside it fails."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.ensemble.build import test_start_script as starting
from zkoperator.ensemble.build.start_script import start_script


def _founder(volume: starting.Volume) -> None:
    starting.test_data_of_unknown_origin_is_neither_erased_nor_synced_over(volume, "log.5", "u")


def _joiner(volume: starting.Volume) -> None:
    starting.test_data_of_unknown_origin_is_neither_erased_nor_synced_over(volume, "snapshot.5", "")


def _copy(volume: starting.Volume) -> None:
    starting.test_a_copy_of_a_volume_never_starts_with_the_originals_configuration(volume, ".demo.", "")


def _at_the_place_of_others(volume: starting.Volume) -> None:
    starting.test_data_at_the_place_of_other_images_is_seen(volume, "")


def _pod_permits_alone(volume: starting.Volume) -> None:
    starting.test_without_both_words_an_empty_member_joins_as_a_non_voter(volume, "u", "other")


SCRIPT: dict[str, tuple[str, str, Callable[[starting.Volume], None]]] = {
    "both words agree": ('"$ZK_BOOTSTRAP" = "$(cat', '-n "x$(cat', _pod_permits_alone),
    "the volume is the one of the first try": (
        '[ ! -e /tmp/founding ] || [ -e "$conf/founding" ]',
        "true",
        starting.test_a_volume_wiped_under_a_founders_feet_does_not_found_again,
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
        starting.test_a_founder_that_was_killed_before_it_was_established_founds_again,
    ),
    "a joiner may join again": (
        'grep -qs "^dynamicConfigFile=$conf/" "$conf/zoo.cfg"; fi',
        "false; fi",
        starting.test_a_joiner_that_was_killed_while_it_synced_joins_again,
    ),
    "a joiner's data is not a founder's": (
        'if may_found; then [ -e "$conf/founding" ]',
        'if may_found; then [ -e "$conf/zoo.cfg" ]',
        starting.test_what_a_joiner_has_synced_is_not_erased_by_a_founding,
    ),
    "a strange volume is refused": ('[ "$consent" = "$whose" ] || refuse_stranger "$whose"', ":", _copy),
    "the mark is compared": (
        '[ "$mark" != "$ensemble" ]',
        "false",
        starting.test_a_volume_of_an_earlier_ensemble_of_the_same_name_is_refused,
    ),
    "names are compared where there is no mark": ('[ -n "$mark" ] && [ -n "$ensemble" ]', '[ -n "$ensemble" ]', _copy),
    "an unknown ensemble refuses no mark": (
        '[ -n "$mark" ] && [ -n "$ensemble" ]',
        '[ -n "$mark" ]',
        starting.test_without_a_known_ensemble_only_the_names_are_compared,
    ),
    "the names of hosts are compared": ('grep -qF ".$service"', "grep -q .", _copy),
    "the whole name of the pod is compared": (
        'grep -qF "=$POD_NAME.$service"',
        'grep -qF "=$POD_NAME"',
        starting.test_a_name_that_only_begins_like_ours_is_another_pod,
    ),
    "the first configuration is looked at as well": (
        " || stored=$conf/zoo.cfg.dynamic\n",
        " || :\n",
        starting.test_a_copy_of_a_joiner_that_never_finished_is_refused,
    ),
    "data at the place of other images counts": (
        ' || has_data "${data%/*}"; }; then',
        "; }; then",
        _at_the_place_of_others,
    ),
    "what lies beside our data does not": (
        'elif [ -z "$version" ] && ! was_started && {',
        "elif {",
        starting.test_a_member_of_ours_is_not_stopped_by_what_lies_beside_its_data,
    ),
    "a zoo.cfg of others is no trace of ours": (
        'grep -qs "^dynamicConfigFile=$conf/" "$conf/zoo.cfg"; fi',
        '[ -e "$conf/zoo.cfg" ]; fi',
        _at_the_place_of_others,
    ),
    "a volume is marked": (
        '  mv "$conf/ensemble.tmp" "$conf/ensemble"\n',
        "",
        starting.test_a_volume_is_marked_by_its_first_start,
    ),
    "the operator hears of it": ('echo "$*" >/dev/termination-log;', ":;", _copy),
    "consent names whose data it is": (
        '[ "$consent" = "$whose" ]',
        '[ -n "$consent" ]',
        starting.test_data_is_taken_over_by_the_word_that_was_told,
    ),
    "nobody founds beside data that is taken over": (
        '  [ -z "$consent" ] || return 1\n',
        "",
        starting.test_nobody_founds_while_data_is_to_be_taken_over,
    ),
    "what was taken over votes until it has served": (
        '[ -z "$version" ] && [ -e "$conf/taken-over" ]',
        '[ -z "$version" ] && [ -n "$whose" ]',
        starting.test_a_member_that_was_killed_while_it_took_over_does_so_again,
    ),
    "and no longer": (
        '  rm -f "$conf/taken-over"\n',
        "",
        starting.test_a_member_that_was_killed_while_it_took_over_does_so_again,
    ),
    "snapshots alone are not taken over": (
        'has_logs "$data" || refuse',
        ": refuse",
        starting.test_snapshots_without_their_logs_are_not_taken_over,
    ),
    "founding removes what is left of a try": (
        'rm -rf "$data/version-2" ',
        "rm -rf ",
        starting.test_a_founder_that_was_killed_before_it_was_established_founds_again,
    ),
    "a stored version is not founded over": (
        'elif [ -z "$version" ] && may_found',
        "elif may_found",
        starting.test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data,
    ),
    "the newest version by number": (
        "sort -k1,1n -k2,2",
        "sort -k2,2",
        starting.test_a_restart_keeps_the_newest_version_by_number,
    ),
    "a stored version names the member": (
        ' && names_this_pod "$stored"',
        "",
        starting.test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data,
    ),
    "recovery needs an empty disk": (
        '[ -e /data/recover ] && ! has_data "$data"',
        "[ -e /data/recover ]",
        starting.test_recovery_by_hand_never_discards_data,
    ),
    "recovery is for once": (
        "  rm -f /data/recover\n",
        "",
        starting.test_recovery_by_hand_votes_once,
    ),
}


@pytest.mark.parametrize("guard", SCRIPT)
def test_a_start_script_without_this_guard_is_noticed(
    guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, claim = SCRIPT[guard]
    script = start_script()
    assert script.count(old) == 1, "the script has changed: seed its bug anew"
    monkeypatch.setattr(starting, "start_script", lambda: script.replace(old, new))
    (tmp_path / "data").mkdir()
    with pytest.raises(AssertionError):
        claim(starting.Volume(tmp_path))
