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


def test_a_misspelt_variable_is_refused_instead_of_ignored() -> None:
    with pytest.raises(InvalidError, match="ZKOPERATOR_NAMESPACE_LIST: unknown variable"):
        read_settings({}, {"ZKOPERATOR_NAMESPACE_LIST": "demo"})
