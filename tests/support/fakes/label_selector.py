"""Label selectors as the API server reads them."""

import re
from collections.abc import Mapping

_TERM = re.compile(r"\s*(?:(!?)([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|\s(in|notin)\s*\(([^)]*)\))?)\s*(?:,|$)")


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether the labels satisfy every term of the selector; an empty one is satisfied by all."""
    position = 0
    while position < len(selector):
        term = _TERM.match(selector, position)
        if term is None:
            raise ValueError(f"unable to parse the label selector {selector!r}")
        if not _holds(term, labels):
            return False
        position = term.end()
    return True


def _holds(term: re.Match[str], labels: Mapping[str, str]) -> bool:
    negated, key, operator, value, set_operator, members = term.groups()
    found = labels.get(key)
    if operator:
        return (found == value) != (operator == "!=")
    if set_operator:
        inside = found in {member.strip() for member in members.split(",")}
        return inside != (set_operator == "notin")
    return (found is not None) != bool(negated)
