import pytest

from zkoperator.errors import InvalidError
from zkoperator.settings import Settings, read_settings


def test_a_flag_wins_over_its_variable() -> None:
    settings = read_settings({"log_format": "json"}, {"ZKOPERATOR_LOG_FORMAT": "text"})
    assert settings.log_format == "json"


def test_variables_fill_what_no_flag_names() -> None:
    settings = read_settings({"log_format": None}, {"ZKOPERATOR_NAMESPACES": "a, b,c", "ZKOPERATOR_LEASE": "false"})
    assert settings == Settings(namespaces=("a", "b", "c"), lease=False)


def test_all_unreadable_settings_are_named_at_once() -> None:
    with pytest.raises(InvalidError) as caught:
        read_settings({"port": "eighty"}, {"ZKOPERATOR_LOG_FORMAT": "xml", "ZKOPERATOR_WORKERS": "0"})
    assert {error.path for error in caught.value.errors} == {"--port", "ZKOPERATOR_LOG_FORMAT", "ZKOPERATOR_WORKERS"}


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("port", "eighty", "write a port from 0"),
        ("workers", "x", "write a number of 1 or more, not x"),
        ("default_image", "zookeeper 3.9", "registry/repository:tag"),
        ("namespaces", "demo,Team_A", "the name of a namespace, not Team_A"),
        ("namespace", "a b", "the name of a namespace"),
        ("allowed_hosts", "http://zk:2181/x", "host, host:port or *.domain"),
        ("allowed_hosts", "*", "host, host:port or *.domain"),
        ("cluster_domain", "cluster local", "a DNS domain"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_to_write(name: str, text: str, advice: str) -> None:
    with pytest.raises(InvalidError) as caught:
        read_settings({name: text}, {})
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    "host", ["zk", "zk:2181", "*.zk.example.com", "*.zk:2181", "10.0.0.1:2181", "[fd00::1]:2181", "fd00::1"]
)
def test_hosts_may_be_named_in_every_way_that_is_understood(host: str) -> None:
    assert read_settings({"allowed_hosts": host}, {}).allowed_hosts == (host,)


def test_a_misspelt_variable_is_refused_instead_of_ignored() -> None:
    with pytest.raises(InvalidError, match="ZKOPERATOR_NAMESPACE_LIST: unknown variable"):
        read_settings({}, {"ZKOPERATOR_NAMESPACE_LIST": "demo"})
