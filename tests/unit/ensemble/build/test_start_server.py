"""With which memory, configuration and files of TLS the server runs; the start procedure in a real shell."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.machines.member_volume import (
    Volume,
    with_bug,
)


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


def _limited(volume: Volume) -> None:
    test_the_heap_is_the_share_of_the_limit_that_the_container_really_has(volume, "memory.max")


def _limited_of_old(volume: Volume) -> None:
    test_the_heap_is_the_share_of_the_limit_that_the_container_really_has(volume, "memory/memory.limit_in_bytes")


def _unlimited(volume: Volume) -> None:
    test_without_a_limit_the_heap_is_that_of_the_spec(volume, "9223372036854771712")


def _lacking(volume: Volume) -> None:
    test_what_the_image_lacks_is_named(volume, "zkServer.sh")


SCRIPT: dict[str, tuple[str, str, Callable[[Volume], None]]] = {
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
}


@pytest.mark.parametrize("guard", SCRIPT)
def test_a_start_script_without_this_guard_is_noticed(guard: str, tmp_path: Path) -> None:
    old, new, claim = SCRIPT[guard]
    volume = with_bug(tmp_path, old, new)
    with pytest.raises(AssertionError):
        claim(volume)
