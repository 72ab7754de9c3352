"""One process that renders, as the operator sees it: started, asked, and ended when it takes too long. I/O."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from zkoperator.templates import frames
from zkoperator.templates.frames import BadFrameError
from zkoperator.templates.port import LONGEST_MESSAGE, Answer, Cause, Failure, Job, Limits, Rendered

_SOURCES: Final = Path(__file__).parents[2]
_BOOT: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from zkoperator.templates.worker import main; main(int(sys.argv[2]))"
)
_ENVIRONMENT: Final = {"PYTHONHASHSEED": "0"}
"""Sets have the same order in every process, so that the same job gives the same files."""
_PLACE: Final = re.compile(rb'File "<template>", line ([0-9]+)')
_GRACE_S: Final = 30.0
_KEPT_BYTES: Final = 65_536

TOO_LONG: Final = "it takes longer than a template may; let its loops end sooner"
_TOO_LARGE: Final = "it takes more memory than a template may"
_TOO_MUCH: Final = "it writes more than a ConfigMap may have (1 MiB)"
_LOST: Final = "the process that rendered it has ended without an answer"


class WorkerProcess:
    """A process that takes one job at a time. One that has failed is not used again.

    Args:
        limits: of each job; their `cpu_s` and `wall_s` may be others for a single one.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: asyncio.subprocess.Process | None = None
        self._is_spent = False
        self._file = ""
        self._lines: Sequence[Sequence[int]] = ()

    @property
    def is_alive(self) -> bool:
        """Whether it can take a job."""
        return self._process is not None and self._process.returncode is None and not self._is_spent

    async def start(self) -> None:
        """Start the process. It gets nothing of the operator: no environment, no files, and a session of its own."""
        self._process = await asyncio.create_subprocess_exec(
            # Isolated as by -I, which would not heed the seed.
            *(sys.executable, "-P", "-s", "-B", "-X", "utf8"),
            *("-c", _BOOT, str(_SOURCES), str(self._limits.memory_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )

    async def render(self, job: Job, cpu_s: float) -> Answer:
        """Return the answer to one job. After any failure but that of the template, the process is over."""
        try:
            async with asyncio.timeout(self._limits.wall_s):
                return await self._ask(job, cpu_s)
        except TimeoutError:
            await self.end()
            return Failure(Cause.TIME, TOO_LONG, self._file)
        except BadFrameError:
            await self.end()
            return Failure(Cause.OUTPUT, _TOO_MUCH, self._file)
        except (asyncio.IncompleteReadError, OSError):
            return await self._obituary()
        except asyncio.CancelledError:
            self.kill()
            raise

    async def end(self) -> None:
        """End the process by force, and wait until it is gone. Nobody else may be reading what it says."""
        self.kill()
        await self._last_words()

    def dismiss(self) -> None:
        """Let the process end: it does when it has no job and can get none."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self) -> None:
        """End the process by force."""
        self._is_spent = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                # `Popen.kill` would look first whether it has ended, and take its status away from the event loop.
                os.kill(self._process.pid, signal.SIGKILL)

    async def _ask(self, job: Job, cpu_s: float) -> Answer:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise OSError("not started")
        self._file, self._lines = "", ()
        process.stdin.write(_packed(job, cpu_s, self._limits))
        await process.stdin.drain()
        while True:
            head, body = await self._read(process.stdout)
            if "lines" in head:
                self._file, self._lines = _place(job, head)
            else:
                self._is_spent = bool(head.get("last"))
                return _answer(job, head, body)

    async def _read(self, stream: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
        opening = await stream.readexactly(frames.LENGTHS_BYTES)
        limit = self._limits.output_bytes
        head_bytes, body_bytes = frames.lengths(opening, head_limit=frames.HEAD_LIMIT, body_limit=limit)
        head = frames.head_of(await stream.readexactly(head_bytes))
        return head, await stream.readexactly(body_bytes)

    async def _obituary(self) -> Failure:
        """Return why the process has ended, and at which line it was, as far as it could tell."""
        code, said = await self._end_of_it()
        place = _PLACE.search(said)
        line = self._template_line(int(place[1])) if place is not None else 0
        if code in (-signal.SIGPROF, -signal.SIGXCPU):
            return Failure(Cause.TIME, TOO_LONG, self._file, line)
        if code == -signal.SIGKILL or b"MemoryError" in said:
            return Failure(Cause.MEMORY, _TOO_LARGE, self._file, line)
        return Failure(Cause.LOST, _LOST, self._file, line)

    async def _end_of_it(self) -> tuple[int, bytes]:
        """Return how the process has ended, and its last words; one that has only fallen silent is ended."""
        self.dismiss()
        try:
            async with asyncio.timeout(_GRACE_S):
                return await self._last_words()
        except TimeoutError:
            await self.end()
            return 0, b""

    async def _last_words(self) -> tuple[int, bytes]:
        """Wait until the process is gone. It is for the event loop only when all that it has said was read."""
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            return 0, b""
        _, said = await asyncio.gather(_beginning_of(process.stdout), _beginning_of(process.stderr))
        return await process.wait(), said

    def _template_line(self, code_line: int) -> int:
        """Return the line of the template from which a line of the compiled code was made."""
        lines = (template for template, code in reversed(self._lines) if code <= code_line)
        return next(lines, 1)


async def _beginning_of(stream: asyncio.StreamReader) -> bytes:
    """Read to the end; return the beginning."""
    kept = b""
    while data := await stream.read(_KEPT_BYTES):
        kept += data[: _KEPT_BYTES - len(kept)]
    return kept


def _packed(job: Job, cpu_s: float, limits: Limits) -> bytes:
    sizes = [[path, len(value)] for path, value in job.values.items()]
    head = {"files": dict(job.files), "values": sizes, "cpu": cpu_s, "output": limits.output_bytes}
    return frames.pack(head, job.values.values())


def _place(job: Job, head: dict[str, Any]) -> tuple[str, list[list[int]]]:
    """Return the file that is next, and which line of its code is which of its template."""
    try:
        file = head["file"] if head["file"] in job.files else ""
        return file, [[int(template), int(code)] for template, code in head["lines"]]
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise BadFrameError("no lines") from error


def _answer(job: Job, head: dict[str, Any], body: bytes) -> Answer:
    """Return the answer, which is about the files of the job and no others."""
    try:
        if "failure" in head:
            cause, message, file, line = head["failure"]
            named = file if file in job.files else ""
            return Failure(Cause(cause), str(message)[:LONGEST_MESSAGE], named, int(line))
        files = frames.cut(body, head["files"])
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise BadFrameError("no answer") from error
    if files.keys() != job.files.keys():
        raise BadFrameError("other files")
    return Rendered(files)
