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


def _pod_permits_alone(volume: starting.Volume) -> None:
    starting.test_without_both_words_an_empty_member_joins_as_a_non_voter(volume, "u", "other")


SCRIPT: dict[str, tuple[str, str, Callable[[starting.Volume], None]]] = {
    "both words agree": ('"$ZK_BOOTSTRAP" = "$(cat', '-n "x$(cat', _pod_permits_alone),
    "the volume is the one of the first try": (
        '[ ! -e /tmp/founding ] || [ -e "$conf/founding" ]',
        "true",
        starting.test_a_volume_wiped_under_a_founders_feet_does_not_found_again,
    ),
    "a founder spares data": ('    spare_strange_data "$conf/founding"\n', "", _founder),
    "a joiner spares data": ('[ -n "$version" ] || spare_strange_data "$conf/zoo.cfg"', ":", _joiner),
    "a founder may found again": (
        'spare_strange_data "$conf/founding"',
        "spare_strange_data /nowhere",
        starting.test_a_founder_that_was_killed_before_it_was_established_founds_again,
    ),
    "a joiner may join again": (
        'spare_strange_data "$conf/zoo.cfg"',
        "spare_strange_data /nowhere",
        starting.test_a_joiner_that_was_killed_while_it_synced_joins_again,
    ),
    "a joiner's data is not a founder's": (
        'spare_strange_data "$conf/founding"',
        'spare_strange_data "$conf/zoo.cfg"',
        starting.test_what_a_joiner_has_synced_is_not_erased_by_a_founding,
    ),
    "founding removes what is left of a try": (
        'rm -rf "$data/version-2" ',
        "rm -rf ",
        starting.test_a_founder_that_was_killed_before_it_was_established_founds_again,
    ),
    "a stored version is not founded over": (
        'if [ -z "$version" ] && may_found',
        "if may_found",
        starting.test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data,
    ),
    "the newest version by number": (
        "sort -k1,1n -k2,2",
        "sort -k2,2",
        starting.test_a_restart_keeps_the_newest_version_by_number,
    ),
    "a stored version names the member": (
        ' && grep -q "^server\\.$id=" "$conf/zoo.cfg.dynamic.$version"',
        "",
        starting.test_a_removed_member_that_returns_starts_as_a_non_voter_and_keeps_its_data,
    ),
    "recovery needs an empty disk": (
        "[ -e /data/recover ] && ! has_data",
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
