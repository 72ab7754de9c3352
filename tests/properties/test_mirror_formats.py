"""Every value comes back from a file as it was, also through the parsers that applications use; and files are merged
as keys are, whatever happens on the way."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.fakes.kube_files import kube_with
from tests.support.models.mirror_crash_points import differences, tell
from tests.support.models.mirror_episode import episode
from tests.support.models.mirror_stories import STORIES
from tests.support.worlds import mirror
from zkoperator.api.sync_format import FormatType
from zkoperator.mirror.model.ends.config_map import CONFIG_MAP_END
from zkoperator.mirror.model.file_format import FileFormat, view_of
from zkoperator.mirror.model.formats.text import BadTextError
from zkoperator.mirror.model.keys import ROOT_KEY, encode_text, key_of

FILES: list[FormatType] = [kind for kind in FormatType if kind is not FormatType.KEYS]
TRICKY = [
    *("", " ", "yes", "no", "on", "~", "null", "true", "007", "0x1F", "1e3", "1_000", ".inf", "2020-01-01", "12:30:45"),
    *(
        "a\nb",
        "a\n",
        "\n",
        "\r\n",
        "a\r\nb\r\n",
        "\t",
        " a ",
        "a: b",
        "# c",
        "a #b",
        "- x",
        "{",
        "[1]",
        "&a",
        "*a",
        "!x",
    ),
    *("=", ":", "a=b", "\\", "\\n", "\\u0041", "'", '"', "$HOME", "`id`", "$(id)", "a'b\"c", "%s", "!", "\u00e4\u00f6"),
    *("\u2028", "\u0085", "\ufeff", "\x7f", "\x00", "\x1b[0m", "\U0001f600", "\ud7ff\ue000", "a" * 2000),
]
VALUES = st.sampled_from(TRICKY) | st.text(max_size=12) | st.text("\\'\"\n\r\t $=:#!ux41e", max_size=12)
NAMES = st.text("abzAZ09.-_", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
KEYS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: str(key_of("/".join(names)))) | st.just(ROOT_KEY)
ODD_KEYS = (
    KEYS | st.text(max_size=6) | st.sampled_from(["a__", "__a", "a____b", "a__b", "a", "yes", "1.5", "null", "<<", "-"])
)
SEPARATORS = st.sampled_from(["__", "."])


def held(given_: FileFormat, values: dict[str, str]) -> dict[str, bytes]:
    """Those of the values that the format holds."""
    found = {key: value.encode() for key, value in values.items()}
    return {key: value for key, value in found.items() if not given_.problem_of(key, value)}


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(ODD_KEYS, VALUES, max_size=6), SEPARATORS)
def test_what_is_written_comes_back_byte_for_byte(kind: FormatType, values: dict[str, str], separator: str) -> None:
    form = FileFormat(kind, "file", separator)
    kept = held(form, values)
    text = form.render(kept)
    assert encode_text(text.encode()) == text, "kubectl can show and edit it"
    view = view_of({"data": {"file": text, "other": "x"}}, CONFIG_MAP_END, form)
    assert (view.values, view.flaw, view.beside_bytes) == (kept, "", 1)
    assert form.render(view.values) == text, "one content has one file"


@pytest.mark.parametrize("kind", [FormatType.PROPERTIES, FormatType.JSON, FormatType.YAML])
@pytest.mark.parametrize("value", TRICKY, ids=repr)
def test_all_text_is_held(kind: FormatType, value: str) -> None:
    assert held(FileFormat(kind, "file", "__"), {"a__b": value}) == {"a__b": value.encode()}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_text_is_not_held_and_the_message_has_no_value(kind: FormatType) -> None:
    said = FileFormat(kind, "file", "__").problem_of("a", b"hunter2\xff")
    assert "no UTF-8" in said and "hunter2" not in said


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=6))
@example({"a": "1", "a__b": "2", "a__b__c": "3", "__root": "0"})
@example({"y": "y", "n": "n", "on": "off", "1": "1", "1e3": "1e3", "0x1": "0x1"})
def test_parsers_of_yaml_and_json_read_texts_where_the_operator_wrote_them(values: dict[str, str]) -> None:
    for kind, load in ((FormatType.JSON, json.loads), (FormatType.YAML, yaml.safe_load), (FormatType.YAML, _c_load)):
        form = FileFormat(kind, "file", "__")
        tree = load(form.render({key: value.encode() for key, value in values.items()}))
        assert _flat(tree, "") == values


def _c_load(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _flat(tree: dict[str, Any], above: str) -> dict[str, str]:
    """An application's view of the maps: names joined, and a map's own value without the name that it has there."""
    found: dict[str, str] = {}
    for name, value in tree.items():
        own = above.removesuffix("__") if above and name == ROOT_KEY else above + name
        found |= _flat(value, f"{own}__") if isinstance(value, dict) else {own: value}
    return found


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_the_operator_wrote_is_read_the_same_by_the_reader_of_all_yaml(values: dict[str, str]) -> None:
    form = FileFormat(FormatType.YAML, "file", "__")
    text = form.render({key: value.encode() for key, value in values.items()})
    assert form.parse(f"# by hand\n{text}") == form.parse(text) == values


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=300, deadline=None)
@given(st.text("ab\\'\"\n\r\t $=:#!u0{}[],-&*<~|>", max_size=24), SEPARATORS)
def test_any_text_is_either_read_or_refused_with_its_place(kind: FormatType, text: str, separator: str) -> None:
    form = FileFormat(kind, "file", separator)
    try:
        found = form.parse(text)
    except BadTextError as error:
        place = str(error)
    else:
        place = "line 1, column 1: "
        assert form.parse(form.render({key: value.encode() for key, value in found.items()})) == found
    assert re.match(r"line [0-9]+, column [0-9]+: ", place) is not None


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.text("ab ", min_size=1, max_size=3), VALUES.filter(lambda text: "\x00" not in text), max_size=4)
)
def test_json_and_yaml_of_other_writers_are_read_as_they_mean_it(values: dict[str, str]) -> None:
    for text in (json.dumps(values), json.dumps(values, indent="\t", ensure_ascii=False)):
        assert FileFormat(FormatType.JSON, "file", "__").parse(text) == values
    dumped = yaml.safe_dump(values, default_style="'"), yaml.safe_dump(values, default_style='"', allow_unicode=True)
    for text in dumped:
        assert FileFormat(FormatType.YAML, "file", "__").parse(text) == values


# The merge: the same models as for keys, over files.


@pytest.mark.parametrize("kind", FILES)
def test_random_histories_over_files_lose_nothing_double_nothing_and_invent_no_conflict(
    kind: FormatType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "FakeKube", kube_with(kind))
    first = 5_000 + 100 * FILES.index(kind)
    for seed in range(first, first + 20):
        outcome = episode(seed, 120)
        assert outcome.violations == [], f"seed {seed}, {outcome.direction}"


@pytest.mark.parametrize("story", [story for story in STORIES if story.name in ("replaced", "approved", "renamed")])
def test_nobody_can_tell_from_a_file_at_which_write_the_operator_was_killed(
    story: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "FakeKube", kube_with(FormatType.YAML))
    assert list(differences(story, story.directions[0])) == []


@pytest.mark.parametrize("kind", FILES)
def test_every_story_can_be_told_about_a_file(kind: FormatType, monkeypatch: pytest.MonkeyPatch) -> None:
    """None has keys or values that the format cannot hold: each ends InSync while the operator lives."""
    monkeypatch.setattr(mirror, "FakeKube", kube_with(kind))
    told = {(story.name, direction): tell(story, direction) for story in STORIES for direction in story.directions}
    assert {what: one.violations for what, one in told.items() if one.violations} == {}


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_nobody_can_tell_from_any_file_in_any_direction(
    story: Any, kind: FormatType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "FakeKube", kube_with(kind))
    for direction in story.directions:
        assert list(differences(story, direction)) == []
