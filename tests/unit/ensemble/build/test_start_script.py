"""The start procedure, run by a real shell on a real directory; only the server at its end is a stand-in."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machines.member_volume import (
    COPY,
    DOMAIN,
    ENSEMBLE,
    HASTY_CLOCK,
    MEMBERS,
    ORIGIN,
    PRAVEGA,
    RESOLVER,
    Volume,
    voters,
)
from zkoperator.ensemble.build.start_script import start_script


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    (tmp_path / "data").mkdir()
    return Volume(tmp_path)


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


def test_the_id_follows_the_pod_when_volumes_are_exchanged(volume: Volume) -> None:
    volume.put("100000000")
    volume.start("main-zk-0")
    volume.start("main-zk-2")
    assert (volume.data / "myid").read_text() == "3\n"


def test_a_joiner_beyond_the_committed_members_sees_all_of_them(volume: Volume) -> None:
    assert voters(volume.start("main-zk-3")) == ["server.1", "server.2", "server.3"]


# Whose volume it is


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


# The image


@pytest.mark.parametrize("tool", ["zkServer.sh", "bash", "grep"])
def test_what_the_image_lacks_is_named(volume: Volume, tool: str) -> None:
    data = volume.root / "data"
    volume.lacks = tool
    assert f"the image lacks {tool};" in volume.refuses()
    assert f"lacks {tool};" in volume.last_words
    assert list(data.iterdir()) == [], "nothing was begun"


# Memory

MIB = 1024 * 1024


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_heap_is_the_share_of_the_limit_that_the_container_really_has(volume: Volume, file: str) -> None:
    volume.limit(str(384 * MIB), file)
    assert volume.jvm == ["-Xmx192m", "-XX:MaxDirectMemorySize=96m", "-XX:+UseG1GC"]
    volume.heap_percent = "75"
    assert volume.jvm[:2] == ["-Xmx288m", "-XX:MaxDirectMemorySize=48m"]


def test_tls_leaves_the_heap_less(volume: Volume) -> None:
    volume.limit(str(384 * MIB))
    volume.beside_heap = "70"
    assert volume.jvm[:2] == ["-Xmx157m", "-XX:MaxDirectMemorySize=113m"]


TLS = "secureClientPort=2281\nssl.clientAuth=none\n"


def test_the_servers_configuration_has_the_tls_that_the_pod_was_made_with(volume: Volume) -> None:
    volume.tls = TLS
    volume.deliver(client="c1", client_ca="a1")
    volume.start()
    assert TLS in (volume.conf / "zoo.cfg").read_text()
    assert volume.certificates == {"client": "c1", "client-ca": "a1"}
    volume.tls = ""
    volume.start()
    assert "ssl." not in (volume.conf / "zoo.cfg").read_text()


def test_a_joiner_opens_its_plaintext_port_where_the_members_do(volume: Volume) -> None:
    assert "0.0.0.0:2181" in volume.start("main-zk-8").splitlines()[-1]
    volume.client = "127.0.0.1:2180"
    assert volume.start("main-zk-8").splitlines()[-1].endswith(":observer;127.0.0.1:2180")


def test_a_server_that_runs_finds_new_certificates_in_their_order_and_one_at_a_time(volume: Volume) -> None:
    volume.tls = TLS
    old = dict.fromkeys(("client", "client-ca", "quorum", "quorum-ca"), "1")
    volume.deliver(**{name.replace("-", "_"): text for name, text in old.items()})
    with volume.serving():
        _until(lambda: volume.certificates == old)
        places = {name: volume.root / "run" / "tls" / f"{name}.pem" for name in old}
        before = {name: file.stat().st_ino for name, file in places.items()}
        volume.deliver(client="2", client_ca="2", quorum="2", quorum_ca="2")
        _until(lambda: set(volume.certificates.values()) == {"2"})
        assert all(file.stat().st_ino != before[name] for name, file in places.items()), "a file was written in place"
        times = [places[name].stat().st_mtime_ns for name in ("client-ca", "quorum-ca", "client", "quorum")]
        assert times == sorted(times), "authorities first"
        assert min(after - first for first, after in itertools.pairwise(times)) > 30_000_000, "two came together"
        assert {oct(file.stat().st_mode & 0o777) for file in places.values()} == {"0o600"}


def test_a_server_that_may_have_missed_a_change_sees_the_file_again(volume: Volume) -> None:
    volume.tls = TLS
    volume.deliver(client="1", client_ca="1")
    file = volume.root / "run" / "tls" / "client-ca.pem"
    with volume.serving():
        _until(file.exists)
        first = file.stat().st_ino
        _until(lambda: file.stat().st_ino != first, 120)


def _until(holds: Callable[[], bool], within_s: float = 60) -> None:
    latest = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < latest, "not in time"
        time.sleep(0.01)


@pytest.mark.parametrize("limit", ["max", "9223372036854771712", ""])
def test_without_a_limit_the_heap_is_that_of_the_spec(volume: Volume, limit: str) -> None:
    assert volume.jvm == ["-Xmx512m", "-XX:+UseG1GC"]
    volume.limit(limit)
    volume.limit(limit, "memory/memory.limit_in_bytes")
    assert volume.jvm == ["-Xmx512m", "-XX:+UseG1GC"]


def test_the_users_own_budget_for_buffers_stands(volume: Volume) -> None:
    volume.limit(str(1024 * MIB))
    volume.flags = "-XX:+UseG1GC -XX:MaxDirectMemorySize=300m"
    assert volume.jvm == ["-Xmx512m", "-XX:+UseG1GC", "-XX:MaxDirectMemorySize=300m"]


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


def _copy(volume: Volume) -> None:
    test_a_copy_of_a_volume_never_starts_with_the_originals_configuration(volume, ".demo.", "")


def _limited(volume: Volume) -> None:
    test_the_heap_is_the_share_of_the_limit_that_the_container_really_has(volume, "memory.max")


def _limited_of_old(volume: Volume) -> None:
    test_the_heap_is_the_share_of_the_limit_that_the_container_really_has(volume, "memory/memory.limit_in_bytes")


def _unlimited(volume: Volume) -> None:
    test_without_a_limit_the_heap_is_that_of_the_spec(volume, "9223372036854771712")


def _pravega(volume: Volume) -> None:
    test_a_whole_volume_of_pravegas_operator_starts_nothing_and_stays_as_it_is(volume, "zk-1.zk-headless.old", "")


def _lacking(volume: Volume) -> None:
    test_what_the_image_lacks_is_named(volume, "zkServer.sh")


def _at_the_place_of_others(volume: Volume) -> None:
    test_data_at_the_place_of_other_images_is_seen(volume, "")


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
    "the heap follows the real limit": ('if [ -n "$limit" ]; then', "if false; then", _limited),
    "the older kind of cgroup is asked": (" /sys/fs/cgroup/memory/memory.limit_in_bytes", "", _limited_of_old),
    "no limit is none": (" | ????????????????*)", ")", _unlimited),
    "the share is the spec's": ("$(cat /config/heap-percent 2>/dev/null || echo 50)", "50", _limited),
    "buffers have a budget": (
        'SERVER_JVMFLAGS="-XX:MaxDirectMemorySize=${buffers}m ${SERVER_JVMFLAGS:-}"',
        ":",
        _limited,
    ),
    "the user's budget wins": (
        "*-XX:MaxDirectMemorySize=*) ;;",
        "no) ;;",
        test_the_users_own_budget_for_buffers_stands,
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
    "one file a tick": (
        'name=$(changed "$from" | sed q)',
        'place_all "$from"; name=',
        test_a_server_that_runs_finds_new_certificates_in_their_order_and_one_at_a_time,
    ),
    "authorities go first": (
        '"client-ca.pem quorum-ca.pem client.pem quorum.pem"',
        '"client.pem quorum.pem client-ca.pem quorum-ca.pem"',
        test_a_server_that_runs_finds_new_certificates_in_their_order_and_one_at_a_time,
    ),
    "files are renamed": (
        '>"$live/.$2" && mv "$live/.$2" "$live/$2"',
        '>"$live/$2"',
        test_a_server_that_runs_finds_new_certificates_in_their_order_and_one_at_a_time,
    ),
    "what the image lacks is looked for": ("\nrequire_tools\n", "\n", _lacking),
    "recovery is for once": (
        "  rm -f /data/recover\n",
        "",
        test_recovery_by_hand_votes_once,
    ),
}


@pytest.mark.parametrize("guard", SCRIPT)
def test_a_start_script_without_this_guard_is_noticed(guard: str, tmp_path: Path) -> None:
    old, new, claim = SCRIPT[guard]
    script = start_script()
    assert script.count(old) == 1, "the script has changed: seed its bug anew"
    (tmp_path / "data").mkdir()
    with pytest.raises(AssertionError):
        claim(Volume(tmp_path, script=script.replace(old, new)))
