"""What an answer of the API server means."""

import json

import pytest

from zkoperator.errors import (
    ConflictError,
    FieldError,
    ForbiddenError,
    InvalidError,
    TooLargeError,
    TransientError,
    UngrantedError,
    UnknownOutcomeError,
    ZkOperatorError,
    brief_of,
)
from zkoperator.kube.failures import Request, translate, translate_watch_error, without_value
from zkoperator.kube.port import CONFIG_MAPS, STATEFUL_SETS, GoneError, Manifest, NoSuchKindError

READ = Request("get", CONFIG_MAPS, "demo", "shop")
WRITE = Request("patch", CONFIG_MAPS, "demo", "shop")


def status(code: int, **more: object) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "message": "told", **more}).encode()


@pytest.mark.parametrize(
    ("request_", "code", "kind"),
    [
        (READ, 403, ForbiddenError),
        (READ, 410, GoneError),
        (WRITE, 409, ConflictError),
        (WRITE, 422, InvalidError),
        (WRITE, 400, InvalidError),
        (WRITE, 413, TooLargeError),
        (READ, 404, NoSuchKindError),
        (READ, 429, TransientError),
        (WRITE, 429, TransientError),
        (READ, 500, TransientError),
        (WRITE, 500, UnknownOutcomeError),
        (WRITE, 503, UnknownOutcomeError),
        (READ, 302, TransientError),
    ],
)
def test_each_code_has_one_meaning(request_: Request, code: int, kind: type[ZkOperatorError]) -> None:
    assert type(translate(request_, code, status(code), {})) is kind


@pytest.mark.parametrize(
    ("body", "brief"),
    [
        (status(503, reason="ServiceUnavailable"), "patch configmaps: HTTP 500 ServiceUnavailable"),
        (status(500, reason="a text of a webhook: 1"), "patch configmaps: HTTP 500"),
        (b"<html>", "patch configmaps: HTTP 500"),
        (
            json.dumps({"message": 'failed calling webhook "guard.example.com": Post "https://x/?id=7": EOF'}).encode(),
            "patch configmaps: HTTP 500 (webhook guard.example.com failed)",
        ),
    ],
)
def test_the_short_form_of_an_error_has_no_words_of_others(body: bytes, brief: str) -> None:
    assert brief_of(translate(WRITE, 500, body, {})) == brief


def test_the_short_form_is_that_of_the_cause_where_there_is_one() -> None:
    error = ConflictError("the ConfigMap would be too large")
    error.__cause__ = translate(WRITE, 413, b"", {})
    assert brief_of(error) == "patch configmaps: HTTP 413"
    assert brief_of(ConflictError("a text")) == "Conflict"
    itself = ConflictError("raised from itself")
    itself.__cause__ = itself
    assert brief_of(itself) == "Conflict"


def test_all_causes_of_a_refusal_are_told() -> None:
    causes = [
        {"field": "spec.replicas", "message": "Invalid value: 12: must be less than or equal to 9"},
        {"field": "spec.image", "message": "Required value"},
    ]
    error = translate(WRITE, 422, status(422, details={"name": "shop", "causes": causes}), {})
    assert isinstance(error, InvalidError)
    assert error.errors == (
        FieldError("spec.replicas", "Invalid value: must be less than or equal to 9"),
        FieldError("spec.image", "Required value"),
    )


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('Invalid value: "hunter2": too short', "Invalid value: too short"),
        ('Invalid value: "a\\": \\"hunter2": too short', "Invalid value: too short"),
        ('Invalid value: {"a":"hunter2"}: wrong', "Invalid value: wrong"),
        ("Invalid value: hunter2: a: wrong", "Invalid value: wrong"),
        ("Invalid value: 12: must be less", "Invalid value: must be less"),
        ('Unsupported value: "hunter2"', "Unsupported value"),
        ('Duplicate value: "hunter2"', "Duplicate value"),
        ("Too long: may not be more than 5 bytes", "Too long: may not be more than 5 bytes"),
    ],
)
def test_the_rule_is_told_without_the_value(message: str, told: str) -> None:
    assert "hunter2" not in without_value(message)
    assert without_value(message) == told


def test_what_was_sent_to_a_config_map_is_not_quoted() -> None:
    error = translate(WRITE, 400, status(400, message="cannot parse 'hunter2'"), {})
    assert "hunter2" not in str(error)


def test_a_missing_permission_names_verb_kind_name_and_namespace() -> None:
    request = Request("patch", STATEFUL_SETS, "demo", "main-zk", "status")
    error = translate(request, 403, status(403), {})
    assert str(error) == "may not patch statefulsets/status.apps main-zk in namespace demo: told"


def test_only_a_permission_that_no_role_has_can_be_granted() -> None:
    message = 'secrets "shop" is forbidden: User "operator" cannot patch resource "secrets" in API group ""'
    error = translate(WRITE, 403, status(403, message=message), {})
    assert type(error) is UngrantedError and "add it to a Role" in str(error)
    error = translate(WRITE, 403, status(403, message='secrets "shop" is forbidden: exceeded quota: few'), {})
    assert type(error) is ForbiddenError and str(error).endswith("exceeded quota: few")


def test_another_uid_is_a_conflict_though_the_server_calls_it_invalid() -> None:
    causes = [{"field": "metadata.uid", "message": "Invalid value: field is immutable"}]
    error = translate(WRITE, 422, status(422, details={"name": "shop", "causes": causes}), {})
    assert isinstance(error, ConflictError)


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({"Retry-After": "7"}, {}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None),
        ({"Retry-After": "604800"}, {}, 60.0),
        ({"Retry-After": "9" * 400}, {}, 60.0),
        ({}, {"retryAfterSeconds": 10**400}, 60.0),
        ({"Retry-After": "inf"}, {}, None),
        ({"Retry-After": "nan"}, {}, None),
        ({"Retry-After": "-5"}, {"retryAfterSeconds": 3}, 3.0),
        ({}, {}, None),
    ],
)
def test_the_time_that_the_server_asks_for_is_kept(
    headers: dict[str, str], details: Manifest, seconds: float | None
) -> None:
    error = translate(READ, 429, status(429, details=details), headers)
    assert isinstance(error, TransientError)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"\xff", b'{"details": null}', b"[" * 5000])
def test_an_answer_of_any_shape_is_understood(body: bytes) -> None:
    for code in (400, 403, 404, 409, 422, 429, 500):
        assert isinstance(translate(WRITE, code, body, {}), ZkOperatorError)


def test_an_error_line_of_a_watch_is_gone_or_transient() -> None:
    assert type(translate_watch_error(READ, {"code": 410})) is GoneError
    assert type(translate_watch_error(READ, {"code": 500})) is TransientError
    assert type(translate_watch_error(READ, {})) is TransientError
