"""The processes that render: what they may take, what they may reach, and that one does not hold up another."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from tests.support.waiting import eventually
from zkoperator.templates import pool as pool_module
from zkoperator.templates import process as process_module
from zkoperator.templates.pool import QUICK, SLOW, WorkerPool
from zkoperator.templates.port import Answer, Cause, Failure, Job, Limits, Pace, Rendered
from zkoperator.templates.process import WorkerProcess
from zkoperator.templates.sandbox import render

VALUES = {"db/url": b"jdbc:x", "blob": b"\xff\x00"}
FOREVER = "x\n{% for i in range(99999) %}\n{% for j in range(99999) %}\n{% endfor %}\n{% endfor %}"
IN_ONE_CALL = "x\n\n{{ ([[1] * 1000] * 10000) | sum(start=[]) | length }}"
HOSTILE = {
    "a loop without end": (FOREVER, Cause.TIME, 3),
    "one call without end": (IN_ONE_CALL, Cause.TIME, 3),
    "a pattern without end": ("\n{{ gets('*a' * 40 ~ 'b') | length }}", Cause.TIME, 2),
    "a large text": ("\n{{ 'a' * 10 ** 9 }}", Cause.MEMORY, 2),
    "a growing text": (
        "{% set n = namespace(x='a') %}\n{% for i in range(60) %}\n{% set n.x = n.x ~ n.x %}\n{% endfor %}",
        Cause.MEMORY,
        3,
    ),
    "a large list": ("\n\n{{ ([0] * 10 ** 9) | length }}", Cause.MEMORY, 3),
    "a wide format": ("\n{{ '%999999999d' % 1 }}", Cause.MEMORY, 2),
    "a long file": ("{% for i in range(99999) %}\n{{ 'a' * (1000 + i) }}\n{% endfor %}", Cause.OUTPUT, 2),
    "a macro without end": ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", Cause.TEMPLATE, 1),
    "a way out": ("\n{{ ''.__class__.__mro__ }}", Cause.TEMPLATE, 2),
}

SHORT = replace(SLOW, cpu_s=0.5)
"""A slow lane in which what is without end costs the test less."""


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    made = WorkerPool(QUICK, SHORT)
    try:
        yield made
    finally:
        await made.close()


async def answer_of(pool: WorkerPool, text: str, **files: str) -> Answer:
    values = VALUES | {"a" * 60: b""}
    return (await pool.render(Job({"f.conf": text, **files}, values)))[0]


async def test_files_are_rendered_in_another_process_byte_for_byte(pool: WorkerPool) -> None:
    found = await answer_of(pool, "{{ getv('/db/url') }}{{ getv('/blob') }}", other="\u00e4")
    assert found == Rendered({"f.conf": b"jdbc:x\xff\x00", "other": "\u00e4".encode()})


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_template_that_takes_too_much_fails_at_its_line(pool: WorkerPool, name: str) -> None:
    text, cause, line = HOSTILE[name]
    found = await answer_of(pool, text)
    assert isinstance(found, Failure)
    assert (found.cause, found.file, found.line) == (cause, "f.conf", line), found
    assert isinstance(await answer_of(pool, "fine"), Rendered)


async def test_a_process_is_used_again_after_what_it_has_survived() -> None:
    started: list[WorkerProcess] = []

    def start(limits: Limits) -> WorkerProcess:
        started.append(WorkerProcess(limits))
        return started[-1]

    one = WorkerPool(quick_workers=1, start=start)
    try:
        for text in ("fine", "{{ nope }}", "{% if %}", "fine"):
            await answer_of(one, text)
        assert len(started) == 1
        await answer_of(one, HOSTILE["a large text"][0])
        await answer_of(one, "fine")
        assert len(started) == 2
    finally:
        await one.close()
    await eventually(lambda: not any(process.is_alive for process in started), within_s=30)


@pytest.mark.parametrize(
    "text",
    [
        "{{ probe('open', '/etc/hostname') }}",
        "{{ probe('open', '/tmp/made', 'w') }}",
        "{{ probe('open in place of a pipe') }}",
        "{{ probe('socket') }}",
        "{{ probe('fork') }}",
        "{{ probe('run') }}",
        "{{ probe('raise the limit') }}",
    ],
)
async def test_a_template_that_has_left_the_sandbox_finds_a_process_that_can_do_nothing(
    text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second wall: a function that the sandbox never has stands for a way out of it."""
    await _escaped(text, monkeypatch, tmp_path, "refused")


async def test_a_process_with_room_for_its_three_pipes_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The seeded bug: whoever closes a pipe opens a file in its place."""
    bug = "limit = worker._limit\n"
    bug += "worker._limit = lambda kind, most: limit(kind, 3 if kind == resource.RLIMIT_NOFILE else most)\n"
    await _escaped("{{ probe('open in place of a pipe') }}", monkeypatch, tmp_path, "did /etc/hostname", bug)


async def _escaped(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expected: str, bug: str = "") -> None:
    (tmp_path / "hole.py").write_text(_HOLE + bug)
    hole = f"sys.path.insert(0, {str(tmp_path)!r}); import hole; "
    boot = process_module._BOOT.replace("main(int", hole + "main(int")
    monkeypatch.setattr(process_module, "_BOOT", boot)
    pool = WorkerPool()
    try:
        found = await answer_of(pool, text)
        assert isinstance(found, Rendered), found
        assert found.files["f.conf"].decode() == expected
    finally:
        await pool.close()


_HOLE = """
import os, resource, socket, subprocess
from zkoperator.templates import sandbox, worker
from zkoperator.templates.tree import Function

give_up = worker._give_up_rights

def as_in_the_image(memory_bytes):
    # a user other than root cannot raise limits
    give_up(memory_bytes)
    if os.getuid() == 0:
        os.setuid(65532)

worker._give_up_rights = as_in_the_image

def _in_place_of_a_pipe():
    os.close(0)
    return open("/etc/hostname").name

def _limit():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

DO = {
    "open": open,
    "open in place of a pipe": _in_place_of_a_pipe,
    "socket": socket.socket,
    "fork": os.fork,
    "run": lambda: subprocess.run(["/bin/true"]),
    "raise the limit": _limit,
    "environment": lambda: sorted(os.environ.keys() - {"LC_CTYPE"}),
    "files": lambda: [fd for fd in range(3, 256) if _is_open(fd)],
}

def _is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True

def probe(what, *arguments):
    try:
        return f"did {DO[what](*arguments)}"
    except (OSError, ValueError) as error:
        return "refused"

sandbox.FUNCTIONS["probe"] = Function("probe", probe)
"""


async def test_the_process_has_no_environment_and_no_file_of_the_operator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZKOPERATOR_CANARY", "x")
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        await _escaped("{{ probe('files') }}", monkeypatch, tmp_path, "did []")
        monkeypatch.undo()
        await _escaped("{{ probe('environment') }}", monkeypatch, tmp_path, "did ['PYTHONHASHSEED']")
    finally:
        os.close(read)
        os.close(write)


async def test_one_that_needs_long_is_sent_to_the_slow_lane_at_once_the_next_time(pool: WorkerPool) -> None:
    busy = "{% for i in range(99999) %}{% for j in range(8) %}{% endfor %}{% endfor %}done"
    generous = WorkerPool(replace(QUICK, cpu_s=0.05), replace(SLOW, cpu_s=60))
    try:
        answer, pace = await generous.render(Job({"f": busy}, {}))
        assert isinstance(answer, Rendered) and pace is Pace.SLOW
        await generous.render(Job({"f": "fine"}, {}), pace)
        assert generous._quick.processes == 0, "the quick lane was left alone"
    finally:
        await generous.close()


async def test_one_that_is_known_to_be_quick_does_not_wait_for_new_ones() -> None:
    """New ones that never end here hold one process; with a lane for all of them nothing else would be rendered."""
    endless = replace(SLOW, cpu_s=1e6, wall_s=1e6)
    pool = WorkerPool(endless, endless)
    bad = [asyncio.create_task(pool.render(Job({"f": FOREVER}, {}))) for _ in range(10)]
    try:
        await eventually(lambda: pool.processes == 1, within_s=100)
        async with asyncio.timeout(200):
            answer, pace = await pool.render(Job({"f": "fine"}, {}), Pace.QUICK)
        assert isinstance(answer, Rendered) and pace is Pace.QUICK
    finally:
        for task in bad:
            task.cancel()
        await asyncio.gather(*bad, return_exceptions=True)
        await pool.close()


async def test_the_process_of_a_rendering_that_is_given_up_is_not_used_again() -> None:
    """A ConfigSync that is deleted while its files are rendered."""
    pool = WorkerPool(QUICK, SLOW, quick_workers=1)
    try:
        for _ in range(3):
            given_up = asyncio.create_task(pool.render(Job({"f": FOREVER}, {}), Pace.QUICK))
            await eventually(lambda: pool.processes == 1, within_s=100)
            given_up.cancel()
            assert isinstance(await answer_of(pool, "fine"), Rendered)
    finally:
        await pool.close()


async def test_a_process_that_gives_no_answer_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    sleepy = process_module._BOOT.replace("main(int", "import time; time.sleep(600); main(int")
    monkeypatch.setattr(process_module, "_BOOT", sleepy)
    pool = WorkerPool(Limits(cpu_s=1, wall_s=0.5), Limits(cpu_s=1, wall_s=0.5))
    try:
        found = await answer_of(pool, "fine")
        assert isinstance(found, Failure) and found.cause is Cause.TIME
        assert pool.processes == 0
    finally:
        await pool.close()


@pytest.mark.parametrize(
    ("worker", "cause"),
    [
        ("sys.stdout.buffer.write(b'\\\\xff' * 10 ** 7); sys.stdout.flush()", Cause.OUTPUT),
        ("sys.stdout.buffer.write(b'\\\\0\\\\0\\\\0\\\\2\\\\0\\\\0\\\\0\\\\0[]'); sys.stdout.flush()", Cause.OUTPUT),
        ("say({'files': [['/etc/passwd', 0]]})", Cause.OUTPUT),
        ("say({'files': [['f.conf', 'x']]})", Cause.OUTPUT),
        ("say({'failure': ['harm', '', '', 0]})", Cause.OUTPUT),
        ("say({'failure': ['time', '', '', float('inf')]})", Cause.OUTPUT),
        ("say({'file': 'f.conf', 'lines': [1]})", Cause.OUTPUT),
        ("say({'file': [], 'lines': []})", Cause.OUTPUT),
        ("sys.exit(3)", Cause.LOST),
        ("import os; os.kill(os.getpid(), 11)", Cause.LOST),
        ("import os; os.kill(os.getpid(), 9)", Cause.MEMORY),
    ],
)
async def test_a_process_in_the_hands_of_a_template_can_say_nothing_that_harms(
    worker: str, cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It takes its job first: one that is gone before it is asked is lost, whatever it has said.
    boot = "import sys; sys.path.insert(0, sys.argv[1]); from zkoperator.templates import worker; "
    boot += "say = lambda head: worker._send(sys.stdout.buffer, head); sys.stdin.buffer.read(1); "
    monkeypatch.setattr(process_module, "_BOOT", boot + worker.encode().decode("unicode_escape"))
    pool = WorkerPool()
    try:
        found = await answer_of(pool, "fine")
        assert isinstance(found, Failure) and found.cause is cause, found
    finally:
        await pool.close()


async def test_processes_that_have_nothing_to_do_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_IDLE_S", 0.05)
    pool = WorkerPool()
    await asyncio.gather(*(answer_of(pool, "fine") for _ in range(5)))
    await eventually(lambda: pool.processes == 0, within_s=30)
    assert isinstance(await answer_of(pool, "fine"), Rendered)
    await pool.close()


async def test_an_operator_without_templates_has_no_process(pool: WorkerPool) -> None:
    assert pool.processes == 0


UNLIMITED = {
    "a loop without end": replace(SLOW, cpu_s=1e6, wall_s=3),
    "a large text": replace(SLOW, memory_bytes=1 << 40),
    "a long file": replace(SLOW, output_bytes=1 << 30),
}


@pytest.mark.parametrize("name", UNLIMITED)
async def test_a_renderer_without_this_limit_is_noticed(name: str) -> None:
    """The seeded bugs: no limit of time, memory or output. What is without end is ended by the clock on the wall."""
    text, cause, line = HOSTILE[name]
    pool = WorkerPool(UNLIMITED[name], UNLIMITED[name])
    try:
        found = await answer_of(pool, text.replace("10 ** 9", "10 ** 8"))
        assert not (isinstance(found, Failure) and (found.cause, found.line) == (cause, line))
    finally:
        await pool.close()


async def test_the_process_renders_what_the_sandbox_does_whatever_it_has_to_load_for_it(pool: WorkerPool) -> None:
    """It can load nothing any more once it has its limits."""
    texts = [
        "{{ getv('/db/url') | title | center(20) | truncate(9) | wordwrap(3) }}",
        "{{ gets('/d?/*') | groupby('key') | map('first') | join }}{{ ls() | batch(2) | list | to_json }}",
        "{{ tree() | dictsort | list | to_json }}{{ [3, 1] | sort | sum }}{{ 1.5 | round(1, 'floor') }}",
        "{{ '\u00e4\\u00e4\\n' | upper | e }}{{ 'a b' | urlencode }}{{ {'a': 1} | tojson }}{{ 'x' | indent(3, true) }}",
        "{{ 'a'.encode('utf-16') | length }}{{ 'a'.encode('latin-1') | length }}{{ 'x' is in('xy') }}",
        "{% macro m(a, b=1) %}{{ a }}{{ varargs | length }}{% endmacro %}{{ m(1, 2, 3) }}",
        "{% filter upper %}a{% endfilter %}",
        "{% set x %}abc{% endset %}{{ x | striptags | reverse }}{% call (a) m2() %}{% endcall %}",
        "{% raw %}{{ x }}{% endraw %}{# note #}{{ cycler('a', 'b').next() }}{{ namespace(a=1).a }}{{ '%.2f' % 1.5 }}",
        "{{ ''.__class__ }}",
        "{{ getv('/nope') }}",
        "{% for %}",
    ]
    for text in texts:
        found = (await pool.render(Job({"f": text}, VALUES)))[0]
        assert found == render(Job({"f": text}, VALUES), 1_000_000), text


def test_it_runs_on_the_event_loop_of_the_operator() -> None:
    async def once() -> tuple[Answer, Answer]:
        pool = WorkerPool()
        try:
            return await answer_of(pool, "fine"), await answer_of(pool, HOSTILE["one call without end"][0])
        finally:
            await pool.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        fine, ended = runner.run(once())
    assert isinstance(fine, Rendered)
    assert isinstance(ended, Failure) and (ended.cause, ended.line) == (Cause.TIME, 3)
