"""`lint` survives every object that is almost right, and refuses what the operator refuses."""

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from zkoperator.cli.view.findings import VALIDATORS, Severity, findings_of, is_ours
from zkoperator.cli.view.manifests import Document, documents
from zkoperator.cli.view.neighbours import shared_findings
from zkoperator.errors import InvalidError

SAMPLES = sorted((Path(__file__).parents[2] / "manifests" / "samples").glob("*.yaml"))
OBJECTS = [doc.value for path in SAMPLES for doc in documents(path.read_text(), path.name) if is_ours(doc)]

_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["", "a" * 300, "\x1b[0m", "Shop", "1Gi", "~", "yes"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _replaced(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    if isinstance(value, dict):
        return {key: _replaced(item, path[1:], odd) if key == path[0] else item for key, item in value.items()}
    return [_replaced(item, path[1:], odd) if at == path[0] else item for at, item in enumerate(value)]


@st.composite
def _almost_right(draw: st.DrawFn) -> dict[str, Any]:
    whole = draw(st.sampled_from(OBJECTS))
    places = [place for place in _places(whole) if place and place[0] != "apiVersion"]
    return _replaced(whole, draw(st.sampled_from(places)), draw(_ODD))  # type: ignore[no-any-return]


@settings(max_examples=300, deadline=None)
@given(_almost_right())
def test_an_object_that_is_almost_right_is_judged_as_the_operator_judges_it(raw: dict[str, Any]) -> None:
    document = Document("a.yaml", 1, raw)
    found = findings_of(document)
    shared_findings([document, document])
    kind, meta = raw.get("kind"), raw.get("metadata")
    if not isinstance(kind, str) or kind not in VALIDATORS or not isinstance(meta, dict):
        assert found
        return
    told = {(item.field, item.message) for item in found}
    refused = _refused(kind, {**raw, "metadata": {k: v for k, v in meta.items() if v is not None}})
    assert refused <= told
    errors = [item for item in found if item.severity is Severity.ERROR]
    for item in errors if not refused else ():
        assert "is not a field" in item.message or item.field.startswith("metadata.n")


def _refused(kind: str, raw: dict[str, Any]) -> set[tuple[str, str]]:
    """What the operator would find."""
    try:
        VALIDATORS[kind](raw)
    except InvalidError as error:
        return {(each.path, each.message) for each in error.errors}
    return set()


@settings(max_examples=100, deadline=None)
@given(_almost_right(), st.booleans())
def test_every_finding_has_a_line_of_the_file(raw: dict[str, Any], is_flow: bool) -> None:
    text = "# first\n---\n" + yaml.safe_dump(raw, default_flow_style=is_flow)
    for document in documents(text, "a.yaml"):
        assert all(2 <= item.line <= text.count("\n") for item in findings_of(document))
