"""The keys of zoo.cfg: a closed list, a reason for each refusal, and no key on both sides."""

import pytest

from zkoperator.api.zoocfg import ALLOWED, REFUSED, Choice, Number, combination_error, refusal, value_error

STRIMZI_FORBIDDEN = (
    *(
        "server.1",
        "dataDir",
        "dataLogDir",
        "clientPort",
        "secureClientPort",
        "authProvider.1",
        "quorum.auth.enableSasl",
    ),
    *(
        "requireClientAuthScheme",
        "snapshot.trust.empty",
        "standaloneEnabled",
        "reconfigEnabled",
    ),
    *("ssl.trustStore.location", "serverCnxnFactory", "sslQuorum"),
)
"""What the best known operator forbids; ours must not be laxer."""


@pytest.mark.parametrize("key", STRIMZI_FORBIDDEN)
def test_what_others_forbid_is_refused_with_a_reason_of_its_own(key: str) -> None:
    why = refusal(key)
    assert why is not None
    assert "not on the list" not in why


def test_no_key_is_allowed_and_refused() -> None:
    assert [key for key in ALLOWED if any(reason.covers(key) for reason in REFUSED)] == []


def test_an_allowed_key_has_no_refusal() -> None:
    assert [key for key in ALLOWED if refusal(key) is not None] == []


@pytest.mark.parametrize("key", ["TickTime", "ticktime", "tickTime ", "dataDir2", "", "initialize"])
def test_a_key_that_is_not_listed_letter_by_letter_is_refused(key: str) -> None:
    assert refusal(key) is not None


@pytest.mark.parametrize("key", sorted(ALLOWED))
def test_the_bounds_of_a_key_are_good_values_and_what_lies_beyond_is_not(key: str) -> None:
    match ALLOWED[key]:
        case Number(least, most, or_nought):
            assert (value_error(key, "0") is None) == (or_nought or least <= 0)
            assert value_error(key, str(least)) is None
            assert value_error(key, str(most)) is None
            assert value_error(key, str(least - 1)) is not None
            assert value_error(key, str(most + 1)) is not None
        case Choice(words):
            assert all(value_error(key, word) is None for word in words)
            assert value_error(key, words[0].upper()) is not None


@pytest.mark.parametrize("value", ["", " 2000", "2000 ", "2_000", "0x10", "٢٠٠٠", "2000\n", "+2000", "2e3"])
def test_only_plain_digits_are_a_number(value: str) -> None:
    assert value_error("tickTime", value) is not None


def test_session_times_are_compared_with_what_the_tick_makes_of_them() -> None:
    assert combination_error({"tickTime": "1000", "minSessionTimeout": "20001"}) is not None
    assert combination_error({"tickTime": "2000", "minSessionTimeout": "20001"}) is None
    assert combination_error({"maxSessionTimeout": "3999"}) is not None
    assert combination_error({}) is None


def test_autopurge_cannot_be_turned_off() -> None:
    assert value_error("autopurge.purgeInterval", "0") is not None


@pytest.mark.parametrize("key", ["localSessionsEnabled", "localSessionsUpgradingEnabled"])
def test_what_would_blind_or_mislead_the_operator_is_refused_with_a_reason_of_its_own(key: str) -> None:
    assert any(reason.covers(key) for reason in REFUSED)


@pytest.mark.parametrize("key", ["maxClientCnxns", "maxCnxns"])
def test_connections_are_unlimited_or_enough_for_the_operator_and_the_probes(key: str) -> None:
    assert value_error(key, "0") is None
    assert all(value_error(key, str(number)) is not None for number in range(1, 10))
    assert value_error(key, "10") is None
