"""Paths and values survive the way to the ConfigMap and back."""

import contextlib
import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from zkoperator.mirror.model.keys import (
    MAX_KEY,
    Unmappable,
    decode_binary,
    decode_text,
    encode_binary,
    encode_text,
    key_of,
    path_of,
)
from zkoperator.mirror.model.ledger import Ledger, Pushed, decode_ledger, encode_ledger
from zkoperator.mirror.model.merge_base import Base, Detached, Side, decode_base, encode_base

_NAMES = st.text(
    st.characters(
        min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters="/", exclude_categories=("Cs", "Cc", "Cn")
    ),
    min_size=1,
    max_size=12,
) | st.text("abx_5f.-0", min_size=1, max_size=12)
_PATHS = st.lists(_NAMES.filter(lambda name: name not in (".", "..")), max_size=4).map("/".join)
_KEYS = st.text("abx_5fe9.-0A", min_size=1, max_size=20)
_DIGESTS = st.binary(min_size=12, max_size=12)


@given(_PATHS)
def test_every_path_has_a_key_of_its_own_and_comes_back(path: str) -> None:
    key = key_of(path)
    if isinstance(key, Unmappable):
        assert "characters" in key.reason
        return
    assert re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) is not None
    assert key not in (".", "..")
    assert not key.startswith("..")
    assert path_of(key) == path


@given(_PATHS, _PATHS)
def test_two_paths_never_share_a_key(left: str, right: str) -> None:
    assert (key_of(left) == key_of(right)) == (left == right)


@given(_KEYS)
def test_a_key_stands_for_a_path_only_if_it_is_that_path_s_key(key: str) -> None:
    path = path_of(key)
    if isinstance(path, str):
        assert key_of(path) == key
    else:
        assert path.name == key
        assert path.reason


@given(st.binary(max_size=200))
def test_every_value_comes_back_from_exactly_one_of_both_maps(value: bytes) -> None:
    text = encode_text(value)
    back = decode_text(text) if text is not None else decode_binary(encode_binary(value))
    assert back == value


def _as_kubectl_reads(value: str) -> str:
    """Print a value as Go's JSON does, which escapes these two separators, and read that as YAML, as kubectl does."""
    text = json.dumps({"k": value}, ensure_ascii=False).replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")
    return str(yaml.safe_load(text)["k"])


_REFUSED = [*range(0x7F, 0xA0), 0xFFFE, 0xFFFF]


def test_whatever_stands_in_data_is_shown_and_edited_as_yaml_unchanged() -> None:
    every = [chr(code) for code in range(0x11_0000) if not 0xD800 <= code <= 0xDFFF]
    carried = "".join(char for char in every if encode_text(char.encode()) is not None)
    assert _as_kubectl_reads(carried) == carried
    assert len(every) - len(carried) == len(_REFUSED)


@pytest.mark.parametrize("char", [chr(code) for code in _REFUSED])
def test_no_value_that_yaml_can_carry_is_hidden_in_base64(char: str) -> None:
    assert encode_text(char.encode()) is None
    with contextlib.suppress(yaml.YAMLError):
        assert _as_kubectl_reads(f"a {char} b") != f"a {char} b"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\t\n\r \x00\x1b\x7f\x85\u2028\ufeff\ufffe")))
def test_a_text_in_data_survives_yaml_wherever_its_characters_stand(value: str) -> None:
    if encode_text(value.encode()) is not None:
        assert _as_kubectl_reads(value) == value


def test_readable_names_stay_as_they_are() -> None:
    assert key_of("") == "__root"
    assert key_of("db/pool_size") == "db__pool_size"
    for name in ("LOG_LEVEL", "application.properties", "a-b_c.d"):
        assert key_of(name) == name
    assert isinstance(key_of("x" * (MAX_KEY + 1)), Unmappable)


@given(
    st.dictionaries(_KEYS, _DIGESTS, max_size=30),
    st.dictionaries(_KEYS, st.builds(Detached, st.sampled_from(Side), _DIGESTS), max_size=4),
    st.booleans(),
    st.dictionaries(st.sampled_from(["", "/", "/a"]), st.frozensets(st.integers(1, 1 << 60), max_size=3)),
    st.frozensets(st.integers(1, 1 << 60), max_size=3),
)
def test_a_base_comes_back_as_it_was(
    digests: dict[str, bytes],
    detached: dict[str, Detached],
    rebuilt: bool,
    roots: dict[str, frozenset[int]],
    held: frozenset[int],
) -> None:
    base = Base("uid", 0x100000002, roots, 18, digests, detached, rebuilt, held_roots=held, path="/a")
    assert decode_base(encode_base(base)) == base


@given(st.text(max_size=60) | st.text(max_size=40).map("1:".__add__))
def test_an_annotation_that_is_no_base_is_no_base(text: str) -> None:
    assert decode_base(text) is None


@given(
    st.dictionaries(_KEYS, st.builds(Pushed, st.none() | _DIGESTS, st.none() | st.integers(1, 1 << 60)), max_size=20),
    st.frozensets(_PATHS, max_size=5),
)
def test_a_ledger_comes_back_as_it_was(entries: dict[str, Pushed], parents: frozenset[str]) -> None:
    ledger = Ledger(3, 1, 2, 7, "12", entries, parents)
    assert decode_ledger(encode_ledger(ledger), version=3, czxid=1, mzxid=2) == ledger
