"""What templates can ask of the znodes, by the names that confd has for it."""

from typing import Any

import pytest

from zkoperator.templates.port import Failure, Job, Rendered
from zkoperator.templates.sandbox import render

VALUES = {
    "db/url": b"jdbc:x",
    "db/pool/size": b"20",
    "db/pool": b"own",
    "upstreams/b": b"10.0.0.2:80",
    "upstreams/a": b"10.0.0.1:80",
    "flags": b'{"dark": true, "n": [1, 2]}',
    "blob": b"\xff\x00",
    "empty": b"",
    "encoded": b"aGVsbG8=",
}


def shown(template: str, values: dict[str, bytes] = VALUES) -> bytes:
    answer = render(Job({"f": template}, values), 1_000_000)
    assert isinstance(answer, Rendered), answer
    return answer.files["f"]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ getv('/db/url') }} {{ getv('db/url/') }}", "jdbc:x jdbc:x"),
        ("{{ getv('/nope', 'none') }}{{ getv('/nope', 5) + 1 }}", "none6"),
        ("[{{ getv('/empty') }}] {{ getv('/empty', 'x') }}", "[] "),
        ("{{ exists('/db/url') }} {{ exists('/db') }}", "True False"),
        ("{{ get('/db/url').key }}={{ get('/db/url').value }}", "/db/url=jdbc:x"),
        ("{% for u in gets('/upstreams/*') %}{{ u.key }}={{ u.value }};{% endfor %}", None),
        ("{{ getvs('/upstreams/*') | join(' ') }}", "10.0.0.1:80 10.0.0.2:80"),
        ("{{ gets('/db/*') | map(attribute='key') | join(' ') }}", "/db/pool /db/url"),
        ("{{ gets('/db/**') | length }} {{ gets('**') | length }} {{ gets('/**/size') | length }}", "3 9 1"),
        ("{{ gets('/upstreams/?') | length }} {{ gets('/d?/u*') | length }} {{ gets('/a.b') | length }}", "2 1 0"),
        ("{{ ls('/db') | join(',') }} {{ ls('/upstreams') | join(',') }} {{ ls('/x') | length }}", "pool,url a,b 0"),
        ("{{ ls() | join(',') }}", "blob,db,empty,encoded,flags,upstreams"),
        ("{{ lsdir('/') | join(',') }} {{ lsdir('/db') | join(',') }}", "db,upstreams pool"),
        ("{{ tree('/db').url }} {{ tree('/db').pool.size }} {{ tree('/db').pool.__root | default('hidden') }}", None),
        ("{{ tree('/db') | to_json }}", '{"pool": {"__root": "own", "size": "20"}, "url": "jdbc:x"}'),
        ("{{ json(getv('/flags')).n[1] }} {{ (getv('/flags') | json).dark }}", "2 True"),
        ("{{ base64Decode(getv('/encoded')) }} {{ getv('/db/url') | base64Encode }}", "hello amRiYzp4"),
        ("{{ base('/a/b') }} {{ dir('/a/b') }} {{ dir('/a') }}", "b /a /"),
        ("{{ getv('/db/url').split(':')[0] | upper }}", "JDBC"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
    ],
)
def test_a_template_reads_the_znodes(template: str, text: str | None) -> None:
    found = shown(template).decode()
    assert found == text if text is not None else found


def test_bytes_that_are_no_text_pass_through_unchanged() -> None:
    assert shown("a{{ getv('/blob') }}b") == b"a\xff\x00b"
    assert shown("{{ getv('/blob') | base64Encode }}") == b"/wA="


def test_blocks_leave_no_empty_lines_and_the_last_line_end_stays() -> None:
    template = "server {\n  {% for u in ls('/upstreams') %}\n  {{ u }};\n  {% endfor %}\n}\n"
    assert shown(template) == b"server {\n  a;\n  b;\n}\n"


def test_the_order_in_which_znodes_were_read_changes_nothing() -> None:
    template = (
        "{{ tree() | to_json }} {{ ls() | join }} {{ gets('**') | map(attribute='key') | join }} {{ lsdir() | join }}"
    )
    assert shown(template) == shown(template, dict(reversed(VALUES.items())))


@pytest.mark.parametrize("name", ["db/pool", "db"])
def test_a_name_with_children_is_a_directory_whichever_of_them_is_seen_first(name: str) -> None:
    values = {"db/pool/size": b"1", name: b"x"} | {"zz": b""}
    for given in (values, dict(reversed(values.items()))):
        assert shown("{{ lsdir('/') | join }} {{ lsdir('/db') | join }}", given) == b"db pool"


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ getv('/db/user') }}", "znode '/db/user' does not exist or is not selected; give a default"),
        ("{{ get('/db/user').value }}", "znode '/db/user' does not exist"),
        ("{{ getv(5) }}", "a path is a text"),
        ("{{ ls('/') }}", "a list is printed: pick what you mean, or use join or to_json"),
        ("{{ get('/db/url') }}", "by its .key or its .value"),
        ("{{ getv }}", "a function is printed: call it"),
        ("{{ json(getv('/db/url')) }}", "json: the text is no JSON"),
        ("{{ base64Decode(getv('/db/url')) }}", "the text is no base64"),
        ("{{ ls | to_json }}", "what JSON does not have"),
        ("{{ fail('at least one upstream is needed') }}", "at least one upstream is needed"),
        ("{{ gtv('/x') }}", "'gtv' is undefined; correct the name"),
        ("{{ get('/db/url').val }}", "has no attribute 'val'"),
        ("{{ getv() }}", "gets too few or too many"),
        ("{{ 1 / 0 }}", "divides by zero"),
        ("{{ {}['x'] }}", "has no attribute 'x'"),
    ],
)
def test_what_a_template_asks_in_vain_is_named_with_its_line(template: str, says: str) -> None:
    answer: Any = render(Job({"f.conf": f"one\ntwo {template}\n"}, VALUES), 1_000_000)
    assert isinstance(answer, Failure)
    assert says in answer.message and (answer.file, answer.line) == ("f.conf", 2)
