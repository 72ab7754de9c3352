"""Objects made from our own schemas: mostly valid ones, and ones with a part of them spoiled.

The strategies read `crds/*.yaml` alone, so a new field is generated from the day it is in the schema. A pattern that a
CEL rule asks for is followed; other rules are not understood, so an object made here may still be refused.
"""

import copy
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

CRDS = Path(__file__).parents[3] / "crds"
Schema = dict[str, Any]
Spec = dict[str, Any]
Step = str | int

_MATCHES = re.compile(r"^self\.matches\(r'(.*)'\)$", re.DOTALL)
_KEYS_MATCH = re.compile(r"self\.all\(k, k\.matches\(r'([^']*)'\)\)")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_WORDS = st.text(_LETTERS + "-./_:", min_size=1, max_size=12)
# What belongs in no field: wrong types, bounds and their neighbours, control characters, templates, paths upwards.
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, True, 0, -1, 1.5, 2**31, 2**63, "", " ", "0", "\n", "a\nb", "a\x00b", "\u2028", "é" * 300, "x" * 3000),
        *("..", "/", "//", "/a/../b", "/zookeeper", "/zkoperator/x", "$(id)", "{{ .x }}", "${jndi:x}", [], {}, [None]),
        *({"": ""}, {"a": {"b": []}}, ["a", "a"], "10Gi", "-1Gi", "1e3", "0.5"),
    ]
)


@functools.cache
def spec_schema(kind: str) -> Schema:
    """The schema of `spec` of a kind, by the plural's file name. Nobody changes it."""
    document = yaml.safe_load((CRDS / f"{kind}.yaml").read_text())
    schema: Schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def leaves(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every field that holds a value of its own; list items are `[]`, values of a map `*`."""
    if "properties" in schema:
        for name, part in schema["properties"].items():
            yield from leaves(part, (*path, name))
    elif schema.get("type") == "array":
        yield from leaves(schema["items"], (*path, "[]"))
    elif isinstance(schema.get("additionalProperties"), dict):
        yield from leaves(schema["additionalProperties"], (*path, "*"))
    else:
        yield path


def narrowed(schema: Schema, path: Sequence[str]) -> Schema:
    """The schema of values that have the field, and beside it only what they must have."""
    if schema.get("type") == "array":
        return {**schema, "minItems": max(1, schema.get("minItems", 0)), "items": narrowed(schema["items"], path)}
    if not path or "properties" not in schema:
        return schema
    required = {path[0], *schema.get("required", ())}
    parts = {name: part for name, part in schema["properties"].items() if name in required}
    parts[path[0]] = narrowed(parts[path[0]], path[1:])
    return {**schema, "required": sorted(required), "properties": parts}


def objects(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that fit a structural schema, as far as the schema itself says."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(0, 100) | st.sampled_from(["1", "100m", "1Gi", "50%"])
    makers: dict[str, Callable[[Schema], st.SearchStrategy[Any]]] = {
        "object": _maps,
        "array": _lists,
        "string": _texts,
        "integer": _integers,
        "boolean": lambda _: st.booleans(),
        "number": lambda _: st.floats(0, 100),
    }
    return makers[schema["type"]](schema)


def spoiled(valid: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value of which one part, wherever it is, was replaced by junk."""

    @st.composite
    def spoil(draw: st.DrawFn) -> Any:
        value = copy.deepcopy(draw(valid))
        path = draw(st.sampled_from(list(_places(value)) or [()]))
        return _replaced(value, path, draw(JUNK))

    return spoil()


def _maps(schema: Schema) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        values = schema.get("additionalProperties")
        keys = _keys(schema)
        return st.dictionaries(keys, objects(values) if isinstance(values, dict) else _WORDS, max_size=3)
    required = schema.get("required", ())
    parts = {name: objects(part) for name, part in schema["properties"].items()}
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def _keys(schema: Schema) -> st.SearchStrategy[str]:
    """Keys as a rule of the map wants them, or those that it names, beside any others."""
    rules = str(schema.get("x-kubernetes-validations", ""))
    if (found := _KEYS_MATCH.search(rules)) is not None:
        return _WORDS | st.from_regex(re.compile(found[1]), fullmatch=True, alphabet=_ALPHABET)
    named = sorted(set(re.findall(r"'([A-Za-z][A-Za-z0-9.]+)'", rules)))
    return st.sampled_from(named) | _WORDS if named else _WORDS


def _lists(schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
    keys = schema.get("x-kubernetes-list-map-keys")
    unique = schema.get("x-kubernetes-list-type") in ("map", "set")
    return st.lists(
        objects(schema["items"]),
        min_size=low,
        max_size=max(low, high),
        unique_by=(lambda item: str([item.get(key) for key in keys] if keys else item)) if unique else None,
    )


def _integers(schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum", -1000), schema.get("maximum", 100_000)
    return st.sampled_from([low, high]) | st.integers(low, high)


def _texts(schema: Schema) -> st.SearchStrategy[Any]:
    patterns = [schema["pattern"]] if "pattern" in schema else []
    patterns += [
        found[1] for rule in schema.get("x-kubernetes-validations", ()) if (found := _MATCHES.match(rule["rule"]))
    ]
    low, high = schema.get("minLength", 0), min(schema.get("maxLength", 40), 40)
    if not patterns:
        return st.text(_LETTERS + "-./_: ", min_size=low, max_size=high)
    return st.from_regex(_python(patterns[0]), fullmatch=True, alphabet=_ALPHABET).filter(
        lambda text: low <= len(text) <= schema.get("maxLength", 200)
    )


_ALPHABET = st.characters(codec="utf-8", max_codepoint=0x2FF)


def _python(pattern: str) -> re.Pattern[str]:
    """A pattern of RE2 as Python writes it."""
    return re.compile(re.sub(r"\\x\{([0-9a-f]{4})\}", r"\\u\1", pattern))


def _places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    parts: Sequence[tuple[Step, Any]] = ()
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    for name, part in parts:
        yield (*path, name)
        yield from _places(part, (*path, name))


def _replaced(value: Any, path: tuple[Step, ...], junk: Any) -> Any:
    if not path:
        return junk
    value[path[0]] = _replaced(value[path[0]], path[1:], junk)
    return value
