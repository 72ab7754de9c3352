"""The program that renders: one job after another from its standard input, within limits that it cannot raise. I/O.

It is started with no environment but a fixed seed, and no files but three pipes. Before the first job it gives up what
it does not need: it can open no file and no socket, start no process, and write nothing but its answers. The time of
each job is measured in seconds of a processor, so that a busy machine fails nobody's template. When the time is over
the kernel's signal ends the process, whatever it is doing; on the way `faulthandler` writes the lines at which it was,
without Python.
"""

import faulthandler
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import jinja2.debug
import jinja2.ext  # noqa: F401 - as debug: nothing can be imported any more once there are limits
from jinja2 import Template

from zkoperator.templates import frames
from zkoperator.templates.port import Answer, Cause, Failure, Job
from zkoperator.templates.sandbox import line_of, render

JOB_LIMIT: Final = 64 * 1024 * 1024
"""Longest job, in bytes."""
_LIFE_CPU_S: Final = 60
"""Seconds of a processor after which the kernel ends the process; after half of them it takes no job any more."""
_GROWTH_KB: Final = 24 * 1024
"""A process that has grown so much takes no job any more: what it keeps would be missing to the next one."""
_MOST_LINES: Final = 4_000
"""Pairs of lines that fit into the head of an answer."""
_NICENESS: Final = 19
_WARM_UP: Final = (
    "{{ 'a\\n' | upper }}{% for x in gets('**') %}{{ x.key | replace('a', 'b') }}{% endfor %}{{ tree() | to_json }}"
    "{{ json('[1]') | join }}{{ 'a' | base64Encode | base64Decode }}{{ '%d %s' | format(1, 'a') }}{{ '{}'.format(1) }}",
    "{{ 'a b' | wordwrap(1) | title | urlencode | striptags | e }}{{ {'a': 1} | tojson }}{{ [2, 1] | sort | string }}",
    "{{ 'a'.encode('ascii') }}{{ 'a'.encode('latin-1') }}{{ 'a'.encode('utf-16') }}",
    "{{ nothing }}",
    "{% if %}",
    "{% include 'x' %}",
    "{{ json('') }}{{ ''.__class__ }}",
)
"""Rendered at the start: what Python loads when it is first used cannot be loaded any more once there are limits."""


class Order(NamedTuple):
    """A job and its limits."""

    job: Job
    cpu_s: float
    output_bytes: int


def main(memory_bytes: int) -> None:
    """Serve until the input ends, a job has taken too much, or the process is old."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    for text in _WARM_UP:
        render(Job({"file": text}, {"a/b": b"1", "c": b"\xff"}), 1_000)
    _give_up_rights(memory_bytes)
    faulthandler.register(signal.SIGPROF, file=sys.stderr, all_threads=False, chain=True)
    before_kb = _usage().ru_maxrss
    is_last = False
    while not is_last and (order := _read_order(source)) is not None:
        is_last = _serve(order, target, before_kb)


def _give_up_rights(memory_bytes: int) -> None:
    """Set the limits that hold for the life of the process, and cannot be raised again."""
    os.nice(_NICENESS)
    statm = Path("/proc/self/statm")
    if statm.exists():
        has = int(statm.read_text().split()[0]) * resource.getpagesize()
        _limit(resource.RLIMIT_AS, has + memory_bytes)
    _limit(resource.RLIMIT_CPU, _LIFE_CPU_S)
    # No file at all: with room for the three pipes, one that is closed would leave its number to a file.
    for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        _limit(kind, 0)


def _limit(kind: int, limit: int) -> None:
    resource.setrlimit(kind, (limit, limit))


def _usage() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_SELF)


def _is_old(before_kb: int) -> bool:
    used = _usage()
    return used.ru_utime + used.ru_stime > _LIFE_CPU_S / 2 or used.ru_maxrss > before_kb + _GROWTH_KB


def _read_order(source: BinaryIO) -> Order | None:
    """Return the next order, None when there is none."""
    opening = source.read(frames.LENGTHS_BYTES)
    if len(opening) < frames.LENGTHS_BYTES:
        return None
    head_bytes, body_bytes = frames.lengths(opening, head_limit=JOB_LIMIT, body_limit=JOB_LIMIT)
    head = frames.head_of(source.read(head_bytes))
    values = frames.cut(source.read(body_bytes), head["values"])
    return Order(Job(head["files"], values), head["cpu"], head["output"])


def _serve(order: Order, target: BinaryIO, before_kb: int) -> bool:
    """Render one job and answer. Return whether it was the last one, which the answer says too."""
    lines = _Lines(target)
    signal.setitimer(signal.ITIMER_PROF, order.cpu_s)
    try:
        answer: Answer = render(order.job, order.output_bytes, lines.begun)
    except MemoryError as error:
        answer = Failure(Cause.MEMORY, "it takes more memory than a template may", lines.file, lines.of(error))
    signal.setitimer(signal.ITIMER_PROF, 0)
    has_overrun = isinstance(answer, Failure) and answer.cause is not Cause.TEMPLATE
    is_last = has_overrun or _is_old(before_kb)
    if isinstance(answer, Failure):
        failure = [answer.cause, answer.message, answer.file, answer.line]
        _send(target, {"failure": failure, "last": is_last})
    else:
        sizes = [[name, len(data)] for name, data in answer.files.items()]
        _send(target, {"files": sizes, "last": is_last}, *answer.files.values())
    return is_last


class _Lines:
    """Tells the operator, before each file is rendered, which line of the code is which of the template."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._template: Template | None = None
        self.file = ""

    def begun(self, file: str, template: Template | None) -> None:
        """Note and tell which file is next, and again once its template is compiled."""
        self.file, self._template = file, template
        _send(self._target, {"file": file, "lines": template.debug_info[:_MOST_LINES] if template is not None else []})

    def of(self, error: BaseException) -> int:
        """Return the line of the template at which it was raised."""
        return line_of(error, self._template)


def _send(target: BinaryIO, head: dict[str, Any], *parts: bytes) -> None:
    target.write(frames.pack(head, parts))
    target.flush()
