"""How a volume enters a new incarnation of its ensemble: that of the seed, and those of everybody else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machines.member_volume import DOMAIN, Volume, voters, with_bug


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    (tmp_path / "data").mkdir()
    return Volume(tmp_path)


@pytest.fixture
def survivor(volume: Volume) -> Volume:
    return with_data(volume)


def with_data(volume: Volume) -> Volume:
    """Have a member vote and get data."""
    volume.put("100000000")
    volume.start()
    volume.fill("log.100000001", "acceptedEpoch", "currentEpoch")
    return volume


def empty(volume: Volume) -> Volume:
    """The same volume, new."""
    volume.wipe()
    (volume.root / "data").mkdir()
    return volume


def epochs(volume: Volume) -> list[str]:
    return [(volume.data / "version-2" / name).read_text().strip() for name in ("acceptedEpoch", "currentEpoch")]


def test_the_seed_leads_alone_with_its_data_and_a_raised_epoch(survivor: Volume) -> None:
    survivor.incarnation, survivor.seed = "65536", "main-zk-1"
    dynamic = survivor.start("main-zk-1")
    assert dynamic == f"server.2=main-zk-1.{DOMAIN}:2888:3888:participant;0.0.0.0:2181\n"
    assert epochs(survivor) == ["65536", "65536"]
    assert (survivor.data / "version-2" / "log.100000001").exists()


def test_a_seed_that_was_killed_before_it_led_begins_again(survivor: Volume) -> None:
    survivor.incarnation, survivor.seed = "65536", "main-zk-1"
    survivor.start("main-zk-1")
    (survivor.data / "version-2" / "acceptedEpoch").write_text("65537\n")
    assert voters(survivor.start("main-zk-1")) == ["server.2"]
    assert epochs(survivor) == ["65537", "65537"], "the accepted epoch is never lowered"


def test_a_seed_that_has_led_restarts_as_any_member(survivor: Volume) -> None:
    survivor.incarnation, survivor.seed = "65536", "main-zk-1"
    survivor.start("main-zk-1")
    survivor.put("1000100000000")
    assert len(voters(survivor.start("main-zk-1"))) == 3


def test_everybody_else_puts_its_data_aside_once_and_joins(survivor: Volume) -> None:
    survivor.incarnation, survivor.seed = "65536", "main-zk-0"
    joined = survivor.start("main-zk-1")
    assert "server.2" not in voters(joined)
    assert len(list((survivor.root / "data" / "aside").glob("65536.*/version-2/log.100000001"))) == 1
    survivor.fill("snapshot.1000100000000")
    survivor.start("main-zk-1")
    assert (survivor.data / "version-2" / "snapshot.1000100000000").exists(), "what it has copied since stays"


def test_a_new_volume_joins_an_ensemble_that_began_again(volume: Volume) -> None:
    volume.incarnation = "65536"
    assert "server.2" not in voters(volume.start("main-zk-1"))
    assert not (volume.root / "data" / "aside").exists()


def test_a_seed_without_data_is_refused_and_nothing_is_changed(volume: Volume) -> None:
    volume.put("100000000")
    volume.start("main-zk-1")
    volume.incarnation, volume.seed = "65536", "main-zk-1"
    assert "approve the recovery from another member" in volume.refuses("main-zk-1")
    assert (volume.conf / "zoo.cfg.dynamic.100000000").exists()


def test_a_crash_between_any_two_parts_of_the_beginning_loses_no_data(survivor: Volume) -> None:
    survivor.incarnation, survivor.seed = "65536", "main-zk-0"
    survivor.tools["mv"] = 'case "$*" in *conf/incarnation) exit 1 ;; *) exec /bin/mv "$@" ;; esac'
    assert survivor.run("main-zk-1", "", "").returncode != 0
    del survivor.tools["mv"]
    (survivor.root / "bin" / "mv").unlink()
    survivor.start("main-zk-1")
    assert list((survivor.root / "data" / "aside").glob("65536.*/version-2/log.100000001"))


# With a backup


def restoring(volume: Volume, name: str = "snapshot.50000002a.gz") -> Path:
    """Have the volume be that of a seed for which a backup was fetched."""
    volume.incarnation, volume.seed, volume.seed_from = "65536", "main-zk-1", "Backup"
    fetched = volume.root / "data" / "restore" / "65536"
    fetched.mkdir(parents=True)
    (fetched / name).write_text("the backup")
    return fetched


def contents(volume: Volume) -> set[str]:
    return {file.name for file in (volume.data / "version-2").iterdir()}


def test_a_seed_with_a_backup_leads_alone_with_nothing_but_that(survivor: Volume) -> None:
    survivor.fill("snapshot.900000000")
    restoring(survivor)
    assert voters(survivor.start("main-zk-1")) == ["server.2"]
    assert contents(survivor) == {"snapshot.50000002a.gz", "acceptedEpoch", "currentEpoch"}
    assert epochs(survivor) == ["65536", "65536"]
    assert list((survivor.root / "data" / "aside").glob("65536.*/version-2/log.100000001")), "its own data is kept"


def test_a_new_seed_begins_with_a_backup(volume: Volume) -> None:
    restoring(volume)
    assert voters(volume.start("main-zk-1")) == ["server.2"]
    assert (volume.data / "version-2" / "snapshot.50000002a.gz").read_text() == "the backup"


def test_a_seed_without_the_backup_is_refused_and_keeps_what_it_has(survivor: Volume) -> None:
    survivor.incarnation, survivor.seed, survivor.seed_from = "65536", "main-zk-1", "Backup"
    assert "there is none in" in survivor.refuses("main-zk-1")
    assert (survivor.data / "version-2" / "log.100000001").exists()


def test_what_a_seed_has_written_with_a_backup_stays_when_it_starts_again(survivor: Volume) -> None:
    restoring(survivor)
    survivor.start("main-zk-1")
    survivor.fill("log.1000000000001")
    assert voters(survivor.start("main-zk-1")) == ["server.2"]
    assert "log.1000000000001" in contents(survivor)


def killed_between_any_two_parts(volume: Volume, nth: int) -> None:
    restoring(volume)
    count = '"${0%/*}/moves"'
    volume.tools["mv"] = f"""n=$(($(cat {count} 2>/dev/null || echo 0) + 1)); echo "$n" >{count}
[ "$n" -lt {nth} ] && exec /bin/mv "$@"; exit 1"""
    assert volume.run("main-zk-1", "", "").returncode != 0
    del volume.tools["mv"]
    (volume.root / "bin" / "mv").unlink()
    assert voters(volume.start("main-zk-1")) == ["server.2"]
    assert contents(volume) == {"snapshot.50000002a.gz", "acceptedEpoch", "currentEpoch"}


@pytest.mark.parametrize("nth", range(1, 8))
def test_a_seed_that_is_killed_between_any_two_parts_begins_with_the_backup_alone(survivor: Volume, nth: int) -> None:
    killed_between_any_two_parts(survivor, nth)
    assert len(list((survivor.root / "data" / "aside").glob("65536.*/version-2/log.100000001"))) == 1


@pytest.mark.parametrize("nth", range(1, 7))
def test_so_does_a_new_one(volume: Volume, nth: int) -> None:
    killed_between_any_two_parts(volume, nth)


def test_the_fetched_file_goes_when_the_seed_has_led_and_restarts_as_any_member(survivor: Volume) -> None:
    fetched = restoring(survivor)
    survivor.start("main-zk-1")
    survivor.put("1000100000000")
    survivor.start("main-zk-1")
    assert fetched.exists(), "as long as it is the seed, it may have to begin again"
    survivor.seed = survivor.seed_from = ""
    survivor.start("main-zk-1")
    assert not fetched.exists()
    assert "snapshot.50000002a.gz" in contents(survivor)


def test_another_member_takes_no_backup(survivor: Volume) -> None:
    restoring(survivor)
    survivor.seed = "main-zk-0"
    assert "server.2" not in voters(survivor.start("main-zk-1"))
    assert not (survivor.data / "version-2").exists()


def test_a_copy_of_a_volume_is_refused_before_anything_is_put_aside(survivor: Volume) -> None:
    survivor.ensemble, survivor.incarnation, survivor.seed = "another", "65536", "main-zk-0"
    survivor.refuses("main-zk-1")
    assert (survivor.data / "version-2" / "log.100000001").exists()


SCRIPT: dict[str, tuple[str, str, Callable[[Volume], None]]] = {
    "the data of the past is put aside": (
        '  mv "$data/version-2" "$aside/"\n',
        "",
        test_everybody_else_puts_its_data_aside_once_and_joins,
    ),
    "once": ('[ "$begun" -lt "${ZK_INCARNATION:-0}" ]', "true", test_everybody_else_puts_its_data_aside_once_and_joins),
    "but not the seed's": (
        "  elif is_seed; then\n",
        "  elif false; then\n",
        test_the_seed_leads_alone_with_its_data_and_a_raised_epoch,
    ),
    "a seed has data": (
        '    has_data "$data" || refuse',
        "    true || refuse",
        test_a_seed_without_data_is_refused_and_nothing_is_changed,
    ),
    "the old configuration goes": (
        '  rm -f "$conf"/zoo.cfg.dynamic* "$conf/founding" "$conf/taken-over" "$data/initialize"\n  echo "$ZK',
        '  echo "$ZK',
        test_everybody_else_puts_its_data_aside_once_and_joins,
    ),
    "the seed votes alone": (
        "if is_seed && [ -z",
        "if false && [ -z",
        test_the_seed_leads_alone_with_its_data_and_a_raised_epoch,
    ),
    "until it has led": (
        'if is_seed && [ -z "$version" ]',
        "if is_seed",
        test_a_seed_that_has_led_restarts_as_any_member,
    ),
    "its epoch is raised": ("  raise_epoch\n", "", test_the_seed_leads_alone_with_its_data_and_a_raised_epoch),
    "and never lowered": (
        '[ "$epoch" -ge "$ZK_INCARNATION" ] || ',
        "",
        test_a_seed_that_was_killed_before_it_led_begins_again,
    ),
    "a seed takes the backup": (
        '  if is_seed && [ -n "${ZK_SEED_FROM:-}" ]; then\n',
        "  if false; then\n",
        test_a_seed_with_a_backup_leads_alone_with_nothing_but_that,
    ),
    "which is there": (
        '  any "$fetched"/snapshot.* || refuse',
        "  true || refuse",
        test_a_seed_without_the_backup_is_refused_and_keeps_what_it_has,
    ),
    "in place of what it had": (
        "  done\n  put_aside\n",
        '  done\n  cp -r "$data/version-2/." "$data/version-2.restored/"\n  put_aside\n',
        test_a_seed_with_a_backup_leads_alone_with_nothing_but_that,
    ),
    "which is put aside": (
        "  done\n  put_aside\n",
        '  done\n  rm -rf "$data/version-2"\n',
        test_a_seed_with_a_backup_leads_alone_with_nothing_but_that,
    ),
    "a volume without more than that is its own": (
        "  for mark in taken-over restoring incarnation; do",
        "  for mark in taken-over; do",
        lambda volume: test_so_does_a_new_one(empty(volume), 2),
    ),
    "the file goes in the end": (
        '  [ -n "${ZK_SEED_FROM:-}" ] || rm -rf "${data%/*}/restore"\n',
        "",
        test_the_fetched_file_goes_when_the_seed_has_led_and_restarts_as_any_member,
    ),
    "and not before": (
        '  [ -n "${ZK_SEED_FROM:-}" ] || rm -rf',
        "  rm -rf",
        test_the_fetched_file_goes_when_the_seed_has_led_and_restarts_as_any_member,
    ),
    "whose the data is, is written last": (
        '  echo "$ZK_INCARNATION" >"$conf/incarnation.tmp"\n  mv "$conf/incarnation.tmp" "$conf/incarnation"\n',
        "",
        test_everybody_else_puts_its_data_aside_once_and_joins,
    ),
}


@pytest.mark.parametrize("guard", SCRIPT)
def test_a_start_script_without_this_guard_is_noticed(guard: str, tmp_path: Path) -> None:
    old, new, claim = SCRIPT[guard]
    volume = with_bug(tmp_path, old, new)
    with pytest.raises(AssertionError):
        claim(volume if claim is test_a_seed_without_data_is_refused_and_nothing_is_changed else with_data(volume))
