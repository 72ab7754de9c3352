"""What is nested without end is cut off, and nothing else is touched."""

import json
from typing import Any

import pytest

from zkoperator.kube.nesting import DEEPEST, shallow


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if levels % 2 else [value]
    return value


@pytest.mark.parametrize("levels", [1, 2, DEEPEST, DEEPEST - 1])
def test_what_can_be_read_is_left_as_it_is(levels: int) -> None:
    text = json.dumps(nested(levels)).encode()
    assert shallow(text) == text


@pytest.mark.parametrize("levels", [DEEPEST + 1, DEEPEST + 2, 900])
def test_what_is_deeper_becomes_null(levels: int) -> None:
    found = json.loads(shallow(json.dumps(nested(levels)).encode()))
    for _ in range(DEEPEST):
        found = found["a"] if levels % 2 else found[0]
    assert found is None


def test_the_rest_of_a_document_is_kept_whatever_stands_in_its_texts() -> None:
    deep = b'{"f:a":' * 5000 + b"{}" + b"}" * 5000
    odd = json.dumps({'k{"[': 'v}]\\" { "'}).encode()
    found = json.loads(shallow(b'{"items": [' + odd + b', {"metadata": {"managedFields": [' + deep + b']}}, "[["]}'))
    assert found["items"][0] == {'k{"[': 'v}]\\" { "'}
    assert found["items"][2] == "[["
