"""One rule, two executions."""

import pytest
from pydantic import ValidationError

from zkoperator.api.rules import Rule, check, immutable, matching


def test_a_pattern_holds_for_the_whole_text() -> None:
    rule = matching("[a-z]+", "write letters")
    assert rule.failure("abc") is None
    assert rule.failure("abc\n") == ("", "write letters")
    assert rule.failure("ab1c") == ("", "write letters")
    assert rule.to_schema() == {"rule": "self.matches(r'^(?:[a-z]+)$')", "message": "write letters"}


def test_code_points_are_written_for_re2_and_understood_by_python() -> None:
    rule = matching(r"[^\x{e000}-\x{f8ff}]+", "no private use")
    assert rule.failure("é") is None
    assert rule.failure("\uf000") is not None


def test_every_broken_rule_is_in_the_one_error() -> None:
    rules = (
        Rule("a", holds=lambda v: False, field="x"),
        Rule("b", holds=lambda v: True),
        Rule("c", holds=lambda v: False),
    )
    with pytest.raises(Exception, match="a; c") as caught:
        check(rules, 1)
    assert not isinstance(caught.value, ValidationError)
    assert caught.value.context["failures"] == [("x", "a"), ("", "c")]  # type: ignore[attr-defined]


def test_a_rule_on_a_change_cannot_be_broken_by_one_object() -> None:
    assert immutable("why").failure("anything") is None


@pytest.mark.parametrize(
    ("field", "path"),
    [("keys.ephemerals", ".keys.ephemerals"), ("tickTime", ".tickTime"), ("[a.b]", "['a.b']")],
)
def test_the_field_is_named_in_the_server_s_notation(field: str, path: str) -> None:
    assert Rule("m", cel="true", field=field).to_schema()["fieldPath"] == path


def test_a_rule_on_metadata_names_the_field_in_its_message_as_the_server_takes_no_path_there() -> None:
    schema = Rule("write less", cel="true", field="metadata.name").to_schema()
    assert schema == {"rule": "true", "message": "metadata.name: write less"}
