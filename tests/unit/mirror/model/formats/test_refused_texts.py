"""What is not in the syntax of a file is refused with its place; what readers would disagree about is as well."""

import pytest

from zkoperator.api.sync_format import FormatType
from zkoperator.mirror.model.file_format import FileFormat
from zkoperator.mirror.model.formats.nesting import MAX_DEPTH
from zkoperator.mirror.model.formats.text import BadTextError

P, J, Y, D = FormatType.PROPERTIES, FormatType.JSON, FormatType.YAML, FormatType.DOTENV
REFUSED = [
    (P, "a=1\n\\u12=1", 2, 1, "four hexadecimal digits"),
    (P, "a=1\n\n# x\na:2", 4, 1, "twice"),
    (P, "a=\\ud800", 1, 1, "one character together"),
    (P, "a=\\udc00\\ud800", 1, 1, "one character together"),
    (J, "[]", 1, 1, "map in curly brackets"),
    (J, '{"a": 1', 1, 8, "comma or the end"),
    (J, '{"a": "1" "b": "2"}', 1, 11, "comma"),
    (J, '{"a": "1",}', 1, 11, "name in quotation marks"),
    (J, "{'a': 1}", 1, 2, "name in quotation marks"),
    (J, '{"a" "1"}', 1, 6, "colon"),
    (J, '{"a": null}', 1, 7, "no list"),
    (J, '{"a": [1]}', 1, 7, "no list"),
    (J, '{"a": 01}', 1, 7, "write a text"),
    (J, '{"a": NaN}', 1, 7, "write a text"),
    (J, '{"a": "1",\n "a": "2"}', 2, 2, "twice"),
    (J, '{"a": {"b": "1"},\n "a": {"c": "2"}}', 2, 2, "twice"),
    (J, '{"a__b": "1",\n "a": {"b": "2"}}', 2, 8, "twice"),
    (J, '{"a": "1"} x', 1, 12, "nothing may follow"),
    (J, '{"a": "\\ud800"}', 1, 7, "one character together"),
    (J, '{"a": "x\ny"}', 1, 9, "has to be escaped"),
    (J, '{"a": "x', 1, 7, "does not end"),
    (J, '{"a":' * (MAX_DEPTH + 2), 1, 5 * MAX_DEPTH + 7, "within one another"),
    (Y, "- a", 1, 1, "no lists"),
    (Y, "a: [b]", 1, 4, "no lists"),
    (Y, "just text", 1, 1, "map of names"),
    (Y, "a:\n", 1, 3, '"" for nothing'),
    (Y, "a: ~", 1, 4, '"" for nothing'),
    (Y, "a: Null", 1, 4, '"" for nothing'),
    (Y, "a: &x b\nc: *x", 1, 4, "anchors"),
    (Y, "a: !!int '1'", 1, 4, "tags"),
    (Y, "a: !!binary aGk=", 1, 4, "tags"),
    (Y, "a: b\n<<: {c: d}", 2, 1, "quotation marks"),
    (Y, "a: b\na: c", 2, 4, "twice"),
    (Y, "a: {b: c}\na: {d: e}", 2, 4, "twice"),
    (Y, "a: b\n---\nc: d", 2, 1, "one document"),
    (Y, "? {a: b}\n: c", 1, 3, "text as the name"),
    (Y, "a: 'b", 1, 6, "no YAML"),
    (Y, "a: b\n\tc: d", 2, 1, "no YAML"),
    (Y, "a: \x07", 1, 4, "does not take"),
    (Y, "{a: " * (MAX_DEPTH + 2), 1, 4 * MAX_DEPTH + 5, "within one another"),
    (D, "a b=1", 1, 1, "NAME=value"),
    (D, "a = 1", 1, 1, "NAME=value"),
    (D, "a-b=1", 1, 1, "NAME=value"),
    (D, "a=1\na=2", 2, 1, "twice"),
    (D, "a=$b", 1, 3, "single quotation marks"),
    (D, 'a="$b"', 1, 3, "would be expanded"),
    (D, 'a="`b`"', 1, 3, "would be expanded"),
    (D, "a='b", 1, 3, "not closed"),
    (D, "a=b c", 1, 4, "single quotation marks"),
    (D, "a=~/x", 1, 3, "single quotation marks"),
    (D, "a=b; c=d", 1, 4, "single quotation marks"),
    (D, "a=b\r\n", 1, 4, "line feed alone"),
    (D, "a='\x00'", 1, 3, "not closed"),
]


@pytest.mark.parametrize(("kind", "text", "line", "column", "says"), REFUSED, ids=lambda value: repr(value)[:30])
def test_what_is_not_in_the_syntax_is_refused_with_its_place(
    kind: FormatType, text: str, line: int, column: int, says: str
) -> None:
    with pytest.raises(BadTextError) as caught:
        FileFormat(kind, "file", "__").parse(text)
    assert str(caught.value).startswith(f"line {line}, column {column}: ") and says in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        (P, "", {}),
        (P, "# a\n! b\n\n  c \t=: d \r\ne\nf:\\\n   g\\\n#h\n=i\n", {"c": ": d ", "e": "", "f": "g#h", "": "i"}),
        (P, "a\\ b\\=c=\\t\\x\\\\\r", {"a b=c": "\tx\\"}),
        (P, "a=\\ud83d\\ude00\\\n", {"a": "\U0001f600"}),
        (J, " \n", {}),
        (J, "{}", {}),
        (J, '\n{"a": {"b": 1.50, "__root": true}, "c": "\\u00e4", "d": {}, "e__f": -1e3}', None),
        (Y, "", {}),
        (Y, "---\n", {}),
        (Y, "{}\n", {}),
        (Y, "a: yes\nb: 007\nc: 1e3 # x\nd: |\n  x\n  y\ne: !!str 5\n'f': \"\\x41\"\ng: {h: '~'}\n", None),
        (Y, 'a: "1"\nb:\n  c: "2"\n', {"a": "1", "b__c": "2"}),
        (D, "", {}),
        (D, '# x\n\n export a=b#c  # d\ne=\nf=\'g\'"h\\"\\n"\\ i\\\nj\n', {"a": "b#c", "e": "", "f": 'gh"\\n ij'}),
    ],
)
def test_what_people_write_is_read(kind: FormatType, text: str, values: dict[str, str] | None) -> None:
    expected = {
        J: {"a__b": "1.50", "a": "true", "c": "ä", "e__f": "-1e3"},
        Y: {"a": "yes", "b": "007", "c": "1e3", "d": "x\ny\n", "e": "5", "f": "A", "g__h": "~"},
    }
    assert FileFormat(kind, "file", "__").parse(text) == (expected[kind] if values is None else values)


def test_a_key_with_a_value_and_keys_below_it_keeps_both() -> None:
    values = {"a": b"1", "a__b": b"2", "a__b__c": b"3", "__root": b"0", "a____x": b"4"}
    for kind in (J, Y):
        form = FileFormat(kind, "file", "__")
        assert form.parse(form.render(values)) == {key: value.decode() for key, value in values.items()}
    assert FileFormat(Y, "file", "__").render({"a": b"1", "a__b": b"2"}) == 'a:\n  __root: "1"\n  b: "2"\n'
