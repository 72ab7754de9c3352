"""Whose volume a member starts on, and what is taken over on purpose; the start procedure in a real shell."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machines.member_volume import (
    COPY,
    DOMAIN,
    ENSEMBLE,
    MEMBERS,
    ORIGIN,
    PRAVEGA,
    Volume,
    voters,
    with_bug,
)


def test_the_id_follows_the_pod_when_volumes_are_exchanged(volume: Volume) -> None:
    volume.put("100000000")
    volume.start("main-zk-0")
    volume.start("main-zk-2")
    assert (volume.data / "myid").read_text() == "3\n"


def test_a_volume_is_marked_by_its_first_start(volume: Volume) -> None:
    volume.start(word="u", permitted="u")
    assert volume.mark == ENSEMBLE


def test_a_volume_from_before_there_were_marks_goes_on_and_is_marked(volume: Volume) -> None:
    volume.put("100000000")
    (data,) = volume.fill("log.100000001")
    assert volume.start() == MEMBERS
    assert volume.mark == ENSEMBLE
    assert data.exists()


def test_without_a_known_ensemble_only_the_names_are_compared(volume: Volume) -> None:
    volume.put("100000000")
    volume.start()
    volume.ensemble = ""
    assert volume.start() == MEMBERS
    assert volume.mark == ENSEMBLE, "the mark stays"
    volume.put("200000000", COPY)
    volume.refuses()


@pytest.mark.parametrize("word", ["u", ""], ids=["a founder", "a joiner"])
@pytest.mark.parametrize("name", [".demo.", "main-zk-members"], ids=["another namespace", "another name"])
def test_a_copy_of_a_volume_never_starts_with_the_originals_configuration(volume: Volume, name: str, word: str) -> None:
    origin = {".demo.": ".production.", "main-zk-members": "prod-zk-members"}[name]
    volume.put("100000000", MEMBERS.replace(name, origin))
    (data,) = volume.fill("log.100000001")
    told = volume.refuses(word=word, permitted=word)
    whose = DOMAIN.replace(name, origin) if name != ".demo." else ORIGIN
    assert f"({whose})" in told
    assert f"kubectl -n demo annotate zk main zkoperator.dev/take-over={whose}" in volume.last_words
    assert "kubectl -n demo delete pvc data-main-zk-1" in volume.last_words
    assert data.exists()
    assert volume.mark == ""


def test_a_name_that_only_begins_like_ours_is_another_pod(volume: Volume) -> None:
    volume.put("100000000", MEMBERS.replace("server.2=main-zk-1.", "server.2=main-zk-11."))
    assert voters(volume.start()) == ["server.1", "server.3"]


def test_a_copy_of_a_joiner_that_never_finished_is_refused(volume: Volume) -> None:
    volume.start()
    dynamic = volume.conf / "zoo.cfg.dynamic"
    dynamic.write_text(dynamic.read_text().replace(".demo.", ".production."))
    volume.fill("log.100000001")
    assert f"({ORIGIN})" in volume.refuses()


def test_a_volume_of_an_earlier_ensemble_of_the_same_name_is_refused(volume: Volume) -> None:
    volume.put("100000000")
    volume.start()
    volume.ensemble = "uid-of-another-main"
    assert f"({ENSEMBLE})" in volume.refuses()
    assert volume.mark == ENSEMBLE


def test_a_volume_of_pravegas_operator_is_refused(volume: Volume) -> None:
    volume.put("100000000", PRAVEGA)
    assert "(zk-headless.old.svc.cluster.local)" in volume.refuses()


@pytest.mark.parametrize("word", ["u", ""], ids=["a founder", "a joiner"])
@pytest.mark.parametrize("host", ["zk-1.zk-headless.old", "main-zk-1.main-headless.demo"], ids=["others", "like ours"])
def test_a_whole_volume_of_pravegas_operator_starts_nothing_and_stays_as_it_is(
    volume: Volume, host: str, word: str
) -> None:
    root = volume.root / "data"
    volume.put("300000000", PRAVEGA.replace("zk-1.zk-headless.old", host))
    (volume.conf / "zoo.cfg").write_text("dataDir=/data\ndynamicConfigFile=/data/conf/zoo.cfg.dynamic.300000000\n")
    (root / "myid").write_text("2\n")
    (root / "version-2").mkdir()
    for name in ("log.300000001", "snapshot.2000000ff", "currentEpoch", "acceptedEpoch"):
        (root / "version-2" / name).touch()
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    assert f"({host.partition('.')[2]}.svc.cluster.local)" in volume.refuses(word=word, permitted=word)
    assert {file: file.read_bytes() for file in before} == before


@pytest.mark.parametrize("word", ["u", ""], ids=["a founder", "a joiner"])
def test_data_at_the_place_of_other_images_is_seen(volume: Volume, word: str) -> None:
    version_2 = volume.root / "data" / "version-2"
    version_2.mkdir()
    (version_2 / "snapshot.5").touch()
    volume.conf.mkdir()
    (volume.conf / "zoo.cfg").write_text("dataDir=/data\ndynamicConfigFile=/data/zoo.cfg.dynamic\n")
    assert "(unknown)" in volume.refuses(word=word, permitted=word)


def test_a_member_of_ours_is_not_stopped_by_what_lies_beside_its_data(volume: Volume) -> None:
    volume.put("100000000")
    (volume.root / "data" / "version-2").mkdir()
    (volume.root / "data" / "version-2" / "log.5").touch()
    assert volume.start() == MEMBERS


# Taking over on purpose


def copied(volume: Volume) -> Path:
    volume.put("100000000", COPY)
    (volume.conf / "ensemble").write_text("uid-of-the-original")
    volume.fill("snapshot.0")
    (data,) = volume.fill("log.100000001")
    return data


def test_data_is_taken_over_by_the_word_that_was_told(volume: Volume) -> None:
    data = copied(volume)
    volume.refuses(word="u", permitted="u")
    for wrong in ("yes", ORIGIN, "unknown"):
        volume.consent = wrong
        volume.refuses(word="u", permitted="u")
    volume.consent = "uid-of-the-original"
    assert volume.start(word="u", permitted="u") == MEMBERS, "all first members vote, none of them from nothing"
    assert data.exists()
    assert not (volume.data / "initialize").exists()
    assert (volume.conf / "foreign" / "zoo.cfg.dynamic.100000000").read_text() == COPY
    assert volume.mark == ENSEMBLE


def test_a_member_that_was_killed_while_it_took_over_does_so_again(volume: Volume) -> None:
    data = copied(volume)
    volume.consent = "uid-of-the-original"
    volume.start()
    volume.consent = ""
    assert volume.start() == MEMBERS
    volume.put("200000000")
    assert volume.start() == MEMBERS
    (volume.conf / "zoo.cfg.dynamic.200000000").unlink()
    assert voters(volume.start()) == ["server.1", "server.3"], "once it has served, by the ordinary rule"
    assert data.exists()


def test_nobody_founds_while_data_is_to_be_taken_over(volume: Volume) -> None:
    volume.consent = "uid-of-the-original"
    assert voters(volume.start(word="u", permitted="u")) == ["server.1", "server.3"]
    assert not (volume.data / "initialize").exists()


def test_an_empty_member_votes_once_beside_data_that_was_taken_over_when_a_person_says_so(volume: Volume) -> None:
    volume.consent = "uid-of-the-original"
    volume.start(word="u", permitted="u")
    (volume.root / "data" / "recover").touch()
    assert volume.start(word="u", permitted="u") == MEMBERS
    assert (volume.data / "initialize").exists()


def test_data_of_other_images_is_taken_over_to_its_place(volume: Volume) -> None:
    version_2 = volume.root / "data" / "version-2"
    version_2.mkdir()
    (version_2 / "log.5").touch()
    volume.consent = "unknown"
    assert volume.start(word="u", permitted="u") == MEMBERS
    assert (volume.data / "version-2" / "log.5").exists()


def test_snapshots_without_their_logs_are_not_taken_over(volume: Volume) -> None:
    (data,) = volume.fill("snapshot.5")
    volume.consent = "unknown"
    assert "without transaction logs" in volume.refuses()
    assert data.exists()
    assert volume.mark == ""


def _copy(volume: Volume) -> None:
    test_a_copy_of_a_volume_never_starts_with_the_originals_configuration(volume, ".demo.", "")


def _pravega(volume: Volume) -> None:
    test_a_whole_volume_of_pravegas_operator_starts_nothing_and_stays_as_it_is(volume, "zk-1.zk-headless.old", "")


def _at_the_place_of_others(volume: Volume) -> None:
    test_data_at_the_place_of_other_images_is_seen(volume, "")


SCRIPT: dict[str, tuple[str, str, Callable[[Volume], None]]] = {
    "a strange volume is refused": ('[ "$consent" = "$whose" ] || refuse_stranger "$whose"', ":", _copy),
    "the mark is compared": (
        '[ "$mark" != "$ensemble" ]',
        "false",
        test_a_volume_of_an_earlier_ensemble_of_the_same_name_is_refused,
    ),
    "names are compared where there is no mark": ('[ -n "$mark" ] && [ -n "$ensemble" ]', '[ -n "$ensemble" ]', _copy),
    "an unknown ensemble refuses no mark": (
        '[ -n "$mark" ] && [ -n "$ensemble" ]',
        '[ -n "$mark" ]',
        test_without_a_known_ensemble_only_the_names_are_compared,
    ),
    "the names of hosts are compared": ('grep -qF ".$service"', "grep -q .", _copy),
    "and those of another operator": ('grep -qF ".$service"', "grep -q .", _pravega),
    "the whole name of the pod is compared": (
        'grep -qF "=$POD_NAME.$service"',
        'grep -qF "=$POD_NAME"',
        test_a_name_that_only_begins_like_ours_is_another_pod,
    ),
    "the first configuration is looked at as well": (
        " || stored=$conf/zoo.cfg.dynamic\n",
        " || :\n",
        test_a_copy_of_a_joiner_that_never_finished_is_refused,
    ),
    "data at the place of other images counts": (
        ' || has_data "${data%/*}"; }; then',
        "; }; then",
        _at_the_place_of_others,
    ),
    "what lies beside our data does not": (
        'elif [ -z "$version" ] && ! was_started && {',
        "elif {",
        test_a_member_of_ours_is_not_stopped_by_what_lies_beside_its_data,
    ),
    "a zoo.cfg of others is no trace of ours": (
        'grep -qs "^dynamicConfigFile=$conf/" "$conf/zoo.cfg"; fi',
        '[ -e "$conf/zoo.cfg" ]; fi',
        _at_the_place_of_others,
    ),
    "a volume is marked": (
        '  mv "$conf/ensemble.tmp" "$conf/ensemble"\n',
        "",
        test_a_volume_is_marked_by_its_first_start,
    ),
    "the operator hears of it": ('echo "$*" >/dev/termination-log;', ":;", _copy),
    "consent names whose data it is": (
        '[ "$consent" = "$whose" ]',
        '[ -n "$consent" ]',
        test_data_is_taken_over_by_the_word_that_was_told,
    ),
    "nobody founds beside data that is taken over": (
        '  [ -z "$consent" ] || return 1\n',
        "",
        test_nobody_founds_while_data_is_to_be_taken_over,
    ),
    "what was taken over votes until it has served": (
        '[ -z "$version" ] && [ -e "$conf/taken-over" ]',
        '[ -z "$version" ] && [ -n "$whose" ]',
        test_a_member_that_was_killed_while_it_took_over_does_so_again,
    ),
    "and no longer": (
        '  rm -f "$conf/taken-over"\n',
        "",
        test_a_member_that_was_killed_while_it_took_over_does_so_again,
    ),
    "snapshots alone are not taken over": (
        'has_logs "$data" || refuse',
        ": refuse",
        test_snapshots_without_their_logs_are_not_taken_over,
    ),
}


@pytest.mark.parametrize("guard", SCRIPT)
def test_a_start_script_without_this_guard_is_noticed(guard: str, tmp_path: Path) -> None:
    old, new, claim = SCRIPT[guard]
    volume = with_bug(tmp_path, old, new)
    with pytest.raises(AssertionError):
        claim(volume)
