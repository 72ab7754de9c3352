"""Hosts as people write them."""

import pytest

from zkoperator.errors import InvalidError
from zkoperator.zk.hosts import Address, parse_hosts


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("zk-1:2182", Address("zk-1", 2182)),
        (" zk-1.example ", Address("zk-1.example", 2181)),
        ("10.0.0.1:2181", Address("10.0.0.1", 2181)),
        ("[::1]:2183", Address("::1", 2183)),
        ("[fe80::1]", Address("fe80::1", 2181)),
    ],
)
def test_hosts_are_read_as_people_write_them(entry: str, address: Address) -> None:
    assert parse_hosts([entry]) == (address,)
    assert parse_hosts([str(address)]) == (address,)


@pytest.mark.parametrize("entry", ["", ":2181", "zk:0", "zk:65536", "zk:port", "zk:"])
def test_an_unusable_host_is_named_with_the_fix(entry: str) -> None:
    with pytest.raises(InvalidError, match="write host:port"):
        parse_hosts([entry])


def test_a_chroot_suffix_is_refused_and_all_errors_are_told_at_once() -> None:
    with pytest.raises(InvalidError, match="chroot") as caught:
        parse_hosts(["zk-1:2181/app", "zk-2:2181", "zk-3:x"])
    assert len(caught.value.errors) == 2


def test_no_host_at_all_is_refused() -> None:
    with pytest.raises(InvalidError, match="at least one"):
        parse_hosts([])
