"""What a template cannot do, and that nothing that it says shows a value."""

import re
from typing import Any

import pytest
from jinja2 import Environment

from zkoperator.templates import messages, sandbox
from zkoperator.templates.port import Cause, Failure, Job, Rendered
from zkoperator.templates.sandbox import render, syntax_failure

SECRET = b"hunter2"
ADDRESS = re.compile(rb"0x[0-9a-f]{6}")
ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() | length }}",
    "{{ '' | attr('__cl' ~ 'ass__') | string }}",
    "{{ ''['__class__'] | string }}",
    "{{ getv.__call__.__globals__ | length }}",
    "{{ getv._call.__self__ | string }}",
    "{{ (getv | attr('_call')) | string }}",
    "{{ '{0.__class__}'.format('') }}",
    "{{ '{0.__class__}'.format_map({'0': ''}) }}",
    "{{ ['{0.__class__}'] | map('format', '') | join }}{{ ''.format.__func__ | string }}",
    "{{ cycler.__init__.__globals__ | length }}",
    "{{ namespace.__init__.__globals__.os.environ | length }}",
    "{{ joiner.__class__ | string }}",
    "{{ (lambda: 1)() }}",
    "{{ self.__init__.__globals__ | length }}",
    "{% set x = [] %}{{ x.append(1) }}",
    "{% set d = {} %}{{ d.update({'a': 1}) }}",
    "{{ range(10000000) | length }}",
    "{{ open('/etc/passwd') }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{{ [1, 2] | random }}",
    "{{ lipsum() }}",
    "{{ ('{0.__class__}' | attr('format'))('') }}",
    "{% set f = '{0.__class__}'.format %}{{ f('') }}",
    "{{ ['{0.__class__}'.format] | map('string') | join }}{{ [''] | map('{0.__class__}'.format) | list }}",
    "{{ ('{0.__class__}' | safe).format('') }}",
    "{{ ('{0.__class__}' | e).format_map({'0': 1}) }}",
    "{{ [''] | map(attribute='__class__') | map('string') | join }}",
    "{{ [''] | sort(attribute='__class__.__name__') | join }}",
    "{{ ([''] | groupby('__class__'))[0].grouper | string }}",
    "{{ [''] | sum(attribute='__class__') | string }}",
    "{{ ([1] | map('upper')).gi_frame.f_globals | length }}",
    "{{ dict.mro() | length }}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ | length }}",
    "{{ self._TemplateReference__context | string }}",
    "{% for i in [1] %}{{ loop._iterable | string }}{% endfor %}",
    "{% set n = namespace() %}{{ n._Namespace__attrs | string }}",
    "{{ nope._undefined_exception | string }}",
    "{{ get('/secret')._asdict() | to_json }}",
    "{{ (nope | default([])).append.__self__ | string }}",
    "{{ caller.__globals__ }}",
    "{% do [].append(1) %}",
    "{% debug %}",
]


def answer_of(text: str, **values: bytes) -> Any:
    return render(Job({"f": f"\n{text}"}, {"secret": SECRET, "quotes": b"' \"" + SECRET, **values}), 1_000_000)


@pytest.mark.parametrize("text", ESCAPES)
def test_no_template_leaves_the_sandbox(text: str) -> None:
    answer = answer_of(text)
    assert isinstance(answer, Failure) and (answer.cause, answer.line) == (Cause.TEMPLATE, 2), answer


def test_a_renderer_without_the_sandbox_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: Jinja2 as it is."""
    monkeypatch.setattr(sandbox, "ImmutableSandboxedEnvironment", Environment)
    escaped = [text for text in ESCAPES if isinstance(answer_of(text), Rendered)]
    assert len(escaped) > 5 and ESCAPES[0] in escaped


LEAKS = [
    "{{ getv(getv('/secret')) }}",
    "{{ {}[getv('/secret')] }}",
    "{{ getv('/secret') + 1 }}",
    "{{ '%d' % getv('/secret') }}",
    "{{ fail('it is ' ~ getv('/secret')) }}",
    "{{ json(getv('/secret')) }}",
    "{{ base64Decode(getv('/secret')) }}",
    "{{ '' | attr(getv('/secret')) }}",
    "{{ [1] | map(getv('/secret')) | list }}",
    "{{ 1 is (getv('/secret')) }}",
    "{{ [1] | select(getv('/secret')) | list }}",
    "{{ getv('/secret').encode(getv('/secret')) }}",
    "{{ 'x'.index(getv('/secret')) }}",
    "{{ dict(getv('/secret')) }}",
    "{{ gets(getv('/secret'))[0] }}",
    "{{ [getv('/secret')] }}",
    "{{ {'a': getv('/secret')}.b }}",
    "{{ getv('/secret')() }}",
    "{{ getv('/secret') | round }}",
    "{{ {}[getv('/quotes')] }}",
    "{{ namespace()[getv('/quotes')] ~ '\\\\' }}",
    "{{ getv('/secret').format_map(5) }}{{ getv('/secret') | float + getv('/secret') }}",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_message_has_a_value(text: str) -> None:
    answer = answer_of(text)
    assert isinstance(answer, Failure) and "hunter" not in answer.message and answer.message


def test_messages_as_python_has_them_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: what an exception says is shown as it is."""
    monkeypatch.setattr(messages, "_message", lambda error, _: str(error))
    leaked = [text for text in LEAKS if "hunter" in answer_of(text).message]
    assert len(leaked) > 5


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a\n{{ b", 2, "expected 'end of print statement'; it is no Jinja2"),
        ("a\n\n{% fi %}", 3, "unknown tag 'fi'"),
        ("{{ 1 | nofilter }}", 1, "No filter named 'nofilter'"),
        ("{% for a in b %}", 1, "Unexpected end of template"),
        ("x\n{% include 'y' %}", 2, "'include' reads another template, and there is none"),
        ("{% for a in [1] %}" * 30 + "{% endfor %}" * 30, 0, "nested too deeply"),
        ("{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}", 0, "goes too deep"),
    ],
)
def test_a_template_that_is_none_is_found_before_any_znode_is_read(text: str, line: int, says: str) -> None:
    failure = syntax_failure("f", text)
    assert failure is not None and failure.line == line and says in failure.message


def test_a_template_that_only_its_znodes_can_tell_about_is_no_finding() -> None:
    assert syntax_failure("f", "{{ getv('/nope') }}{{ nope }}") is None


def test_more_than_there_is_room_for_is_a_failure_at_its_line_whatever_file_it_is_in() -> None:
    files = {"a": "x" * 600, "b": "\n{% for i in range(5) %}\n{{ 'y' * (100 + i) }}\n{% endfor %}"}
    answer = render(Job(files, {}), 1_000)
    assert isinstance(answer, Failure)
    assert (answer.cause, answer.file, answer.line) == (Cause.OUTPUT, "b", 3)
    assert isinstance(render(Job(files, {}), 1_300), Rendered)


def test_a_failure_of_one_file_is_one_of_all() -> None:
    answer = render(Job({"a": "fine", "b": "{{ nope }}"}, {}), 1_000)
    assert isinstance(answer, Failure) and answer.file == "b"


OBJECTS = [
    "{{ [1] | map('upper') | string }}",
    "{{ 'a' ~ 'x'.upper }}",
    "{{ [cycler('a')] | join }}",
    "{{ '%s' % {}.keys }}",
    "{{ '{}'.format('a' | batch(2)) }}",
]


def test_nothing_that_is_printed_differs_from_process_to_process() -> None:
    """An address in a file would make it another one each time."""
    for text in ("{{ getv | string }}", "{{ 'a' ~ ls }}", "{{ [json] | join }}", "{{ '%s' % tree }}"):
        answer = answer_of(text)
        assert isinstance(answer, Rendered) and ADDRESS.search(answer.files["f"]) is None, text
    for text in OBJECTS:
        answer = answer_of(text)
        assert isinstance(answer, Failure) and answer.line == 2 and "printed by its address" in answer.message, text


def test_a_renderer_that_prints_addresses_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: objects are printed in the words of Python."""
    monkeypatch.setattr(sandbox, "_ADDRESS", re.compile(rb"(?!)"))
    for text in OBJECTS:
        answer = answer_of(text)
        assert isinstance(answer, Rendered) and ADDRESS.search(answer.files["f"]) is not None, text


def test_a_text_that_has_an_address_of_its_own_is_written() -> None:
    text = "<reg at 0x7f001122> 0x7f0011223344 {{ '<uart object>' }} at 0x7f0011"
    assert isinstance(answer_of(text), Rendered)
