"""Small templates that ask for much: whichever function they use, the process that renders has an end to its memory."""

import asyncio
from collections.abc import Mapping
from typing import Final

import pytest

from zkoperator.templates import process as process_module
from zkoperator.templates.pool import WorkerPool
from zkoperator.templates.port import Answer, Cause, Failure, Job, Rendered

BOMBS: Final = {
    "center": "{{ 'a' | center(10 ** 9) }}",
    "indent": "{{ 'a\na' | indent(10 ** 9) }}",
    "indented JSON": "{{ to_json([1], indent=10 ** 9) }}",
    "ljust": "{{ 'a'.ljust(10 ** 9) }}",
    "zfill": "{{ 'a'.zfill(10 ** 9) }}",
    "expandtabs": "{{ '\t'.expandtabs(10 ** 9) }}",
    "replace": "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}",
    "join": "{{ range(99999) | join('b' * 99999) }}",
    "format": "{{ '{:999999999}'.format('') }}",
    "format with a width": "{{ '%*d' | format(999999999, 1) }}",
    "format of a format": "{{ '{:{}}'.format('', 999999999) }}",
    "repeated lists": "{{ ([[0] * 99999] * 99999) | sum(start=[]) | length }}",
    "batch": "{{ [1] | batch(10 ** 9, 0) | list | length }}",
    "slice": "{{ [1] | slice(10 ** 9, 0) | list | length }}",
    "shift": "{{ 2 ** (8 * 10 ** 9) > 1 }}",
    "base64": "{% set n = namespace(x='a' * 9999) %}{% for i in range(60) %}{% set n.x = n.x | base64Encode %}"
    "{% endfor %}",
    "block": "{% set x %}{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}{% endset %}{{ x | length }}",
    "macro": "{% macro m() %}{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}{% endmacro %}{{ m() | length }}",
    "lists in lists": "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "JSON": "{{ json('[' ~ '[1],' * 9999999 ~ '1]') | length }}",
    "sorted": "{{ ('ab' * 30000000) | sort | length }}",
    "reversed": "{{ ('ab' * 30000000) | list | length }}",
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "a large number": "{{ 9 ** (9 ** 9) > 1 }}",
    "words": "{{ ('a ' * 9999999) | wordwrap(1) | length }}{{ ('a ' * 9999999) | title | length }}",
}

ORDER: Final = "{{ ({" + ", ".join(f"'n{number}': 1" for number in range(20)) + "}.keys() - []) | join }}"
"""The order of a set, which Python draws for each process."""


async def answers_to(texts: Mapping[str, str]) -> dict[str, Answer]:
    pool = WorkerPool()
    try:
        found = {name: (await pool.render(Job({"f": f"\n{text}"}, {})))[0] for name, text in texts.items()}
        assert isinstance((await pool.render(Job({"f": "fine"}, {})))[0], Rendered)
    finally:
        await pool.close()
    return found


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_ends_at_its_limit(name: str) -> None:
    found = (await answers_to({name: BOMBS[name]}))[name]
    assert isinstance(found, Failure) and found.cause in (Cause.MEMORY, Cause.TIME), found
    assert found.file == "f" and found.line >= 1, found


async def test_sets_have_the_same_order_in_every_process() -> None:
    found = await asyncio.gather(*(answers_to({"set": ORDER}) for _ in range(3)))
    assert len({str(answers["set"]) for answers in found}) == 1 and isinstance(found[0]["set"], Rendered)


async def test_a_seed_for_each_process_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: Python draws one. That six orders of twenty names are the same does not happen."""
    monkeypatch.setattr(process_module, "_ENVIRONMENT", {})
    found = await asyncio.gather(*(answers_to({"set": ORDER}) for _ in range(6)))
    assert len({str(answers["set"]) for answers in found}) > 1
