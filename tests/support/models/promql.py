"""PromQL, parsed by a grammar of its own: which metrics an expression uses, and how."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import promql_parser as promql

Matchers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Use:
    """One selector: the metric, its matchers, the labels by which it is grouped or matched, and the innermost call."""

    metric: str
    matchers: Matchers = ()
    grouped: frozenset[str] = frozenset()
    call: str = ""

    @property
    def labels(self) -> frozenset[str]:
        return self.grouped | {label for label, _ in self.matchers}


def uses(expression: str) -> tuple[Use, ...]:
    """Every selector of an expression. Raises ValueError for one that is no PromQL, types included."""
    return tuple(_walk(promql.parse(expression.replace("$__rate_interval", "5m")), Use("")))


def _walk(node: Any, around: Use) -> Iterator[Use]:
    match node:
        case promql.VectorSelector():
            matchers = tuple((matcher.name, matcher.value) for matcher in node.matchers.matchers)
            yield replace(around, metric=node.name or "", matchers=matchers)
        case promql.MatrixSelector():
            yield from _walk(node.vector_selector, around)
        case promql.Call():
            for argument in node.args:
                yield from _walk(argument, replace(around, call=node.func.name))
        case promql.AggregateExpr():
            labels = node.modifier.labels if node.modifier is not None else ()
            yield from _walk(node.expr, replace(around, grouped=around.grouped | set(labels)))
        case promql.BinaryExpr():
            yield from _walk(node.lhs, around)
            yield from _walk(node.rhs, around)
        case promql.ParenExpr() | promql.SubqueryExpr() | promql.UnaryExpr():
            yield from _walk(node.expr, around)
