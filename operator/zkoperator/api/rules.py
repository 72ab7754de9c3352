"""A rule that is written once and checked twice: by the API server as CEL, by the operator as Python.

The API server refuses most bad objects before the operator reads them. The operator checks again, because the installed
CRD may be older than the operator, and because `render` works without a server.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

ERROR_TYPE = "rules"
"""The type of the pydantic error that carries failed rules in its context, as `failures: [(field, message), ...]`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition on a value.

    Args:
        message: What is wrong and what to write instead, without the field's own path.
        cel: The condition for the API server, on `self`; empty when another keyword of the schema checks the same.
        holds: The condition for the operator; None for a rule on a change (`oldSelf`), which needs two objects.
        field: Path of the wrong field below the value, such as `keys.ephemerals`, or `[autopurge.purgeInterval]` for a
            key of a map; empty for the value itself.
        explain: Returns a message of the operator that names the wrong part. (In CEL, a `messageExpression` for a map
            exceeds the cost limit of the API server, because keys have no bound.)
    """

    message: str
    cel: str = ""
    holds: Callable[[Any], bool] | None = None
    field: str = ""
    explain: Callable[[Any], str] | None = None

    def failure(self, value: Any) -> tuple[str, str] | None:
        """Return `(field, message)` when the value breaks the rule."""
        if self.holds is None or self.holds(value):
            return None
        return self.field, self.explain(value) if self.explain is not None else self.message

    def to_schema(self) -> dict[str, Any]:
        """Return the entry for `x-kubernetes-validations`."""
        if self.field.startswith("metadata."):
            # The API server accepts no fieldPath in metadata, so the message names the field.
            return {"rule": self.cel, "message": f"{self.field}: {self.message}"}
        if self.field:
            return {"rule": self.cel, "message": self.message, "fieldPath": self._field_path()}
        return {"rule": self.cel, "message": self.message}

    def _field_path(self) -> str:
        return f"['{self.field[1:-1]}']" if self.field.startswith("[") else f".{self.field}"


def matching(regex: str, message: str) -> Rule:
    r"""Return the rule that the whole text matches `regex`.

    The expression has the syntax of RE2 (code points as `\x{e000}`) and must mean the same in Python's `re`.
    """
    compiled = re.compile(re.sub(r"\\x\{([0-9a-f]{4})\}", r"\\u\1", regex))
    return Rule(
        message,
        cel=f"self.matches(r'^(?:{regex})$')",
        holds=lambda text: compiled.fullmatch(text) is not None,
    )


def immutable(why: str) -> Rule:
    """Return the rule that a value cannot be changed. `why` gives the reason, and what to do instead."""
    return Rule(f"cannot be changed: {why}", cel="self == oldSelf")


def check(rules: tuple[Rule, ...], value: Any) -> None:
    """Raise one error that lists every rule that the value breaks."""
    failures = [failure for rule in rules if (failure := rule.failure(value)) is not None]
    if failures:
        raise PydanticCustomError(
            ERROR_TYPE, "{summary}", {"summary": "; ".join(message for _, message in failures), "failures": failures}
        )


def schema_of(rules: tuple[Rule, ...]) -> dict[str, Any]:
    """Return what the rules add to a JSON schema."""
    entries = [rule.to_schema() for rule in rules if rule.cel != ""]
    return {"x-kubernetes-validations": entries} if entries else {}


class Rules:
    """Annotates a field with rules: `path: Annotated[str, Rules(...)]`. For a model, set `Model.rules` instead."""

    def __init__(self, *rules: Rule) -> None:
        self._rules = rules

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the rules after the type."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add the rules to the schema of the type, after those that it has already."""
        inner = dict(handler(schema))
        mine = schema_of(self._rules).get("x-kubernetes-validations", [])
        if mine:
            inner["x-kubernetes-validations"] = [*inner.get("x-kubernetes-validations", []), *mine]
        return inner

    def _checked(self, value: Any) -> Any:
        check(self._rules, value)
        return value
