"""What the composition root adds to the settings."""

from zkoperator.acting import _api_addresses


def test_the_address_of_the_api_server_is_protected_in_a_pod() -> None:
    assert _api_addresses({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "OTHER": "10.0.0.2"}) == {"10.0.0.1"}


def test_outside_of_a_pod_there_is_nothing_to_protect() -> None:
    assert _api_addresses({}) == frozenset()
