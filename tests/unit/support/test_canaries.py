"""The search for values and credentials finds them in every writing that a program might print."""

import base64
import hashlib
import json
import logging
from urllib.parse import quote

import pytest

from tests.support.models.canaries import Canaries
from zkoperator.logs import JsonFormatter, TextFormatter, about
from zkoperator.mirror.model.seal import seal_of
from zkoperator.zk.snapshot import digest_of


def planted() -> tuple[Canaries, str]:
    canaries = Canaries()
    return canaries, canaries.plant("value")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
def test_a_line_that_shows_a_value_is_found_in_either_format(formatter: logging.Formatter, before: bytes) -> None:
    canaries, canary = planted()
    seeded = {
        "plain": canary,
        "in a longer text": f"the value is {canary}, which is wrong",
        "in base64": base64.b64encode(before + canary.encode() + b" and more").decode(),
        "as bytes": repr(before + canary.encode()),
        "in an address": quote(f"/a?b={canary}", safe=""),
        "in hexadecimal": (before + canary.encode()).hex(),
    }
    for name, shown in seeded.items():
        record = logging.LogRecord("zkoperator", logging.INFO, "f.py", 1, "wrote %s", (shown,), None)
        record.__dict__.update(about("ConfigSync", "demo", "shop"))
        assert canaries.leaks({"log": formatter.format(record)}), name


def test_a_value_in_a_status_is_found() -> None:
    canaries, canary = planted()
    status = {"conditions": [{"message": f"ConfigMap is invalid: data[a]: Invalid value: {json.dumps(canary)}"}]}
    assert canaries.leaks({"status": json.dumps(status)}) == ["status shows the value, plain"]


def test_the_digest_of_a_password_is_a_credential_too() -> None:
    canaries = Canaries()
    password = canaries.plant("password")
    digest = canaries.digest("digest", "shop", password)
    assert canaries.leaks({"log": f"digest shop:{digest}"}) == ["log shows the digest, plain"]


def test_hashes_names_and_other_values_are_no_leaks() -> None:
    canaries, _ = planted()
    other = Canaries().plant("value")
    assert canaries.leaks({"log": f"shop {other} {base64.b64encode(other.encode()).decode()} 3f2a"}) == []


@pytest.mark.parametrize("name", ["sha256", "sha1", "md5", "sha512"])
def test_a_digest_that_lets_a_value_be_guessed_is_found(name: str) -> None:
    canaries, canary = planted()
    digest = hashlib.new(name, canary.encode()).digest()
    for shown in (digest.hex(), digest.hex()[:12], base64.b64encode(digest).decode()):
        assert canaries.guesses({"status": f"hash: {shown}"}, "value")
    assert canaries.guesses({"status": digest.hex()}, "other") == []


def test_the_digest_of_the_merge_base_is_found_and_a_keyed_one_is_not() -> None:
    canaries, canary = planted()
    assert canaries.guesses({"base": digest_of(canary.encode()).hex()}, "value")
    assert canaries.guesses({"base": seal_of(b"k" * 32, "uid").digest(canary.encode()).hex()}, "value") == []
